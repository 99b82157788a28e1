"""Layer and batch normalisation; the running statistics of batch normalisation are part of the parameters."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.types import Array, Running

EPSILON = 1e-5  # added to a variance before its root: PyTorch's, which all published code of the field runs on
MOMENTUM = 0.1  # share of a batch in the running statistics (PyTorch's convention)


class LayerNorm(NamedTuple):
    """Scale and shift behind a normalisation over one axis."""

    scale: Array  # [C]
    shift: Array  # [C]


class BatchNorm(NamedTuple):
    """Scale and shift behind a normalisation of each channel over all other axes (Ioffe and Szegedy 2015)."""

    scale: Array  # [C]
    shift: Array  # [C]
    running: Running


def init_layer_norm(channels: int) -> LayerNorm:
    """Scale 1, shift 0."""
    return LayerNorm(jnp.ones(channels), jnp.zeros(channels))


def init_batch_norm(channels: int) -> BatchNorm:
    """Scale 1, shift 0; running mean 0 and variance 1."""
    running = Running(jnp.zeros(channels), jnp.ones(channels))
    return BatchNorm(jnp.ones(channels), jnp.zeros(channels), running)


def layer_norm(params: LayerNorm, x: Array) -> Array:
    """x `[..., C]` normalised over C, then scaled and shifted (Ba et al. 2016)."""
    return standardise(x)[0] * params.scale + params.shift


def standardise(x: Array) -> tuple[Array, Array]:
    """x `[..., C]` with mean 0 and variance 1 over C, and the factor `[..., 1]` that made the variance 1."""
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    factor = jax.lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + EPSILON)
    return centred * factor, factor


def layer_norm_reverse(params: LayerNorm, values: Array, factor: Array, d: Array) -> tuple[LayerNorm, Array]:
    """The gradients of scale and shift, and of what `standardise` made `values` and `factor` of, `[..., C]`.

    Where that of `values * scale + shift` is `d`. Every sum is a product of a matrix and a vector: on a CPU these are
    computed as fast as memory is read, which the compiler's own sums, fused with what they add up, are not.
    """
    rows, along = d.reshape(-1, d.shape[-1]), (d * values).reshape(-1, d.shape[-1])
    ones, scale = jnp.ones(len(rows), d.dtype), params.scale / d.shape[-1]
    norm = LayerNorm(_vector_product(ones, along), _vector_product(ones, rows))
    mean, mean_along = (_vector_product(x, scale).reshape(factor.shape) for x in (rows, along))
    return norm, (d * params.scale - mean - values * mean_along) * factor


def _vector_product(x: Array, y: Array) -> Array:
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)


def batch_norm(params: BatchNorm, x: Array, train: bool, mask: Array | None = None) -> tuple[Array, BatchNorm]:
    """x `[..., C]`, each channel normalised over all other axes; then scaled and shifted.

    Args:
        params: of C channels.
        x: of the whole batch where `train`.
        train: normalise with the statistics of x (the biased variance) and move the running ones towards them (with
            the unbiased variance, as PyTorch does); else normalise with the running ones.
        mask: `[...]`, 1 where x takes part in its statistics, 0 where it is padding; None: everywhere.

    Returns:
        The result and `params`, whose `running` is that after this batch where `train`; it carries no gradient.
    """
    if not train:
        mean, variance = params.running
        return _normalised(params, x, mean, variance), params
    axes = tuple(range(x.ndim - 1))
    where = None if mask is None else mask[..., None] > 0
    count = x.size // x.shape[-1] if mask is None else jnp.sum(mask)
    mean = jnp.mean(x, axis=axes, where=where)
    variance = jnp.mean((x - mean) ** 2, axis=axes, where=where)
    running = moved_running(params.running, Running(mean, variance), count)
    return _normalised(params, x, mean, variance), params._replace(running=running)


def moved_running(running: Running, batch: Running, count: int | Array) -> Running:
    """`running` after a batch of `count` numbers a channel with biased variance; it carries no gradient."""
    unbiased = batch.variance * (count / jnp.maximum(count - 1, 1))
    moved = [old + MOMENTUM * (new - old) for old, new in zip(running, (batch.mean, unbiased), strict=True)]
    return jax.lax.stop_gradient(Running(*moved))


def _normalised(params: BatchNorm, x: Array, mean: Array, variance: Array) -> Array:
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * params.scale + params.shift
