"""Training losses by name: (prediction, truth) `[B, T, N]`, normalised, to a number.

Some measure poses: they decode network frames to the exponential maps of the joints that move. These say nothing of the
root's translation and of the one-hot action, whose outputs then get no gradient; of a rotation they ask only where it
is, so that a whole turn more is no error.

Some measure in raw units, column by column or joint by joint: `angles` in rad, with the root's translation in metres so
that it does not dominate, and `joints` of position frames in metres. What ends with `_velocity` adds the same of the
differences from frame to frame.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

import jax.numpy as jnp
import numpy as np

from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import pose_positions
from motion_jax.geometry.path import places_on_path
from motion_jax.geometry.rotations import euler_from_matrix, geodesic_distance, matrix_from_rotvec, safe_norm
from motion_jax.pose_space import PoseSpace
from motion_jax.representations import TRANSLATION, features_of
from motion_jax.types import Array


class Loss(Protocol):
    """(prediction, truth) `[B, T, N]` to a number; `last` is the `Batch.last` of the windows, where there is one."""

    def __call__(self, prediction: Array, truth: Array, last: Array | None = None, /) -> Array: ...  # noqa: D102


MM = 1e-3  # metres


def mse(prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """Mean squared error over all N outputs, one-hot included (thesis 4.2.4; Martinez 2017)."""
    del last
    return jnp.mean((prediction - truth) ** 2)


def l1(prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """Mean absolute error over all N outputs, one-hot included (Mao 2019 trains on it)."""
    del last
    return jnp.mean(jnp.abs(prediction - truth))


def velocity(prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """`mse`, plus the mean square of what is wrong with the differences from frame to frame (after Guo 2023).

    siMLPe adds the two with equal weight, as here, but takes L2 norms over the three coordinates of a joint. Network
    frames have no such triples, some of whose columns may be dropped; squares keep both terms in one unit and smooth
    where they vanish. Differences are taken within the prediction.

    Raises:
        UserError: there is one frame only.
    """
    del last
    if prediction.shape[-2] < 2:
        raise UserError("train.loss='velocity' needs data.target_length of at least 2; it is 1")
    return mse(prediction, truth) + mse(jnp.diff(prediction, axis=-2), jnp.diff(truth, axis=-2))


def geodesic(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """The angle of R_hat^T R, rad, summed over the joints, mean over frames and batch (Gui 2018).

    The paper sums over frames as well; the mean does not change with T. The root's rotation is one of the joints.
    """
    rotations = (matrix_from_rotvec(rotvecs(space, frames, last)) for frames in (prediction, truth))
    return jnp.mean(jnp.sum(geodesic_distance(*rotations), axis=-1))


def euler(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """Mean absolute difference of Euler angles, rad, wrapped to [-pi, pi) (Pavllo 2018).

    The mean is over the joints that move, where the authors' code has all 32. The angles are the field's, up to their
    sign: R = Rx(a) Ry(b) Rz(c). Near b = +-pi/2 the gradient grows without bound, as the angles do there: clip it.
    """
    angles = (euler_from_matrix(matrix_from_rotvec(rotvecs(space, x, last)), "XYZ") for x in (prediction, truth))
    predicted, true = angles
    return jnp.mean(jnp.abs(jnp.mod(predicted - true + jnp.pi, 2 * jnp.pi) - jnp.pi))


def position(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """Mean distance of all joints, mm, by forward kinematics with the root's columns zeroed, as `mpjpe_mm` has it.

    The root's rotation gets no gradient either (Pavllo 2019 trains on positions with the root in place). Frames that
    are positions are measured as they are.
    """
    places = (pose_positions(space.skeleton, space.decode(x, last)) for x in (prediction, truth))
    predicted, true = places
    return jnp.mean(safe_norm(predicted - true))


def angles(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """Mean absolute difference of the columns that are kept: rad of rotations, metres of the translation.

    Of exponential maps and of relative rotation vectors it is the networks' own columns in their raw units; quaternions
    and 6-D are decoded and compared as rotation vectors relative to the last observed pose.
    """
    return jnp.mean(jnp.abs(_angle_error(space, prediction, truth, last)))


def angles_velocity(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """`angles`, plus the same of the differences from frame to frame, with equal weight (after Guo 2023)."""
    error = _angle_error(space, prediction, truth, last)
    return jnp.mean(jnp.abs(error)) + jnp.mean(jnp.abs(_differences(error, last)))


def joints(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """Mean distance, metres, of the joints that a network of positions predicts (siMLPe, Guo 2023)."""
    del last
    return jnp.mean(safe_norm(_joint_error(space, prediction, truth)))


def joints_velocity(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """`joints`, plus the mean length of what is wrong with the differences from frame to frame (siMLPe, Guo 2023)."""
    error = _joint_error(space, prediction, truth)
    return jnp.mean(safe_norm(error)) + jnp.mean(safe_norm(_differences(error, last)))


def path(space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array:
    """`angles_velocity`, plus the mean distance of joints along the way that a body makes, metres, and the same of the
    differences from frame to frame, with equal weight.

    Of frames whose roots are told from their heading: a turn that is predicted wrong takes every later place with it.
    """
    error = MM * (_path(space, prediction, last) - _path(space, truth, last))
    moved = jnp.diff(error, axis=1, prepend=jnp.zeros_like(error[:, :1]))  # of the frame before the first nothing errs
    return angles_velocity(space, prediction, truth, last) + jnp.mean(safe_norm(error)) + jnp.mean(safe_norm(moved))


def _path(space: PoseSpace, frames: Array, last: Array | None) -> Array:
    """`[B, T, J, 3]` mm."""
    return places_on_path(space.skeleton, space.decode(frames, last))


def _differences(error: Array, last: Array | None) -> Array:
    """The errors `[B, T, ...]` of differences from frame to frame.

    The first is that from the `last` observed frame, which is known and has no error; without it, from the first
    predicted frame.
    """
    if last is not None:
        return jnp.diff(error, axis=1, prepend=jnp.zeros_like(error[:, :1]))
    if error.shape[1] < 2:
        raise UserError("train.loss: differences within one predicted frame: data.target_length must be at least 2")
    return jnp.diff(error, axis=1)


def _angle_error(space: PoseSpace, prediction: Array, truth: Array, last: Array | None) -> Array:
    """`[B, T, K]`, rad and metres."""
    metres = space.skeleton.translation_mm * MM
    if space.representation in ("expmap", "relative"):
        kept = np.asarray(space.kept)
        units = space.std[kept] * np.where(kept < TRANSLATION, metres, 1)
        columns = len(kept)
        return (prediction[..., :columns] - truth[..., :columns]) * units.astype(prediction.dtype)
    if last is None:
        raise UserError(
            f"train.loss='angles' of data.representation={space.representation!r} measures from the last observed "
            f"frame, which this model does not pass on"
        )
    kept = np.asarray(space.raw.kept)
    predicted, true = (features_of("relative", space.decode(x, last), space.through(last).astype(x.dtype), 0)[..., kept]
                       for x in (prediction, truth))  # fmt: skip
    return (predicted - true) * np.where(kept < TRANSLATION, metres, 1).astype(prediction.dtype)


def _joint_error(space: PoseSpace, prediction: Array, truth: Array) -> Array:
    """`[B, T, J, 3]` metres, of the joints that are kept."""
    kept = np.asarray(space.kept)
    error = (prediction[..., : len(kept)] - truth[..., : len(kept)]) * (MM * space.std[kept]).astype(prediction.dtype)
    return error.reshape(*error.shape[:-1], -1, 3)


def moving_joints(space: PoseSpace) -> np.ndarray:
    """`[J]` numbers of the joints with a kept column, ascending; the others stand at their mean."""
    kept = np.asarray(space.raw.kept)
    return np.unique((kept[kept >= TRANSLATION] - TRANSLATION) // 3)


def rotvecs(space: PoseSpace, frames: Array, last: Array | None = None) -> Array:
    """Network frames `[..., N]` to the raw exponential maps `[..., J, 3]` of the joints that move, rad."""
    joints = space.decode(frames, last)[..., TRANSLATION:]
    return joints.reshape(*joints.shape[:-1], -1, 3)[..., moving_joints(space), :]


class _SpaceLoss(Protocol):
    __name__: str

    def __call__(self, space: PoseSpace, prediction: Array, truth: Array, last: Array | None = None) -> Array: ...


def _of_angles(loss: _SpaceLoss, space: PoseSpace) -> Loss:
    if space.skeleton.positions:
        raise UserError(f"train.loss={loss.__name__!r} measures angles, and data.representation='positions' has none")
    return functools.partial(loss, space)


def _of_joints(loss: _SpaceLoss, space: PoseSpace) -> Loss:
    if not space.skeleton.positions:
        raise UserError(
            f"train.loss={loss.__name__!r} needs data.representation='positions', not {space.representation!r}; "
            f"of angles train.loss='position' measures joints"
        )
    return functools.partial(loss, space)


def _of_pose(loss: _SpaceLoss, space: PoseSpace) -> Loss:
    known = _of_angles(loss, space)
    if (space.columns - TRANSLATION) % 3 or not len(moving_joints(space)):
        raise UserError(
            f"train.loss={loss.__name__!r} needs frames of a translation and joints' exponential maps, 3 + 3 J "
            f"columns, with a joint that moves; these have {space.columns}, of which {len(space.raw.kept)} are kept"
        )
    return known


def _of_body(loss: _SpaceLoss, space: PoseSpace) -> Loss:
    if space.skeleton.columns != space.columns:
        raise UserError(
            f"train.loss={loss.__name__!r} needs the frames of a whole skeleton: {space.skeleton.name!r} has "
            f"{space.skeleton.columns} columns, these have {space.columns}"
        )
    return functools.partial(loss, space)


def _of_path(loss: _SpaceLoss, space: PoseSpace) -> Loss:
    if space.skeleton.root != "heading":
        raise UserError(
            f"train.loss={loss.__name__!r} measures the way of a body, which needs roots told from their heading "
            f"(prepare --root=heading), not {space.skeleton.root!r}"
        )
    return _of_body(loss, space)


LOSSES: dict[str, Callable[[PoseSpace], Loss]] = {
    "mse": lambda space: mse,
    "l1": lambda space: l1,
    "geodesic": functools.partial(_of_pose, geodesic),
    "velocity": lambda space: velocity,
    "position": functools.partial(_of_body, position),
    "euler": functools.partial(_of_pose, euler),
    "angles": functools.partial(_of_angles, angles),
    "angles_velocity": functools.partial(_of_angles, angles_velocity),
    "path": functools.partial(_of_path, path),
    "joints": functools.partial(_of_joints, joints),
    "joints_velocity": functools.partial(_of_joints, joints_velocity),
}
"""What makes a loss of a space: some losses measure poses, not network outputs."""


def make_loss(name: str, space: PoseSpace) -> Loss:
    """The loss that `train.loss` names. Raises `UserError` where the frames of `space` have no such error."""
    return LOSSES[name](space)
