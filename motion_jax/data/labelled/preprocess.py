"""Preprocessing of joint positions, by name: what papers do before a network reads them.

A step takes positions `[F, bodies, J, 3]` mm, the body, and returns as many. Who is not in a frame is zeros there, and
stays so. Steps are done in the order in which `labels.preprocess` names them, on whole sequences and on live input
alike, before frames are sampled and before velocities are taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import savgol_filter

from motion_jax.config import LabelsConfig
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

VERTICAL = 1  # y, as in every body of this package
TORSO_MM = 500.0  # what "scale" makes of the distance from the hips to the shoulders
_WINDOW, _ORDER = 5, 2

Step = Callable[[np.ndarray, Skeleton], np.ndarray]


def preprocess(positions: np.ndarray, skeleton: Skeleton, bodies: int, labels: LabelsConfig) -> np.ndarray:
    """Positions `[F, bodies * J * 3]` after the steps of `labels.preprocess`, float32.

    Raises:
        UserError: the body has no hips or shoulders that a step needs.
    """
    shaped = np.asarray(positions, np.float64).reshape(len(positions), bodies, len(skeleton.joints), 3)
    absent = ~shaped.any(axis=(2, 3))
    for name in labels.preprocess_names:
        shaped = STEPS[name](shaped, skeleton)
        shaped[absent] = 0.0
    return shaped.reshape(len(positions), -1).astype(np.float32)


def center(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The origin at the mean of hip centre, left and right hip, in every frame (Du 2015).

    Of several people the first who is there has it, so that they keep their distance.
    """
    return positions - _of_first(_hips(positions, skeleton), positions)[:, None, None]


def smooth(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Savitzky-Golay over five frames with parabolas: (-3 12 17 12 -3) / 35 (Du 2015).

    The first and last two frames are those of the parabola at that end; fewer than five frames stay. A person who is
    there in parts of the frames is smoothed in each part alone.
    """
    del skeleton
    smoothed = positions.copy()
    there = np.asarray(positions.any(axis=(2, 3)))
    for body in range(positions.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], there[:, body], [False]]).astype(int)))
        for begin, end in edges.reshape(-1, 2):
            if end - begin >= _WINDOW:
                smoothed[begin:end, body] = savgol_filter(positions[begin:end, body], _WINDOW, _ORDER, axis=0)
    return smoothed


def view(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Turned about the vertical such that in the first frame the line from left to right hip lies along x.

    As Shahroudy 2016, 4.1, turns bodies to the camera; here by the first person who is there in the first frame.
    """
    if not len(positions):
        return positions
    left, right = _hip_joints(skeleton)
    across = (positions[0, :, right] - positions[0, :, left])[np.argmax(positions[0].any(axis=(1, 2)))]
    x, z = across[0], across[2]
    length = np.hypot(x, z)
    if not length:
        return positions
    cos, sin = x / length, z / length
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])  # of row vectors
    return positions @ turn


def scale(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Lengths such that the distance from the hips to the shoulders is `TORSO_MM` on average, whoever it is."""
    shoulders = (positions[:, :, _first(skeleton, "left_arm")] + positions[:, :, _first(skeleton, "right_arm")]) / 2
    torso = np.linalg.norm(shoulders - _hips(positions, skeleton), axis=-1)  # [F, bodies]
    lengths = torso[torso > 0]
    return positions * (TORSO_MM / lengths.mean()) if lengths.size else positions


STEPS: dict[str, Step] = {"center": center, "smooth": smooth, "view": view, "scale": scale}


def _hips(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """`[F, bodies, 3]`: the mean of the hip centre, where the root is one, and both hips."""
    root = () if "torso" in skeleton.joints[0].lower() else (0,)
    return positions[:, :, [*root, *_hip_joints(skeleton)]].mean(axis=2)


def _hip_joints(skeleton: Skeleton) -> tuple[int, int]:
    return _first(skeleton, "left_leg"), _first(skeleton, "right_leg")


def _first(skeleton: Skeleton, part: str) -> int:
    """The first joint of a limb that does not lie on the root."""
    for joint in skeleton.part_joints(part):
        if skeleton.coincident[joint] != 0:
            return joint
    raise UserError(f"labels.preprocess: the body {skeleton.name!r} has no joint of its {part.replace('_', ' ')}")


def _of_first(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Of `[F, bodies, 3]` the values `[F, 3]` of the first person who is in each frame."""
    first = np.argmax(positions.any(axis=(2, 3)), axis=1)
    return values[np.arange(len(values)), first]
