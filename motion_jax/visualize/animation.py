"""Animations of a scene: the truth and each prediction beside it, frame by frame, as GIF or MP4."""

from __future__ import annotations

import math
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, written_atomically
from motion_jax.visualize.comparison import Comparison, Scene
from motion_jax.visualize.figures import INK, NOTE, new_figure, show_names_as_they_are
from motion_jax.visualize.poses import GHOST, SIDES, PoseLines, add_pose, make_track, project, set_pose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

DPI = 100
PANEL, HEADER, FOOTER = (2.4, 3.1), 0.62, 0.22  # inches: a body with its name and error, the title, the bar of time
COLUMNS = 4  # panels in a row, at most
HOLD = 0.8  # seconds that the last frame stays
SUFFIXES = (".gif", ".mp4")


class Panel(NamedTuple):
    """One body, and what of its picture moves."""

    points: np.ndarray  # [S+T, J, 3] on paper
    ghost: PoseLines | None
    body: PoseLines
    note: Text
    errors: np.ndarray | None  # [T] mm


class Stage(NamedTuple):
    """A figure, and what of it moves."""

    figure: Figure
    panels: list[Panel]
    clock: Text
    bar: Rectangle
    observed: int  # frames
    known: bool  # the first panel is of the truth


def check_animation(path: str | Path, suffix: str) -> None:
    """Raises `UserError` if the path has another suffix or cannot be written, or what writes such files is missing."""
    if Path(path).suffix.lower() != suffix:
        raise UserError(f"{path}: this animation's suffix must be {suffix}")
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise UserError(f"{path}: an MP4 needs ffmpeg, which is not installed (a .gif does not)")
    new_figure(1, 1)
    check_writable(path)


def write_animation(comparison: Comparison, path: str | Path) -> None:
    """Writes the first scene at its own speed, whole or not at all: .gif by Pillow, .mp4 by ffmpeg.

    The root is taken out, as the metrics measure, or moves where the comparison is of walks, of which the viewer
    follows the first; behind a prediction stands
    the truth in grey, where it is known.

    Raises:
        UserError: another suffix, matplotlib or ffmpeg is missing, or the path cannot be written.
    """
    path = Path(path)
    check_animation(path, path.suffix.lower() if path.suffix.lower() in SUFFIXES else SUFFIXES[0])
    scene = comparison.scenes[0]
    stage = _build(comparison, scene)
    show_names_as_they_are(stage.figure)
    writer = _writer(path.suffix.lower(), comparison.fps)
    try:
        with (
            written_atomically(path) as draft,
            writer.saving(stage.figure, str(draft), DPI),
        ):  # the suffix is the format
            for frame in range(len(scene.history) + comparison.target_length):
                _show(stage, comparison, frame)
                writer.grab_frame()
            for _ in range(round(HOLD * comparison.fps)):
                writer.grab_frame()
    except subprocess.CalledProcessError as error:
        said = str(error.stderr or error.output or "").strip().splitlines()
        why = said[-1] if said else f"exit status {error.returncode}"
        raise UserError(f"{path}: cannot be written: ffmpeg: {why}") from None


def _writer(suffix: str, fps: float) -> Any:
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if suffix == ".gif":
        return PillowWriter(fps=fps)  # type: ignore[arg-type]
    even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]  # what players ask of H.264
    return FFMpegWriter(fps=fps, codec="libx264", extra_args=even)  # type: ignore[arg-type]


