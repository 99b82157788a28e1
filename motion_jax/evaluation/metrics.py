"""The yardsticks, with their units in their names. Batched over windows, one number a frame, computed in float64.

Double precision is not a luxury: gimbal lock and the choice of columns by their spread are decided by exact values, so
the same prediction must score the same on every machine, whatever precision the caller works in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.errors import UserError
from motion_jax.geometry.field_euler import field_euler
from motion_jax.geometry.kinematics import frame_positions
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array

Metric = Callable[[Skeleton, Array | np.ndarray, Array | np.ndarray], np.ndarray]
"""(skeleton, prediction `[W, T, D]`, truth `[W, T, D]`) -> `[W, T]`"""

ROOT = 6  # leading columns: the root's translation and rotation, which no metric scores
MOVING = 1e-4  # a column whose std over the window is less counts as constant (Martinez 2017)

# The published Human3.6M positions: a joint that lies on another takes that one's prediction, and a joint that a
# prediction of positions does not cover takes the truth. The other 22 are as predicted.
H36M_COPIES = {
    "LeftShoulder": "Neck",
    "RightShoulder": "Neck",
    "LeftHandThumb": "LeftHand",
    "RightHandThumb": "RightHand",
    "L_Wrist_End.Site": "L_Wrist_End",
    "R_Wrist_End.Site": "R_Wrist_End",
}
H36M_FROM_TRUTH = ("Hips", "RightUpLeg", "LeftUpLeg", "Spine")


def euler_error_rad(prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """The field's Euler-angle error, frame by frame.

    The L2 norm over the columns that move: no division by their count, and no wrapping of angles, so that a joint that
    crosses +-pi costs up to 2 pi. A column moves if its std over the T frames of the truth's Euler angles exceeds 1e-4;
    the root's six do not take part. Martinez 2017, github.com/una-dinosauria/human-motion-prediction, `sample`.

    Args:
        prediction: `[W, T, D]` raw exponential maps, D = 3 + 3 J.
        truth: `[W, T, D]`.

    Returns:
        `[W, T]` float64, radians.

    Raises:
        UserError: the shapes differ or are no `[W, T, 3 + 3 J]`.
    """
    return _in_float64(_euler_error, prediction, truth)


def mpjpe_mm(skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """Mean distance of the joints at each frame: the root's columns zeroed, all joints from the prediction.

    Args:
        skeleton: whose offsets set the scale. CMU's table has the field's scale; the published
            CMU positions (Mao 2019) also keep the root's motion and so do not compare with these.
        prediction: `[W, T, D]` raw exponential maps.
        truth: `[W, T, D]`.

    Returns:
        `[W, T]` float64, millimetres.

    Raises:
        UserError: shapes that differ or do not fit the skeleton.
    """
    return _in_float64(functools.partial(_mpjpe, skeleton), prediction, truth)


def mpjpe_h36m22_mm(skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """`mpjpe_mm` under the convention of the published Human3.6M tables (`h36m22_positions`).

    A prediction of angles scores the same under both: with the root zeroed, the joints that the convention takes from
    the truth stand still, and those that it copies coincide. They differ for predictions of positions.

    Raises:
        UserError: a skeleton other than Human3.6M's, or as `mpjpe_mm`.
    """
    if not applies("mpjpe_h36m22_mm", skeleton):
        raise UserError(f"metric mpjpe_h36m22_mm is defined on skeleton 'h36m', not on {skeleton.name!r}")
    return _in_float64(functools.partial(_mpjpe_h36m22, skeleton), prediction, truth)


def h36m22_positions(prediction: Array, truth: Array) -> Array:
    """The positions `[..., 32, 3]` that published Human3.6M tables score.

    22 joints as predicted, 6 copied from the joint that they coincide with, 4 from the truth. Mao 2020,
    github.com/wei-mao-2019/HisRepItself, `main_h36m_3d_eval.py`.
    """
    body = H36M
    origin = [body.index(H36M_COPIES.get(joint, joint)) for joint in body.joints]
    given = np.array([joint in H36M_FROM_TRUTH for joint in body.joints])
    return jnp.where(given[:, None], truth, prediction[..., np.array(origin), :])


def _euler_error_of_any(_: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    return euler_error_rad(prediction, truth)


METRICS: dict[str, Metric] = {
    "euler_error_rad": _euler_error_of_any,
    "mpjpe_mm": mpjpe_mm,
    "mpjpe_h36m22_mm": mpjpe_h36m22_mm,
}


def applies(metric: str, skeleton: Skeleton) -> bool:
    """Whether a metric by name is defined on a skeleton. Raises `UserError` for an unknown name."""
    if metric not in METRICS:
        raise UserError(f"metric {metric!r} must be one of {', '.join(METRICS)}")
    return metric != "mpjpe_h36m22_mm" or not H36M.mismatch(skeleton)


def _in_float64(
    metric: Callable[[Array, Array], Array], prediction: Array | np.ndarray, truth: Array | np.ndarray
) -> np.ndarray:
    """Runs a jitted metric in double precision and leaves the caller's setting as it was."""
    if prediction.shape != truth.shape or truth.ndim != 3 or truth.shape[-1] <= ROOT or truth.shape[-1] % 3:
        raise UserError(
            f"metric: prediction {prediction.shape} and truth {truth.shape} must have one shape, [W, T, 3 + 3 J]"
        )
    with jax.enable_x64(True):
        return np.asarray(metric(jnp.asarray(prediction, jnp.float64), jnp.asarray(truth, jnp.float64)))


@jax.jit
def _euler_error(prediction: Array, truth: Array) -> Array:
    truth_angles = _angles(truth.at[..., :ROOT].set(0))
    moves = jnp.std(truth_angles, axis=-2, keepdims=True) > MOVING
    difference = jnp.where(moves, truth_angles - _angles(prediction), 0)
    return jnp.sqrt(jnp.sum(difference**2, axis=-1))


def _angles(frames: Array) -> Array:
    """The joints' Euler angles `[W, T, 3 J]`; the translation is no angle, and the root's never moves."""
    joints = frames[..., 3:].reshape(*frames.shape[:-1], -1, 3)
    return field_euler(joints).reshape(*frames.shape[:-1], -1)


@functools.partial(jax.jit, static_argnums=0)
def _mpjpe(skeleton: Skeleton, prediction: Array, truth: Array) -> Array:
    return _mean_distance(_positions(skeleton, prediction), _positions(skeleton, truth))


@functools.partial(jax.jit, static_argnums=0)
def _mpjpe_h36m22(skeleton: Skeleton, prediction: Array, truth: Array) -> Array:
    positions = _positions(skeleton, truth)
    return _mean_distance(h36m22_positions(_positions(skeleton, prediction), positions), positions)


def _positions(skeleton: Skeleton, frames: Array) -> Array:
    return frame_positions(skeleton, frames.at[..., :ROOT].set(0))


def _mean_distance(prediction: Array, truth: Array) -> Array:
    return jnp.mean(jnp.linalg.norm(prediction - truth, axis=-1), axis=-1)
