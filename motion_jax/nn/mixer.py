"""Blocks that mix over time: x + norm(x mixed over time by one linear layer), without an activation (Guo et al. 2023).

A block may mix columns too, by a second linear layer whose result is added before the norm.

Time leads, `[S, B, C]`: mixing it is one product with a matrix of S B C numbers as they lie in memory. The blocks are
equal, so their parameters are stacked and a loop walks them: it compiles in the time of one block. Published layers
have a bias for each time; it is the same for all columns, so that the norm over columns takes it out: there is none.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.dct import dct_matrix
from motion_jax.nn.deferred_grad import Compute, Operand, contract, make_operand, product
from motion_jax.nn.dense import Dense, init_dense
from motion_jax.nn.norm import LayerNorm, init_layer_norm, layer_norm
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
    return jax.lax.scan(lambda x, block: (x + mix_once(block, x), None), x, weights)[0]


def mix_once(block: MixerWeights, x: Array) -> Array:
    """What one block adds to x `[S, B, C]`."""
    mixed = mix_time(x, block.time)
    if block.columns is not None:
        mixed = mixed + product(x, block.columns)
    return layer_norm(block.norm, mixed)


def mix_time(x: Array, weights: Operand) -> Array:
    """x `[S, B, C]` times `weights` `[S, O]` over time: `[O, B, C]`."""
    return contract("sbc,so->obc", x, weights)


def init_columns(key: Array, inputs: int, outputs: int) -> tuple[Dense, Dense]:
    """The layers over columns before and behind the blocks: the first as any, the last next to zero; consumes `key`."""
    first, last = jax.random.split(key)
    bound = xavier_bound(outputs, inputs, TINY)
    weights = jax.random.uniform(last, (outputs, inputs), jnp.float32, -bound, bound)
    return init_dense(first, inputs, outputs), Dense(weights, jnp.zeros(inputs))


def dct_time(x: Array, compute: Compute) -> Array:
    """The DCT of x `[S, B, C]` over time, as `[S, B, C]`."""
    return mix_time(x, make_operand(dct_matrix(len(x)).T, None, compute))


def inverse_dct_time(x: Array, frames: int, compute: Compute) -> Array:
    """The first `frames` frames of what has the DCT x `[S, B, C]`."""
    return mix_time(x, make_operand(dct_matrix(len(x))[:, :frames], None, compute))