def _build(comparison: Comparison, scene: Scene) -> Stage:
    """A panel for the truth and each model, all of one scale, at fixed places: nothing but the bodies moves."""
    now, known = len(scene.history) - 1, scene.truth is not None
    motions = [*([scene.truth] if known else []), *(prediction.frames for prediction in scene.predictions)]
    tracks = [make_track(comparison.skeleton, np.concatenate([scene.history, frames]), now, comparison.stride)
              for frames in motions]  # fmt: skip
    along = (tracks[0].moves * [1, 0, 1])[:, None]  # the viewer goes with the first body
    paper = [project(track.world - along if comparison.walk else track.places) for track in tracks]
    rows = math.ceil(len(motions) / COLUMNS)
    columns = math.ceil(len(motions) / rows)
    width, height = PANEL[0] * columns, HEADER + PANEL[1] * rows + FOOTER
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    figure.text(0.12 / width, 1 - 0.3 / height, comparison.title(scene), fontsize=12, color=INK)
    clock = figure.text(0.12 / width, 1 - 0.53 / height, "", fontsize=11, color=NOTE)
    panels = []
    named = [*([("Truth", None)] if known else []), *zip(comparison.models, scene.predictions, strict=True)]
    for number, (name, prediction) in enumerate(named):
        row, column = divmod(number, columns)
        low = FOOTER + PANEL[1] * (rows - 1 - row)
        axes = figure.add_axes((column / columns, low / height, 1 / columns, PANEL[1] / height))
        _frame(axes, name, np.stack(paper)[..., :2])
        errors = prediction.mpjpe_mm if prediction else None
        ghost = add_pose(axes, comparison.skeleton, 2.4) if prediction and known else None
        note = axes.text(0.5, 0.02, "", transform=axes.transAxes, ha="center", fontsize=10, color=INK)
        panels.append(Panel(paper[number], ghost, add_pose(axes, comparison.skeleton, 2.8), note, errors))
    bar = _add_bar(figure, len(scene.history), comparison.target_length)
    return Stage(figure, panels, clock, bar, len(scene.history), known)


def _frame(axes: Axes, name: str, paper: np.ndarray) -> None:
    """Room for every pose of `paper`, with a band above for the name and one below for the error."""
    low, high = paper.min((0, 1, 2)), paper.max((0, 1, 2))
    wide, tall = (high - low) * [1.16, 1.36]
    scale = max(wide / PANEL[0], tall / PANEL[1]) / 2  # mm in half an inch
    middle = (low + high) / 2 + [0, 0.02 * tall]
    axes.set_axis_off()
    axes.set_xlim(middle[0] - scale * PANEL[0], middle[0] + scale * PANEL[0])
    axes.set_ylim(middle[1] - scale * PANEL[1], middle[1] + scale * PANEL[1])
    lines = textwrap.wrap(name, 24, max_lines=2, placeholder="\u2026")
    axes.text(0.5, 0.99, "\n".join(lines), transform=axes.transAxes, ha="center", va="top", fontsize=11, color=INK)


def _add_bar(figure: Figure, observed: int, predicted: int) -> Rectangle:
    """How far the motion is: below all panels, what was observed in a lighter grey."""
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches()
    axes = figure.add_axes((0.12 / width, 0.08 / height, 1 - 0.24 / width, 0.07 / height))
    axes.set_axis_off()
    axes.set_xlim(0, observed + predicted)
    axes.set_ylim(0, 1)
    axes.add_patch(Rectangle((0, 0), observed, 1, facecolor="#E4E4E4"))
    axes.add_patch(Rectangle((observed, 0), predicted, 1, facecolor="#CBD9E6"))
    bar = Rectangle((0, 0), 0, 1, facecolor="#4D6A85")
    axes.add_patch(bar)
    return bar


def _show(stage: Stage, comparison: Comparison, frame: int) -> None:
    """Moves every body to a frame, counted from the first that was observed."""
    step = frame - stage.observed  # 0 is the first that is predicted
    time = round((step + 1) * 1000 / comparison.fps)
    stage.clock.set_text(f"{time:+d} ms, ".replace("-", "\u2212") + ("predicted" if step >= 0 else "observed"))
    stage.bar.set_width(frame + 1)
    truth = stage.panels[0].points[frame]
    for panel in stage.panels:
        set_pose(panel.body, comparison.skeleton, panel.points[frame], SIDES)
        if panel.ghost is None or panel.errors is None:
            panel.note.set_text(("what followed" if stage.known else "predicted") if step >= 0 else "")
        elif step >= 0:
            set_pose(panel.ghost, comparison.skeleton, truth, GHOST)
            panel.note.set_text(f"{panel.errors[step]:.0f} mm off")
