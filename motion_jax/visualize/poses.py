"""Poses: frames as joints in space, with the root's path beside them, and as coloured lines on paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from motion_jax.data.motion.root_forms import to_absolute
from motion_jax.geometry.kinematics import pose_positions
from motion_jax.geometry.rotations import matrix_from_rotvec
from motion_jax.skeletons.skeleton import Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

SIDES = {"left": "#0072B2", "right": "#D55E00", "centre": "#404040"}  # colour-blind safe (Okabe & Ito 2008)
GHOST = dict.fromkeys(SIDES, "#C4C4C4")  # the truth behind a prediction
AZIMUTH, ELEVATION = np.deg2rad(35.0), np.deg2rad(12.0)  # the viewer stands in front, to the body's left, above it
HEAD = 0.042  # radius of a head, of the body's height at rest


class Track(NamedTuple):
    """A motion of F frames: the place of joint j in the world is `places[:, j] @ turns + moves`."""

    places: np.ndarray  # [F, J, 3] mm from the root, the root unturned
    turns: np.ndarray  # [F, 3, 3] of the root, which act on row vectors from the right
    moves: np.ndarray  # [F, 3] mm

    @property
    def world(self) -> np.ndarray:
        """`[F, J, 3]` mm: along the root's path."""
        return self.places @ self.turns + self.moves[:, None]


def make_track(skeleton: Skeleton, frames: np.ndarray, now: int, stride: int, seen: np.ndarray | None = None) -> Track:
    """Raw frames `[F, D]` to a track whose root stands at x = z = 0 and faces z at frame `now`.

    A root of steps is integrated from an upright body at the first frame, and each kept row's difference counts
    for the `stride` rows of the recording that it stands for. Which way a body is upright, its poses tell (see
    `upright`), those of `seen`; None: of the frames up to `now`.
    """
    places = np.asarray(pose_positions(skeleton, np.array(frames, np.float32))) - skeleton.offsets[0]
    standing = places[: now + 1] if seen is None else np.asarray(pose_positions(skeleton, np.array(seen, np.float32)))
    stand = upright(skeleton, standing)
    if skeleton.positions:  # the root stays in place, upright
        still = np.broadcast_to(np.eye(3), (len(frames), 3, 3))
        return Track(places @ stand, still, np.broadcast_to(skeleton.offsets[0] * [0, 1, 0], (len(frames), 3)))
    path = to_absolute(skeleton.root, np.asarray(frames, np.float64), np.zeros(skeleton.columns), stride)
    turns = np.asarray(matrix_from_rotvec(path[:, 3:6]), np.float64)
    moves = path[:, :3] * skeleton.translation_mm + skeleton.offsets[0]
    if skeleton.root == "difference":  # the world is that of the first frame, in which the root was not turned
        turns, moves = turns @ stand, moves @ stand
    places, turns = places @ stand, stand.T @ turns
    forward = _facing_forward(turns[now])
    return Track(places, turns @ forward, (moves - moves[now] * [1, 0, 1]) @ forward)


def upright(skeleton: Skeleton, places: np.ndarray) -> np.ndarray:
    """`[3, 3]`, from the right on row vectors: turns a body whose trunk does not rise along y such that it does.

    Files are free to have their rest pose lie, with the root's rotation making up for it: without the root's rotation
    such a body lies too. Up is the axis along which the trunk lies over the legs, ahead the one that follows from where
    the left leg is; of a body without legs, and where the trunk rises along y, nothing is turned.

    Args:
        skeleton: whose parts they are.
        places: `[F, J, 3]` of recorded poses, the root unturned.
    """
    middle = places.mean(axis=0)
    spine, left, right = (list(skeleton.part_joints(part)) for part in ("spine", "left_leg", "right_leg"))
    if not (spine and left and right):
        return np.eye(3)
    up = _nearest_axis(middle[spine].mean(axis=0) - middle[[*left, *right]].mean(axis=0))
    side = _nearest_axis((middle[left].mean(axis=0) - middle[right].mean(axis=0)) * (up == 0))
    if up[1] > 0:
        return np.eye(3)
    return np.stack([side, up, np.cross(side, up)], axis=1)


def _nearest_axis(direction: np.ndarray) -> np.ndarray:
    """The signed unit vector along x, y or z."""
    axis = int(np.argmax(np.abs(direction)))
    return np.eye(3)[axis] * (np.sign(direction[axis]) or 1.0)


def resting(skeleton: Skeleton) -> np.ndarray:
    """The places of the joints in a frame of zeros, `[J, 3]` mm from the root."""
    places = np.zeros_like(skeleton.offsets)
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            places[joint] = places[parent] + skeleton.offsets[joint]
    return places


def head(skeleton: Skeleton) -> int:
    """The highest joint of the spine at rest; the root where no joint is said to be of the spine."""
    return max(skeleton.part_joints("spine"), key=lambda joint: _standing(skeleton)[joint, 1], default=0)


def _standing(skeleton: Skeleton) -> np.ndarray:
    """As `resting`, but upright."""
    places = resting(skeleton)
    return places @ upright(skeleton, places[None])


def project(places: np.ndarray) -> np.ndarray:
    """Places `[..., 3]`, y up, the body facing z, to `[..., 3]`: right and up on paper, and towards the viewer."""
    towards = np.array([np.cos(ELEVATION) * np.sin(AZIMUTH), np.sin(ELEVATION), np.cos(ELEVATION) * np.cos(AZIMUTH)])
    right = np.array([np.cos(AZIMUTH), 0.0, -np.sin(AZIMUTH)])
    return places @ np.stack([right, np.cross(towards, right), towards], axis=-1)


class PoseLines(NamedTuple):
    """A body in a figure, to be moved by `set_pose`."""

    bones: LineCollection
    head: Circle


def add_pose(axes: Axes, skeleton: Skeleton, width: float) -> PoseLines:
    """Adds a body without a place: bones `width` points wide, and a head."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    bones = LineCollection([], linewidths=width, capstyle="round", zorder=2)
    circle = Circle((0, 0), HEAD * float(np.ptp(_standing(skeleton)[:, 1])), linewidth=0, visible=False, zorder=2)
    axes.add_collection(bones, autolim=False)
    axes.add_patch(circle)
    return PoseLines(bones, circle)


def set_pose(lines: PoseLines, skeleton: Skeleton, points: np.ndarray, colours: Mapping[str, str]) -> None:
    """Places a body at `points` `[J, 3]` of `project`, the nearest bone last, in a colour for each side of `SIDES`."""
    bones = sorted(skeleton.bones, key=lambda bone: points[list(bone), 2].sum())
    lines.bones.set_segments([points[list(bone), :2] for bone in bones])
    lines.bones.set_color([colours[_side(skeleton, *bone)] for bone in bones])
    top = head(skeleton)
    under = max(skeleton.parents[top], 0)
    lines.head.set(center=0.6 * points[top, :2] + 0.4 * points[under, :2], facecolor=colours["centre"], visible=True)


def _side(skeleton: Skeleton, parent: int, child: int) -> str:
    """Of a bone; one that joins a side to the trunk is of the trunk."""
    return skeleton.side(child) if skeleton.side(parent) == skeleton.side(child) else "centre"


def _facing_forward(turn: np.ndarray) -> np.ndarray:
    """The turn about the upright axis that brings the direction that a body faces to z."""
    x, _, z = turn[2]
    angle = np.arctan2(x, z)
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
