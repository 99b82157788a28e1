"""Paths: where bodies are along the way that they make, of frames whose roots are told from their heading."""

from __future__ import annotations

import jax.numpy as jnp

from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import forward_kinematics
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array


def places_on_path(skeleton: Skeleton, frames: Array) -> Array:
    """Places of joints `[..., T, J, 3]`, mm, along the way from the frame before the first on.

    That frame stands above the origin and faces z; columns 0-5 of `frames` `[..., T, D]` are those of
    `data.motion.root_heading`. Raises `UserError` where roots are of another form.
    """
    if skeleton.root != "heading":
        raise UserError(f"skeleton {skeleton.name}: its root is not told from its heading: there is no path to follow")
    frames = jnp.asarray(frames)
    heading = jnp.cumsum(frames[..., 4], axis=-1)
    before = heading - frames[..., 4]
    side, forward = frames[..., 0], frames[..., 2]
    x = jnp.cumsum(side * jnp.cos(before) + forward * jnp.sin(before), axis=-1)
    z = jnp.cumsum(forward * jnp.cos(before) - side * jnp.sin(before), axis=-1)
    root = jnp.stack([x, frames[..., 1], z], axis=-1) * skeleton.translation_mm
    tilted = frames[..., 3:].at[..., 1].set(0)
    places = forward_kinematics(skeleton, tilted.reshape(*tilted.shape[:-1], -1, 3))
    sine, cosine = jnp.sin(heading)[..., None], jnp.cos(heading)[..., None]
    left, up, front = places[..., 0], places[..., 1], places[..., 2]
    turned = jnp.stack([left * cosine + front * sine, up, front * cosine - left * sine], axis=-1)
    return turned + root[..., None, :]
