"""Sequences of a batch, and what classifiers sum over their frames."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from motion_jax.nn.deferred_grad import Compute, make_operand, product
from motion_jax.nn.dense import Dense
from motion_jax.types import Array, Params


def time_first(frames: Array, mask: Array) -> tuple[Array, Array]:
    """Frames `[B, T, D]` as `[T, B, D]` with zeros for padding, and the mask `[B, T]` as `[T, B]`.

    Zeros, because a NaN in padding would reach the gradient of weights that it is multiplied with, as 0 * NaN.
    """
    frames = jnp.where(mask[..., None] > 0, frames, 0)
    return jnp.swapaxes(frames, 0, 1), jnp.swapaxes(mask, 0, 1).astype(frames.dtype)


def sum_scores(read_out: Dense, outputs: Array, mask: Array, compute: Compute) -> Array:
    """Logits `[B, C]`: an affine layer of `outputs` `[T, B, H]`, summed over the frames of `mask` `[T, B]`.

    The sum of what the layer gives is what it gives of the sum, with its bias once a frame.
    """
    total = jnp.sum(outputs * mask[..., None], axis=0)
    return product(total, make_operand(read_out.w, None, compute)) + jnp.sum(mask, axis=0)[:, None] * read_out.b


def mean_output(outputs: Array, mask: Array) -> Array:
    """`[B, H]`, the mean of `outputs` `[T, B, H]` over the frames of `mask` `[T, B]`."""
    return jnp.sum(outputs * mask[..., None], axis=0) / jnp.maximum(jnp.sum(mask, axis=0), 1)[:, None]


def add_noise(keys: Array, site: int, deviation: float, x: Array, axis: int = 0) -> Array:
    """x plus N(0, deviation^2), drawn row by row from `keys` `[B]` as `dropout` draws; its axis `axis` is the batch."""
    if not deviation:
        return x
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    noise = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, site), shape, x.dtype))(keys)
    return x + deviation * jnp.moveaxis(noise, 0, axis)


def add_weight_noise(key: Array, deviation: float, params: Params) -> Params:
    """Every parameter plus N(0, deviation^2) (Graves 2011); consumes `key`."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [x + deviation * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, noisy)
