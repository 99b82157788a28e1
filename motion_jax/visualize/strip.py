"""Motion as stick figures: a strip of poses, the truth above each prediction of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import frame_positions
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.figures import INK, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDES = {"left": "#0072B2", "right": "#D55E00", "centre": "#404040"}  # colour-blind safe (Okabe & Ito 2008)
GHOST = "#CCCCCC"  # the truth behind a prediction
AZIMUTH, ELEVATION = np.deg2rad(35.0), np.deg2rad(12.0)  # the viewer stands in front, to the body's left, above it
OBSERVED = 3  # poses of the history that a strip shows
ROW_INCHES = 1.75


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """One line of a strip: poses in the columns from `begin` on."""

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
        """`[2]` width and height, mm: the largest extent of any pose, and some air."""
        return np.ptp(self.paper, axis=(0, 1)) * [1.12, 1.22]


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
    truth in grey, and below it the mean distance between their joints, in mm on the skeleton's scale.

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
    first = history[past] if truth is None else np.concatenate([history[past], truth[future]])
    rows = [Row("observed" if truth is None else "truth", _places(skeleton, first), 0)]
    rows += [Row(name, _places(skeleton, frames[future]), len(past)) for name, frames in predictions.items()]
    save(_draw(Strip(skeleton, rows, times.round().astype(int).tolist(), len(past), truth is not None), title), path)


def project(places: np.ndarray) -> np.ndarray:
    """Places `[..., 3]`, y up, the body facing z, to `[..., 3]`: right and up on paper, and towards the viewer."""
    towards = np.array([np.cos(ELEVATION) * np.sin(AZIMUTH), np.sin(ELEVATION), np.cos(ELEVATION) * np.cos(AZIMUTH)])
    right = np.array([np.cos(AZIMUTH), 0.0, -np.sin(AZIMUTH)])
    return places @ np.stack([right, np.cross(towards, right), towards], axis=-1)


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
    still = np.array(frames)
    still[:, :6] = 0
    return np.asarray(frame_positions(skeleton, still), np.float64)


def _draw(strip: Strip, title: str) -> Figure:
    width, height = strip.cell
    columns, rows = len(strip.times_ms), len(strip.rows)
    scale = ROW_INCHES / height
    figure = new_figure(width * scale * (columns + 0.5), ROW_INCHES * rows + 0.75)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.1 * width, (columns - 0.4) * width)
    axes.set_ylim(-(rows - 0.45) * height, 0.75 * height)
    _draw_header(axes, strip)
    for number, row in enumerate(strip.rows):
        _draw_row(axes, strip, row, number)
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    return figure


def _draw_header(axes: Axes, strip: Strip) -> None:
    """Times above the columns, and the line between what was observed and what was to be predicted."""
    width, height = strip.cell
    for column, time in enumerate(strip.times_ms):
        axes.text(column * width, 0.54 * height, f"{time} ms", ha="center", fontsize=9, color=INK)
    now = (strip.past - 0.5) * width
    axes.plot([now, now], [-(len(strip.rows) - 0.5) * height, 0.75 * height], color=GHOST, linewidth=1)
    axes.text(now - 0.08 * width, 0.66 * height, "observed", ha="right", fontsize=9, color=INK)
    axes.text(now + 0.08 * width, 0.66 * height, "to be predicted", ha="left", fontsize=9, color=INK)
    for place, side in ((0.0, "left"), (0.4, "right")):
        axes.text((place - 1.05) * width, 0.66 * height, side, fontsize=9, color=SIDES[side], weight="bold")


def _draw_row(axes: Axes, strip: Strip, row: Row, number: int) -> None:
    width, height = strip.cell
    left = (row.begin - 0.6) * width
    axes.text(left, -number * height, row.name, ha="right", va="center", fontsize=9, color=INK)
    for index, places in enumerate(row.places):
        centre = np.array([(row.begin + index) * width, -number * height]) - strip.middle
        if number and strip.known:
            true = strip.rows[0].places[row.begin + index]
            _draw_pose(axes, strip.skeleton, true, centre, dict.fromkeys(SIDES, GHOST))
            error = np.linalg.norm(places - true, axis=-1).mean()
            below = (row.begin + index) * width, -(number + 0.47) * height
            axes.text(*below, f"{error:.0f} mm", ha="center", fontsize=8, color=INK)
        _draw_pose(axes, strip.skeleton, places, centre, SIDES)


def _draw_pose(
    axes: Axes, skeleton: Skeleton, places: np.ndarray, centre: np.ndarray, colours: Mapping[str, str]
) -> None:
    """Bones as lines, the nearest last; a dot for the head."""
    from matplotlib.collections import LineCollection

    points = project(places)
    bones = sorted(skeleton.bones, key=lambda bone: points[list(bone), 2].sum())
    sides = [colours[skeleton.side(child) if skeleton.side(child) == skeleton.side(parent) else "centre"]
             for parent, child in bones]  # fmt: skip
    lines = points[np.array(bones), :2] + centre
    axes.add_collection(LineCollection(list(lines), colors=sides, linewidths=1.8, capstyle="round"))
    head = max(skeleton.part_joints("spine"), key=lambda joint: places[joint, 1])
    axes.plot(*(points[head, :2] + centre), "o", color=colours["centre"], markersize=4.5)
