"""A strip of poses: what was observed, what followed, and below that each prediction of it."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import pose_positions
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.figures import FAINT, INK, NOTE, add_title, new_figure, save
from motion_jax.visualize.poses import GHOST, SIDES, add_pose, project, set_pose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OBSERVED = 2  # poses of the history that a strip shows
ROW_INCHES = 1.75
_NARROWEST = 0.42  # of a cell's height: "1000 ms" is as wide


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """One line of a strip: poses in the columns from `begin` on. Its name stands before them, or above where none is
    left empty.
    """

    name: str
    places: np.ndarray  # [K, J, 3] mm, the root at its offset and unturned
    begin: int


@dataclasses.dataclass(frozen=True, eq=False)
class Strip:
    """What is drawn, and where: cell (row, column) has its centre at `(column * width, -row * height)`."""

    skeleton: Skeleton
    rows: Sequence[Row]
    times_ms: Sequence[int]  # of each column, 0 at the last observed frame
    past: int  # columns that were observed
    known: bool  # the first row holds the future too: what happened

    @property
    def paper(self) -> np.ndarray:
        """`[poses, J, 2]` of all rows."""
        return np.concatenate([project(row.places)[..., :2] for row in self.rows])

    @property
    def middle(self) -> np.ndarray:
        """`[2]`, what of a pose lies at its cell's centre."""
        return (self.paper.max((0, 1)) + self.paper.min((0, 1))) / 2

    @property
    def cell(self) -> np.ndarray:
        """`[2]` width and height, mm: the largest extent of any pose, and some air; times must find room above it."""
        width, height = np.ptp(self.paper, axis=(0, 1)) * [1.12, 1.22]
        return np.array([max(width, _NARROWEST * height), height])


def scene_strip(comparison: Comparison, path: str | Path) -> None:
    """Draws the first scene of a comparison; as `motion_strip`."""
    scene = comparison.scenes[0]
    predictions = {name: found.frames for name, found in zip(comparison.models, scene.predictions, strict=True)}
    title = f"{comparison.title(scene)}: free-running prediction"
    motion_strip(comparison.skeleton, scene.history, scene.truth, predictions, path, comparison.fps, title=title)


def motion_strip(
    skeleton: Skeleton,
    history: np.ndarray,
    truth: np.ndarray | None,
    predictions: Mapping[str, np.ndarray],
    path: str | Path,
    fps: float,
    every: int = 5,
    title: str = "",
) -> None:
    """Draws the last observed poses, then every `every`-th future one: the truth, and below it each prediction.

    The root (columns 0-5) is taken out, so that poses compare; all face the same way. Behind a prediction stands the
    truth in grey, and below it the mean distance between their joints, in mm on the skeleton's scale. Where the truth
    is not known, each prediction follows the observed poses in a row of its own.

    Args:
        skeleton: of the frames.
        history: `[S, D]` raw frames, the last of which is at 0 ms.
        truth: `[T, D]` raw frames, or None where it is not known.
        predictions: name -> `[T, D]` raw frames.
        path: the picture, .png, .pdf or .svg.
        fps: of the frames.
        every: frames from one pose to the next.
        title: above the picture.

    Raises:
        UserError: wrong shapes, nothing to draw, a value that is not finite, or `path` cannot be written.
    """
    futures = ({} if truth is None else {"truth": truth}) | dict(predictions)
    _check(skeleton, {"history": history} | futures, every)
    past = np.arange(len(history) - 1, -1, -every)[:OBSERVED][::-1]
    future = np.arange(every - 1, min(map(len, futures.values())), every)
    times = np.concatenate([past - len(history) + 1, future + 1]) * 1000 / fps
    if truth is None:
        rows = [Row(name, _places(skeleton, np.concatenate([history[past], frames[future]])), 0)
                for name, frames in predictions.items()]  # fmt: skip
    else:
        rows = [Row("", _places(skeleton, np.concatenate([history[past], truth[future]])), 0)]
        rows += [Row(name, _places(skeleton, frames[future]), len(past)) for name, frames in predictions.items()]
    save(_draw(Strip(skeleton, rows, times.round().astype(int).tolist(), len(past), truth is not None), title), path)


