"""Multi-head attention of whole sequences to sequences, with masks, and with a cache of what was read before.

The parameters are those of the `multi_head` of `nn.attention`, whose queries are single decoder states. Sequences are
time first, `[L, B, C]`; B may stand for any axes that do not see each other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.attention import ATTENTIONS, AttentionWeights, HeadParams, Sizes
from motion_jax.nn.deferred_grad import Compute, Operand, contract, make_operand, product, softmax
from motion_jax.types import Array


class Cache(NamedTuple):
    """Keys and values of the positions that were read, in arrays with room for those to come."""

    keys: Array  # [S, B, heads, d]
    values: Array  # [S, B, heads, d]


def init_heads(key: Array, width: int, heads: int) -> HeadParams:
    """Fresh parameters, C = `width`, which `heads` divides; consumes `key`."""
    return ATTENTIONS["multi_head"].init(key, Sizes(inputs=0, hidden=width, positions=0, heads=heads))


def heads_weights(params: HeadParams, compute: Compute) -> AttentionWeights:
    """The parameters as operands."""
    return ATTENTIONS["multi_head"].weights(params, compute)


def empty_cache(size: int, batch: int, heads: int, width: int) -> Cache:
    """Of no position yet, with room for `size`; C = `width`."""
    nothing = jnp.zeros((size, batch, heads, width // heads))
    return Cache(nothing, nothing)


def project_keys(weights: AttentionWeights, x: Array) -> Cache:
    """Keys and values of x `[S, B, C]`."""
    return Cache(*(_split(weights, product(x, _operand(part))) for part in (weights.key, weights.value)))


def write_cache(cache: Cache, more: Cache, start: Array | int) -> Cache:
    """The cache with `more` at the positions from `start` on."""
    return Cache(*(jax.lax.dynamic_update_slice_in_dim(old, new, start, 0)
                   for old, new in zip(cache, more, strict=True)))  # fmt: skip


def causal_mask(length: int, size: int, start: Array | int) -> Array:
    """Whether each of `length` positions from `start` on may look at each of `size` from 0 on, `[L, S]`: not ahead."""
    return jnp.arange(size) <= start + jnp.arange(length)[:, None]


def attend_heads(weights: AttentionWeights, x: Array, known: Cache, mask: Array | None) -> Array:
    """What x `[L, B, C]` finds among `known`, `[L, B, C]` (Vaswani et al. 2017, eq. 1 and 3.2.2).

    Each head's softmax(q k / sqrt(d)) v, side by side, then W_o. `mask` `[L, S]` is true where l may look at s, at one
    s at least; None: everywhere.
    """
    query = _split(weights, product(x, _operand(weights.query)))
    compute = _operand(weights.query).compute
    scores = contract("lbnd,sbnd->bnls", query, make_operand(known.keys, None, compute)) / math.sqrt(query.shape[-1])
    alignment = softmax(scores if mask is None else jnp.where(mask, scores, -jnp.inf))
    heads = contract("bnls,sbnd->lbnd", alignment, make_operand(known.values, None, compute))
    return product(heads.reshape(*x.shape[:2], -1), _operand(weights.out))


def _split(weights: AttentionWeights, flat: Array) -> Array:
    return flat.reshape(*flat.shape[:-1], weights.heads, -1)


def _operand(part: Operand | None) -> Operand:
    assert part is not None
    return part
