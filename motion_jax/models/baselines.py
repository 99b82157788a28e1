"""Predictors without parameters, through the same interface as every network (Martinez et al. 2017, section 4)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from motion_jax.config import DataConfig, Experiment, ModelConfig, at_least, at_most
from motion_jax.geometry.field_euler import field_euler
from motion_jax.geometry.rotations import matrix_from_euler, rotvec_from_matrix
from motion_jax.pose_space import PoseSpace
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