def _check(skeleton: Skeleton, clips: Mapping[str, np.ndarray], every: int) -> None:
    if every < 1 or len(clips) < 2:
        raise UserError(f"strip: every={every} must be at least 1, and there must be a future to draw")
    for name, frames in clips.items():
        least = 1 if name == "history" else every
        if frames.ndim != 2 or frames.shape[1] != skeleton.columns or len(frames) < least:
            wanted = f"[at least {least}, {skeleton.columns}]"
            raise UserError(f"strip: {name} has shape {list(frames.shape)}; skeleton {skeleton.name} needs {wanted}")
        if not np.isfinite(frames).all():
            raise UserError(f"strip: {name} holds values that are not finite")


def _places(skeleton: Skeleton, frames: np.ndarray) -> np.ndarray:
    """`[K, D]` raw frames to `[K, J, 3]` mm without the root's movement."""
    return np.asarray(pose_positions(skeleton, frames), np.float64)


def _draw(strip: Strip, title: str) -> Figure:
    width, height = strip.cell
    columns, rows = len(strip.times_ms), len(strip.rows)
    left, right, top = -0.6 * width, (columns - 0.4) * width, 0.83 * height
    low = -(rows - 0.42) * height
    scale = ROW_INCHES / height
    figure = new_figure((right - left) * scale + 0.1, (top - low) * scale + (0.4 if title else 0.1))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(left, right)
    axes.set_ylim(low, top)
    _draw_header(axes, strip)
    for number, row in enumerate(strip.rows):
        _draw_row(axes, strip, row, number)
    if title:
        add_title(figure, title)
    return figure


def _draw_header(axes: Axes, strip: Strip) -> None:
    """What each part shows, times above the columns, and the line between what was observed and what followed."""
    width, height = strip.cell
    for column, time in enumerate(strip.times_ms):
        axes.text(
            column * width, 0.55 * height, f"{time} ms".replace("-", "\u2212"), ha="center", fontsize=9, color=INK
        )
    now = (strip.past - 0.5) * width
    axes.plot([now, now], [-(len(strip.rows) - 0.5) * height, 0.83 * height], color=FAINT, linewidth=0.8)
    for place, text in ((-0.5 * width, "Observed"), (now + 0.1 * width, "Truth" if strip.known else "Predicted")):
        axes.text(place, 0.72 * height, text, fontsize=10, color=INK, weight="bold")
    end = (len(strip.times_ms) - 0.5) * width
    for place, side in ((0.62, "left"), (0.0, "right")):
        axes.text(end - place * width, 0.72 * height, side, ha="right", fontsize=9, color=SIDES[side], weight="bold")


def _draw_row(axes: Axes, strip: Strip, row: Row, number: int) -> None:
    width, height = strip.cell
    for index, places in enumerate(row.places):
        column = row.begin + index
        shift = np.array([column * width, -number * height]) - strip.middle
        if number and strip.known:
            true = strip.rows[0].places[column]
            _draw_pose(axes, strip.skeleton, true, shift, GHOST)
            error = np.linalg.norm(places - true, axis=-1).mean()
            below = column * width, -(number + 0.5) * height
            axes.text(*below, f"{error:.0f} mm", ha="center", fontsize=9, color=INK)
        _draw_pose(axes, strip.skeleton, places, shift, SIDES)
    if row.begin:
        _name_row(axes, strip, row, number)
    elif row.name:
        axes.text(-0.5 * width, -(number + 0.52) * height, row.name, fontsize=9, color=INK, weight="bold")


def _name_row(axes: Axes, strip: Strip, row: Row, number: int) -> None:
    """The name in the columns of what was observed; the first time with what the grey body and the numbers are."""
    width, height = strip.cell
    inches = ROW_INCHES * width / height * row.begin
    name = textwrap.wrap(row.name, max(8, int(inches / 0.09)), max_lines=3, placeholder="\u2026")
    at = -0.5 * width, (0.02 - number) * height
    axes.text(*at, "\n".join(name), fontsize=10, color=INK, weight="bold", va="bottom")
    if number == 1:
        note = textwrap.wrap("grey: the truth; below: mean distance of joints from it", max(8, int(inches / 0.075)))
        axes.text(at[0], at[1] - 0.04 * height, "\n".join(note), fontsize=8, color=NOTE, va="top")


def _draw_pose(
    axes: Axes, skeleton: Skeleton, places: np.ndarray, shift: np.ndarray, colours: Mapping[str, str]
) -> None:
    points = project(places)
    points[:, :2] += shift
    set_pose(add_pose(axes, skeleton, 1.8), skeleton, points, colours)
