"""Roots free of heading: the path as a body makes it, the same wherever it walks and wherever to; float64, in numpy.

The vertical is y. A root's rotation in space C, which acts on column vectors, is split into a turn about the vertical
and a tilt before it, C = Ry(heading) S, of which the tilt S turns about a level axis (the swing-twist decomposition).
Of a body that at rest faces z, with its left at x, a row holds

    0  velocity to the left, 2 velocity forward: the step from the row before, in the heading of that row, unit a row
    1  height, unit
    3, 5  tilt, rad: the rotation vector of the transposed S, as those of the joints; it has no vertical part
    4  turn to the left since the row before, rad, in [-pi, pi]

so that height and the direction of gravity are told, and place and heading are not.
"""

from __future__ import annotations

import numpy as np

from motion_jax.data.motion.rotations_np import (
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)

STEPS = (0, 2, 4)  # columns that tell of the time since the row before; the others tell of the row itself
# Cosine of half a tilt, below which a body is upside down and its heading undefined: it keeps that of the row before.
# The tilt's vertical part, which no column holds, is then at most pi times this, less than the law of there and back.
UPSIDE_DOWN = 1e-10


def to_heading(frames: np.ndarray) -> np.ndarray:
    """Frames `[F, D]` with an absolute root, D at least 6, to `[F - 1, D]`: each row but the first, after the one
    before it.
    """
    headings, tilts = _split(frames)
    turns = np.diff(headings)
    x, z = np.diff(frames[:, 0]), np.diff(frames[:, 2])
    sine, cosine = np.sin(headings[:-1]), np.cos(headings[:-1])
    result = np.array(frames[1:])
    result[:, 0], result[:, 2] = x * cosine - z * sine, x * sine + z * cosine
    result[:, 3], result[:, 5] = tilts[1:, 0], tilts[1:, 2]
    result[:, 4] = turns - 2 * np.pi * np.round(turns / (2 * np.pi))
    return result


def from_heading(frames: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The inverse: rows `[T, D]` that follow a frame `last` `[D]` with an absolute root, with such a root.

    Angles come back in [0, pi]. A `last` that is upside down has heading 0.
    """
    headings = np.cumsum(np.concatenate([_split(last[None])[0], frames[:, 4]]))
    sine, cosine = np.sin(headings[:-1]), np.cos(headings[:-1])
    side, forward = frames[:, 0], frames[:, 2]
    result = np.array(frames)
    result[:, 0] = last[0] + np.cumsum(side * cosine + forward * sine)
    result[:, 2] = last[2] + np.cumsum(forward * cosine - side * sine)
    tilts = quaternion_from_rotvec(-frames[:, 3:6] * [1, 0, 1])
    result[:, 3:6] = -rotvec_from_quaternion(quaternion_multiply(_about_vertical(headings[1:]), tilts))
    return result


def headings_of(frames: np.ndarray) -> np.ndarray:
    """Where bodies with absolute roots `[F, D]` face, `[F]` rad: 0 along z, pi / 2 along x, each in [-2 pi, 2 pi]."""
    return _split(frames)[0]


def _split(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Headings `[F]` and tilts `[F, 3]` of absolute roots."""
    rotations = quaternion_from_rotvec(-frames[:, 3:6])
    defined = np.hypot(rotations[:, 0], rotations[:, 2]) > UPSIDE_DOWN
    headings = np.where(defined, 2 * np.arctan2(rotations[:, 2], rotations[:, 0]), 0.0)
    if not defined.all():
        known = np.maximum.accumulate(np.where(defined, np.arange(len(frames)), -1))
        headings = np.where(known < 0, 0.0, headings[known])
    tilts = -rotvec_from_quaternion(quaternion_multiply(_about_vertical(-headings), rotations))
    tilts[:, 1] = 0.0
    return headings, tilts


def _about_vertical(angles: np.ndarray) -> np.ndarray:
    """Turns `[F]` as quaternions `[F, 4]`."""
    zero = np.zeros_like(angles)
    return np.stack([np.cos(angles / 2), zero, np.sin(angles / 2), zero], axis=-1)
