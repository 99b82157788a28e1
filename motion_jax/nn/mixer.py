"""Blocks that mix over time: x + norm(x mixed over time by one linear layer), without an activation (Guo et al. 2023).

A block may mix columns too, by a second linear layer whose result is added before the norm.

Time leads, `[S, B, C]`: mixing it is one product with a matrix of S B C numbers as they lie in memory. The blocks are
equal, so their parameters are stacked and a loop walks them: it compiles in the time of one block. Published layers
have a bias for each time; it is the same for all columns, so that the norm over columns takes it out: there is none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.dct import dct_matrix
from motion_jax.nn.deferred_grad import Compute, Operand, contract, make_operand, product
from motion_jax.nn.deferred_grad.products import einsum
from motion_jax.nn.dense import Dense, init_dense
from motion_jax.nn.norm import LayerNorm, init_layer_norm, layer_norm, layer_norm_reverse, standardise
from motion_jax.types import Array

TINY = 1e-8  # gain of weights that are to begin next to zero: each block, and the network, then adds almost nothing


class Mixer(NamedTuple):
    """Parameters of L blocks; or of one, where a loop has taken it from the stack."""

    time: Array  # [L, S, S]
    norm: LayerNorm  # over the columns, [L, C]
    columns: Dense | None = None  # [L, C, C], [L, C]: a mixing of columns beside that of time


class MixerWeights(NamedTuple):
    """The parameters as what products read."""

    time: Operand
    norm: LayerNorm
    columns: Operand | None = None


def xavier_bound(inputs: int, outputs: int, gain: float) -> float:
    """Half the width of the uniform distribution that weights are drawn from (Glorot and Bengio 2010)."""
    return gain * (6 / (inputs + outputs)) ** 0.5


def init_mixer(key: Array, blocks: int, length: int, channels: int, columns: bool = False) -> Mixer:
    """Parameters of L = `blocks` for `[S, B, C]`, S = `length`, C = `channels`; consumes `key`.

    With `columns`, each block also mixes the columns. All weights begin next to zero.
    """
    of_time, of_columns = jax.random.split(key)
    bound = xavier_bound(length, length, TINY)
    time = jax.random.uniform(of_time, (blocks, length, length), jnp.float32, -bound, bound)
    stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (blocks, *leaf.shape)), init_layer_norm(channels))
    if not columns:
        return Mixer(time, stacked)
    bound = xavier_bound(channels, channels, TINY)
    between = jax.random.uniform(of_columns, (blocks, channels, channels), jnp.float32, -bound, bound)
    return Mixer(time, stacked, Dense(between, jnp.zeros((blocks, channels))))


def mixer_weights(params: Mixer, compute: Compute) -> MixerWeights:
    """The blocks as operands, stacked as the parameters are."""
    columns = None if params.columns is None else make_operand(params.columns.w, params.columns.b, compute)
    return MixerWeights(make_operand(params.time, None, compute), params.norm, columns)


def mix(weights: MixerWeights, x: Array) -> Array:
    """`[S, B, C]` through all L blocks."""
    if weights.time.compute.fast:
        return _mix(weights, x)
    return jax.lax.scan(lambda x, block: (x + mix_once(block, x), None), x, weights)[0]


def mix_once(block: MixerWeights, x: Array) -> Array:
    """What one block adds to x `[S, B, C]`."""
    return layer_norm(block.norm, _mixed(block, x))


def _mixed(block: MixerWeights, x: Array) -> Array:
    mixed = mix_time(x, block.time)
    return mixed if block.columns is None else mixed + product(x, block.columns)


class Normalised(NamedTuple):
    """What a reverse pass reads of a block."""

    values: Array  # [S, B, C] before scale and shift
    factor: Array  # [S, B, 1] what they were multiplied by: one over the standard deviation


def _block(block: MixerWeights, x: Array) -> tuple[Array, Normalised]:
    normalised = Normalised(*standardise(_mixed(block, x)))
    return x + normalised.values * block.norm.scale + block.norm.shift, normalised


@jax.custom_vjp
def _mix(weights: MixerWeights, x: Array) -> Array:
    """Of its own reverse rule, which keeps one array a block: default autodiff keeps five, and is bound by memory."""
    return _mix_forward(weights, x)[0]


def _mix_forward(weights: MixerWeights, x: Array) -> tuple[Array, tuple[MixerWeights, Normalised, Array]]:
    y, normalised = jax.lax.scan(lambda x, block: _block(block, x), x, weights)
    return y, (weights, normalised, y)


def _mix_reverse(residuals: tuple[MixerWeights, Normalised, Array], d: Array) -> tuple[MixerWeights, Array]:
    weights, normalised, y = residuals

    def step(carry: tuple[Array, Array], block: Any) -> tuple[tuple[Array, Array], MixerWeights]:
        (d, y), (weights, (values, factor)) = carry, block
        x = y - (values * weights.norm.scale + weights.norm.shift)  # what the block read; not kept
        norm, d_mixed = layer_norm_reverse(weights.norm, values, factor, d)
        d_time, pull = _time_gradients(x, weights.time, d_mixed)
        d_x = d + pull
        d_columns = None
        if weights.columns is not None:
            d_columns, pull = _column_gradients(x, weights.columns, d_mixed)
            d_x = d_x + pull
        return (d_x, x), MixerWeights(d_time, norm, d_columns)

    (d, _), gradient = jax.lax.scan(step, (d, y), (weights, normalised), reverse=True)
    return gradient, d


_mix.defvjp(_mix_forward, _mix_reverse)


def _time_gradients(x: Array, operand: Operand, d: Array) -> tuple[Operand, Array]:
    """Of `mix_time`: of the operand and of x, `[S, B, C]`, where that of the result is `d`.

    As products of matrices `[S, B C]`, as they lie in memory: of arrays of three axes the compiler turns some first.
    """
    rows, d_rows, compute = x.reshape(len(x), -1), d.reshape(len(d), -1), operand.compute
    array = einsum("sp,op->so", rows, d_rows, compute, d.dtype).astype(operand.array.dtype)
    return operand.replace(array=array), einsum("so,op->sp", operand.array, d_rows, compute, x.dtype).reshape(x.shape)


def _column_gradients(x: Array, operand: Operand, d: Array) -> tuple[Operand, Array]:
    """Of `product`, the same way, and of its bias."""
    rows, d_rows, compute = x.reshape(-1, x.shape[-1]), d.reshape(-1, d.shape[-1]), operand.compute
    array = einsum("pi,po->io", rows, d_rows, compute, d.dtype).astype(operand.array.dtype)
    pull = einsum("po,io->pi", d_rows, operand.array, compute, x.dtype).reshape(x.shape)
    return operand.replace(array=array, bias=jnp.sum(d_rows, axis=0)), pull


def mix_time(x: Array, weights: Operand) -> Array:
    """x `[S, B, C]` times `weights` `[S, O]` over time: `[O, B, C]`."""
    return contract("sbc,so->obc", x, weights)


def init_columns(key: Array, inputs: int, width: int, outputs: int) -> tuple[Dense, Dense]:
    """The layers over columns before and behind blocks of C = `width`: the first as any, the last next to zero.

    Consumes `key`.
    """
    first, last = jax.random.split(key)
    bound = xavier_bound(width, outputs, TINY)
    weights = jax.random.uniform(last, (width, outputs), jnp.float32, -bound, bound)
    return init_dense(first, inputs, width), Dense(weights, jnp.zeros(outputs))


def dct_time(x: Array, compute: Compute) -> Array:
    """The DCT of x `[S, B, C]` over time, as `[S, B, C]`."""
    return mix_time(x, make_operand(jnp.asarray(dct_matrix(len(x)).T), None, compute))


def inverse_dct_time(x: Array, frames: int, compute: Compute) -> Array:
    """The first `frames` frames of what has the DCT x `[S, B, C]`."""
    return mix_time(x, make_operand(jnp.asarray(dct_matrix(len(x))[:, :frames]), None, compute))
