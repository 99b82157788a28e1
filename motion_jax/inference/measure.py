"""What a scale measures of a window (`evaluation.scale.SCALES`), from what was observed and the model alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from motion_jax.errors import UserError
from motion_jax.evaluation.scale import SCALES
from motion_jax.geometry.kinematics import pose_positions
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model

Measure = Callable[[Any, Array, Array], Array]
"""(params as `prepare` makes them, raw history `[B, S, D]`, codes `[B, A]`) to `[B, T, J]` mm; to be compiled."""


def usual_scale(model: Model) -> str:
    """Members where the model has some, else speed: what was sharper where it was measured (docs/uncertainty.md)."""
    return "speed" if model.members is None else "members"


def check_scale(name: str, model: Model, model_name: str) -> str:
    """The name of a scale, `auto` resolved. Raises `UserError` for an unknown one, or members of a model without."""
    if name == "auto":
        return usual_scale(model)
    if name not in SCALES:
        raise UserError(f"scale={name!r}: must be auto or one of {', '.join(SCALES)}")
    if name == "members" and model.members is None:
        raise UserError(f"scale=members: model.name={model_name!r} has none: it must be auto, constant or speed")
    return name


def make_measure(name: str, model: Model, space: PoseSpace, length: int) -> Measure:
    """The measure of "speed" or "members", over `length` = T frames, in float32."""

    def places(frames: Array) -> Array:
        seen = frames if space.representation == "positions" else space.through(frames)
        return pose_positions(space.skeleton, seen)

    def speed(params: Any, history: Array, codes: Array) -> Array:
        del params, codes
        observed = places(history)
        away = jnp.linalg.norm(observed[:, :-1] - observed[:, -1:], axis=-1).mean(1)
        return jnp.broadcast_to(away[:, None], (away.shape[0], length, away.shape[1]))

    def members(params: Any, history: Array, codes: Array) -> Array:
        future = jnp.zeros((history.shape[0], length, history.shape[2]), history.dtype)
        seen = space.encode_window(history, future, codes)
        assert model.members is not None
        each = model.members(params, seen.history, length)
        predicted = jax.lax.map(lambda frames: places(space.decode(frames, seen.last)), each)  # [M, B, T, J, 3]
        apart = predicted - predicted.mean(0)
        return jnp.sqrt(jnp.sum(apart**2, axis=-1).mean(0))

    return members if name == "members" else speed
