"""Predictors without parameters, through the same interface as every network (Martinez et al. 2017, section 4)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig, Experiment, ModelConfig, at_least, at_most, fraction, one_of
from motion_jax.data.motion.root_heading import STEPS
from motion_jax.geometry.field_euler import field_euler
from motion_jax.geometry.rotations import (
    matrix_from_euler,
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_matrix,
    rotvec_from_quaternion,
)
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array, Model

ROOT_TRANSLATION = 3  # columns in front of the joints' exponential maps


@dataclasses.dataclass(frozen=True)
class ZeroVelocityConfig(ModelConfig):
    """No fields."""

    name: str = "zero_velocity"


@dataclasses.dataclass(frozen=True)
class RunningAverageConfig(ModelConfig):
    """The fields of `running_average`."""

    name: str = "running_average"
    window: int = 2  # k, frames that are averaged

    UNREAD: ClassVar[tuple[str, ...]] = ("data.representation",)

    def __post_init__(self) -> None:
        at_least("model.window", self.window, 1)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` if fewer frames are observed than are averaged."""
        at_most("model.window", self.window, "data.source_length", data.source_length)


@dataclasses.dataclass(frozen=True)
class ConstantVelocityConfig(ModelConfig):
    """The fields of `constant_velocity`."""

    name: str = "constant_velocity"
    damping: float = 1.0  # what is left of a velocity from one frame to the next; 1: all

    def __post_init__(self) -> None:
        fraction("model.damping", self.damping)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` if fewer than two frames are observed, or rotations are represented otherwise."""
        at_least("data.source_length", data.source_length, 2)
        one_of("data.representation", data.representation, ("expmap", "positions"))


def make_zero_velocity(config: ZeroVelocityConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The last known frame, held. In one-step mode this is "repeat the true previous frame"."""
    del config, experiment, space

    def apply(params: tuple, history: Array, future: Array, forced: Array) -> Array:
        del params
        previous = jnp.concatenate([history[:, -1:], future[:, :-1]], axis=1)
        return _hold(previous, forced)

    return Model(lambda key: (), apply)


def make_running_average(config: RunningAverageConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The mean of the last k known frames in Euler angles, held; k is `model.window`.

    Free-running it is constant: it averages what was observed, never its own predictions.
    """
    del experiment
    k = config.window

    def apply(params: tuple, history: Array, future: Array, forced: Array) -> Array:
        del params
        known = jnp.concatenate([history[:, -k:], future[:, :-1]], axis=1)  # [B, k + T - 1, N]
        euler = _to_euler(space.decode(known[..., : space.width]))
        means = jnp.mean(jnp.stack([euler[:, i : i + future.shape[1]] for i in range(k)]), axis=0)
        codes = jnp.broadcast_to(history[:, -1:, len(space.kept) :], (*means.shape[:2], len(space.actions)))
        return _hold(space.encode(_from_euler(means), codes), forced)

    return Model(lambda key: (), apply)


def make_constant_velocity(config: ConstantVelocityConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The last known frame, moved on as it moved since the frame before: places along a line, rotations about an axis.

    Each joint turns on by its last turn in its parent's frame, and an absolute root in space; of a root that holds
    steps these stay, height and tilt go on. Damped, each velocity shrinks from frame to frame.
    """
    del experiment
    body = space.skeleton

    def apply(params: tuple, history: Array, future: Array, forced: Array) -> Array:
        del params
        known = space.decode(jnp.concatenate([history[:, -2:], future[:, :-1]], axis=1))  # [B, T + 1, D]
        before, last = (jnp.swapaxes(frames, 0, 1) for frames in (known[:, :-1], known[:, 1:]))
        first = last[0], _velocity(body, before[0], last[0])

        def step(state: tuple[Array, Array], now: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], Array]:
            before, last, use = now
            frame = jnp.where(use[:, None], last, state[0])
            velocity = jnp.where(use[:, None], _velocity(body, before, last), state[1])
            moved = _moved(body, frame, velocity)
            return (moved, velocity * config.damping), moved

        frames = jnp.swapaxes(jax.lax.scan(step, first, (before, last, jnp.swapaxes(forced, 0, 1)))[1], 0, 1)
        codes = jnp.broadcast_to(history[:, -1:, len(space.kept) :], (*frames.shape[:2], len(space.actions)))
        return space.encode(frames, codes)

    return Model(lambda key: (), apply)


def _velocity(body: Skeleton, before: Array, last: Array) -> Array:
    """What moves frames `[B, D]` to the next: differences, of rotations their vectors; of columns of steps, these."""
    moved = last - before
    if body.positions:
        return moved
    turns = quaternion_multiply(_quaternions(last), quaternion_conjugate(_quaternions(before)))
    rotations = rotvec_from_quaternion(turns).reshape(last.shape[0], -1)
    root = {"absolute": [*range(3)], "difference": [], "heading": [1, 3, 5]}[body.root]
    steps = {"absolute": [], "difference": [*range(6)], "heading": [*STEPS]}[body.root]
    velocity = jnp.concatenate([moved[:, :ROOT_TRANSLATION], rotations], axis=-1)
    velocity = velocity.at[:, np.array(root, int)].set(moved[:, np.array(root, int)])
    return velocity.at[:, np.array(steps, int)].set(last[:, np.array(steps, int)])


def _moved(body: Skeleton, frames: Array, velocity: Array) -> Array:
    """Frames `[B, D]` moved on by `_velocity`."""
    along = frames + velocity
    if body.positions:
        return along
    turned = rotvec_from_quaternion(quaternion_multiply(_quaternions(velocity), _quaternions(frames)))
    result = jnp.concatenate([along[:, :ROOT_TRANSLATION], turned.reshape(frames.shape[0], -1)], axis=-1)
    if body.root == "absolute":
        return result
    goes_on = np.isin(np.arange(6), STEPS, invert=True) & (body.root == "heading")
    root = jnp.where(goes_on, along[:, :6], velocity[:, :6])
    return jnp.concatenate([root, result[:, 6:]], axis=-1)


def _quaternions(frames: Array) -> Array:
    """Of the joints of frames `[B, D]`."""
    return quaternion_from_rotvec(frames[:, ROOT_TRANSLATION:].reshape(frames.shape[0], -1, 3))


def _hold(candidates: Array, forced: Array) -> Array:
    """`[B, T, N]`: at step t the candidate of t where forced (and at 0), else what step t-1 gave."""

    def step(held: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        candidate, use = now
        held = jnp.where(use[:, None], candidate, held)
        return held, held

    over_time = (jnp.swapaxes(candidates, 0, 1), jnp.swapaxes(forced, 0, 1))
    return jnp.swapaxes(jax.lax.scan(step, candidates[:, 0], over_time)[1], 0, 1)


def _to_euler(frames: Array) -> Array:
    """Raw frames `[..., D]` with the joints' exponential maps replaced by Euler angles."""
    translation, joints = frames[..., :ROOT_TRANSLATION], frames[..., ROOT_TRANSLATION:]
    angles = field_euler(joints.reshape(*joints.shape[:-1], -1, 3))
    return jnp.concatenate([translation, angles.reshape(joints.shape)], axis=-1)


def _from_euler(frames: Array) -> Array:
    """The inverse of `_to_euler`: the field's angles E1, E2, E3 belong to R = (Rz(E3) Ry(E2) Rx(E1)) transposed."""
    translation, angles = frames[..., :ROOT_TRANSLATION], frames[..., ROOT_TRANSLATION:]
    matrices = matrix_from_euler(angles.reshape(*angles.shape[:-1], -1, 3), "xyz")
    rotvecs = rotvec_from_matrix(jnp.swapaxes(matrices, -1, -2))
    return jnp.concatenate([translation, rotvecs.reshape(angles.shape)], axis=-1)
