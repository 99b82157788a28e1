"""A scene as a film: the truth and each prediction beside it, frame by frame, as GIF or MP4."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, written_atomically
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.comparison import Comparison, Scene
from motion_jax.visualize.figures import FAINT, INK, new_figure
from motion_jax.visualize.poses import make_track
from motion_jax.visualize.strip import GHOST, SIDES, project

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DPI = 100
INCHES = 2.6  # of a body's panel
SUFFIXES = (".gif", ".mp4")


class Panel(NamedTuple):
    """One body of the film, and what of its picture moves."""

    points: np.ndarray  # [S+T, J, 3] on paper
    ghost: LineCollection | None
    body: LineCollection
    said: Text
    errors: np.ndarray | None  # [T] mm


def check_animation(path: str | Path, suffix: str) -> None:
    """Raises `UserError` if the path has another suffix or cannot be written, or what writes such films is missing."""
    if Path(path).suffix.lower() != suffix:
        raise UserError(f"{path}: this film's suffix must be {suffix}")
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise UserError(f"{path}: an MP4 needs ffmpeg, which is not installed (a .gif does not)")
    new_figure(1, 1)
    check_writable(path)


def write_animation(comparison: Comparison, path: str | Path) -> None:
    """Writes the first scene at its own speed, whole or not at all: .gif by Pillow, .mp4 by ffmpeg.

    The root is taken out, as the metrics measure; behind a prediction stands the truth in grey.

    Raises:
        UserError: another suffix, matplotlib or ffmpeg is missing, or the path cannot be written.
    """
    path = Path(path)
    check_animation(path, path.suffix.lower() if path.suffix.lower() in SUFFIXES else SUFFIXES[0])
    scene = comparison.scenes[0]
    figure, panels = _stage(comparison, scene)
    clock = figure.suptitle("", fontsize=11, color=INK, x=0.02, ha="left")
    writer = _writer(path.suffix.lower(), comparison.fps)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once: nothing but the bodies moves
    with written_atomically(path) as draft, writer.saving(figure, str(draft), DPI):  # the suffix is the format
        for frame in range(len(scene.history) + len(scene.truth)):
            _show(comparison.skeleton, panels, clock, frame - len(scene.history), comparison.fps, scene.action)
            writer.grab_frame()


def _writer(suffix: str, fps: float) -> Any:
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if suffix == ".gif":
        return PillowWriter(fps=fps)  # type: ignore[arg-type]
    even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]  # what players ask of H.264
    return FFMpegWriter(fps=fps, codec="libx264", extra_args=even)  # type: ignore[arg-type]


def _stage(comparison: Comparison, scene: Scene) -> tuple[Figure, list[Panel]]:
    """A panel for the truth and each model, all of one scale."""
    now = len(scene.history) - 1
    motions = [scene.truth, *(prediction.frames for prediction in scene.predictions)]
    paper = [project(make_track(comparison.skeleton, np.concatenate([scene.history, frames]), now, comparison.stride).places)
             for frames in motions]  # fmt: skip
    points = np.stack(paper)[..., :2]
    low, high = points.min((0, 1, 2)), points.max((0, 1, 2))
    figure = new_figure(INCHES * len(motions), INCHES * 1.25)
    panels = []
    rows = figure.subplots(1, len(motions), squeeze=False)[0]
    for number, (axes, name) in enumerate(zip(rows, ("truth", *comparison.models), strict=True)):
        _frame(axes, name, low, high)
        errors = scene.predictions[number - 1].mpjpe_mm if number else None
        ghost = _lines(axes, 1.2) if number else None
        said = axes.text(0.5, -0.02, "", transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)
        panels.append(Panel(paper[number], ghost, _lines(axes, 2.2), said, errors))
    return figure, panels


def _frame(axes: Axes, name: str, low: np.ndarray, high: np.ndarray) -> None:
    air = 0.06 * (high - low).max()
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(low[0] - air, high[0] + air)
    axes.set_ylim(low[1] - air, high[1] + air)
    axes.set_title(name, fontsize=10, color=INK)


def _lines(axes: Axes, width: float) -> LineCollection:
    from matplotlib.collections import LineCollection

    lines = LineCollection([], linewidths=width, capstyle="round")
    axes.add_collection(lines)
    return lines


def _show(skeleton: Skeleton, panels: list[Panel], clock: Text, step: int, fps: float, action: str) -> None:
    """Moves every body to a frame: `step` 0 is the first that is predicted."""
    time = round((step + 1) * 1000 / fps)
    clock.set_text(f"{action}, {time:+d} ms, {'predicted' if step >= 0 else 'observed'}")
    frame = step + len(panels[0].points) - _future(panels)
    truth = panels[0].points[frame]
    for panel in panels:
        points = panel.points[frame]
        bones = sorted(skeleton.bones, key=lambda bone: points[list(bone), 2].sum())
        panel.body.set_segments([points[list(bone), :2] for bone in bones])
        panel.body.set_color([_colour(skeleton, bone) for bone in bones])
        if panel.ghost is not None and panel.errors is not None and step >= 0:
            panel.ghost.set_segments([truth[list(bone), :2] for bone in bones])
            panel.ghost.set_color(GHOST)
            panel.said.set_text(f"{panel.errors[step]:.0f} mm")


def _future(panels: list[Panel]) -> int:
    return next(len(panel.errors) for panel in panels if panel.errors is not None)


def _colour(skeleton: Skeleton, bone: tuple[int, int]) -> str:
    parent, child = map(skeleton.side, bone)
    return SIDES[child if parent == child else "centre"]
