"""Frames as bodies in space: the pose without its root, as the metrics measure it, and the root's own path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from motion_jax.geometry.kinematics import frame_positions, integrate_root
from motion_jax.geometry.rotations import matrix_from_rotvec
from motion_jax.skeletons.skeleton import Skeleton


class Track(NamedTuple):
    """A motion of F frames: the place of joint j in the world is `places[:, j] @ turns + moves`."""

    places: np.ndarray  # [F, J, 3] mm from the root, the root unturned
    turns: np.ndarray  # [F, 3, 3] of the root, which act on row vectors from the right
    moves: np.ndarray  # [F, 3] mm


def make_track(skeleton: Skeleton, frames: np.ndarray, now: int, stride: int) -> Track:
    """Raw frames `[F, D]` to a track whose root stands at x = z = 0 and faces z at frame `now`.

    A root of differences is integrated from an upright body at the first frame, and each kept row's difference counts
    for the `stride` rows of the recording that it stands for.
    """
    still = np.array(frames, np.float32)
    still[:, :6] = 0
    places = np.asarray(frame_positions(skeleton, still)) - skeleton.offsets[0]
    path = np.asarray(_absolute(skeleton, np.asarray(frames, np.float32), stride))
    turns = np.asarray(matrix_from_rotvec(path[:, 3:6]), np.float64)
    moves = path[:, :3].astype(np.float64) * skeleton.translation_mm + skeleton.offsets[0]
    forward = _facing_forward(turns[now])
    return Track(places, turns @ forward, (moves - moves[now] * [1, 0, 1]) @ forward)


def resting(skeleton: Skeleton) -> np.ndarray:
    """The places of the joints in a frame of zeros, `[J, 3]` mm from the root."""
    places = np.zeros_like(skeleton.offsets)
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            places[joint] = places[parent] + skeleton.offsets[joint]
    return places


def head(skeleton: Skeleton) -> int:
    """The highest joint of the spine at rest; the root where no joint is said to be of the spine."""
    return max(skeleton.part_joints("spine"), key=lambda joint: resting(skeleton)[joint, 1], default=0)


def _absolute(skeleton: Skeleton, frames: np.ndarray, stride: int) -> np.ndarray:
    if not skeleton.root_is_difference:
        return frames
    return np.asarray(integrate_root(skeleton, np.repeat(frames, stride, axis=0)))[stride - 1 :: stride]


def _facing_forward(turn: np.ndarray) -> np.ndarray:
    """The turn about the upright axis that brings the direction that a body faces to z."""
    x, _, z = turn[2]
    angle = np.arctan2(x, z)
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
