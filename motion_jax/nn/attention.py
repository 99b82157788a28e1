"""Attention over encoder states, by every reading of the thesis's equation 3.20 and its sources.

Each kind turns a query (from a decoder state h `[B, H]`) and the encoder states a_j `[B, S, H]` into weights over j and
the context c = sum_j w_j a_j. What does not depend on the query is done once, by `precompute_keys`; the product that
makes the query from h stands outside of `attend_step`, so that a decoder can put it into another one. `after` says
which decoder state is the query: in Bahdanau's family the previous one (before the recurrent step), in Luong's the
current one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from motion_jax.nn.additive import AdditiveKeys, additive_score, prepare_keys
from motion_jax.nn.deferred_grad import (
    DEFAULT,
    Compute,
    Operand,
    contract,
    make_operand,
    product,
    save_for_backward,
    softmax,
)
from motion_jax.nn.dense import Dense, init_dense, uniform
from motion_jax.types import Array, Params


class Sizes(NamedTuple):
    """What an attention needs to know to make its parameters."""

    inputs: int  # N, width of the decoder's input x
    hidden: int  # H, of queries and encoder states
    positions: int  # S, number of encoder states
    heads: int  # of multi_head


class AttentionWeights(struct.PyTreeNode):
    """The parameters of any kind as what its products read; a part that a kind lacks is None."""

    query: Operand | None = None  # h [H] -> query [Q]; None: h itself asks
    positions: Operand | None = None  # [x; h] [N + H] -> [S]
    key: Operand | None = None  # a_j [H] -> key
    value: Operand | None = None  # a_j [H] -> value; None: a_j itself
    out: Operand | None = None  # joins the heads
    score: Array | None = None  # [Q] reads the additive score
    heads: int = struct.field(pytree_node=False, default=1)


class AttentionMemory(NamedTuple):
    """Encoder states and what was computed from them once."""

    values: Operand  # [B, S, H] what the context is made of
    keys: Any  # what the query is held against: an Operand of products, or an array


class Attention(NamedTuple):
    """Pure functions of one kind of attention."""

    init: Callable[[Array, Sizes], Params]
    weights: Callable[[Params, Compute], AttentionWeights]
    precompute_keys: Callable[[AttentionWeights, Array, Compute], AttentionMemory]  # of states [B, S, H]
    attend_step: Callable[[AttentionWeights, AttentionMemory, Array, Array], tuple[Array, Array]]
    """(weights, memory, query [B, Q], x [B, N]) -> context [B, H], weights [B, S]"""
    after: bool = False  # asked with the state after the recurrent step


class ScoreParams(NamedTuple):
    """Two maps into a common space and the vector that reads it."""

    w_query: Array  # [H, H]
    w_key: Array  # [H, H]
    b: Array  # [H]
    v: Array  # [H]


class LinearParams(NamedTuple):
    """One linear layer from [h; a_j] to a number."""

    w_query: Array  # [H]
    w_key: Array  # [H]
    b: Array  # []


class ProjectionParams(NamedTuple):
    """Query, key and value maps of scaled dot-product attention, each from H to H."""

    query: Dense
    key: Dense
    value: Dense


class HeadParams(NamedTuple):
    """The same maps by head, so that the number of heads is in the shapes, and the map that joins them."""

    w_query: Array  # [H, heads, d]
    w_key: Array  # [H, heads, d]
    w_value: Array  # [H, heads, d]
    w_out: Array  # [heads, d, H]


def attend(
    attention: Attention, params: Params, states: Array, h: Array, x: Array, compute: Compute = DEFAULT
) -> tuple[Array, Array]:
    """One whole step of attention: states `[B, S, H]`, h `[B, H]`, x `[B, N]` to context and weights."""
    weights = attention.weights(params, compute)
    return attention.attend_step(
        weights, attention.precompute_keys(weights, states, compute), make_query(weights, h), x
    )


def make_query(weights: AttentionWeights, h: Array) -> Array:
    """What h `[B, H]` asks, `[B, Q]`."""
    return h if weights.query is None else product(h, weights.query)


def softmax_context(scores: Array, values: Operand) -> tuple[Array, Array]:
    """Scores `[B, S]` to the context `[B, H]` and the weights `[B, S]`."""
    alignment = softmax(scores)
    return contract("bs,bsh->bh", alignment, values), alignment


def _init_linear(key: Array, sizes: Sizes) -> LinearParams:
    q, k, b = jax.random.split(key, 3)
    fan = 2 * sizes.hidden
    return LinearParams(uniform(q, (sizes.hidden,), fan), uniform(k, (sizes.hidden,), fan), uniform(b, (), fan))


def _weights_linear(p: LinearParams, compute: Compute) -> AttentionWeights:
    query = make_operand(p.w_query[:, None], p.b[None], compute)
    return AttentionWeights(query=query, key=make_operand(p.w_key[:, None], None, compute))


def _precompute_linear(weights: AttentionWeights, states: Array, compute: Compute) -> AttentionMemory:
    return AttentionMemory(make_operand(states, None, compute), _key(weights, states)[..., 0])


def _attend_linear(weights: AttentionWeights, memory: AttentionMemory, query: Array, x: Array) -> tuple[Array, Array]:
    """e_j = w . [h; a_j] + b: thesis 3.20 to the letter. h adds the same to every j, so the softmax drops it."""
    del weights, x
    return softmax_context(query + memory.keys, memory.values)


def _init_location(key: Array, sizes: Sizes) -> Dense:
    return init_dense(key, sizes.inputs + sizes.hidden, sizes.positions)


def _weights_location(p: Dense, compute: Compute) -> AttentionWeights:
    return AttentionWeights(positions=make_operand(p.w, p.b, compute))


def _attend_location(weights: AttentionWeights, memory: AttentionMemory, query: Array, x: Array) -> tuple[Array, Array]:
    """w = softmax(W [x; h]) over positions (Robertson 2019, which the thesis says it adopted): a_j are not asked."""
    assert weights.positions is not None
    return softmax_context(product(jnp.concatenate([x, query], axis=-1), weights.positions), memory.values)


def _init_additive(key: Array, sizes: Sizes) -> ScoreParams:
    q, k, b, v = jax.random.split(key, 4)
    square = (sizes.hidden, sizes.hidden)
    return ScoreParams(*(uniform(i, shape, sizes.hidden) for i, shape in
                         ((q, square), (k, square), (b, square[:1]), (v, square[:1]))))  # fmt: skip


def _weights_additive(p: ScoreParams, compute: Compute) -> AttentionWeights:
    return AttentionWeights(
        query=make_operand(p.w_query, None, compute), key=make_operand(p.w_key, p.b, compute), score=p.v
    )


def _precompute_keys(weights: AttentionWeights, states: Array, compute: Compute) -> AttentionMemory:
    held = (
        make_operand(part, None, compute).array for part in prepare_keys(_key(weights, states))
    )  # read at every step: in fewer bytes
    return AttentionMemory(make_operand(states, None, compute), AdditiveKeys(*held))


def _attend_additive(weights: AttentionWeights, memory: AttentionMemory, query: Array, x: Array) -> tuple[Array, Array]:
    """e_j = v . tanh(W h + U a_j + b) (Bahdanau et al. 2015, A.1.2; Luong et al. 2015's concat, eq. 8)."""
    del x
    assert weights.score is not None
    return softmax_context(additive_score(save_for_backward(query), memory.keys, weights.score), memory.values)


def _precompute_states(weights: AttentionWeights, states: Array, compute: Compute) -> AttentionMemory:
    del weights
    return AttentionMemory(make_operand(states, None, compute), make_operand(states, None, compute))


def _attend_dot(weights: AttentionWeights, memory: AttentionMemory, query: Array, x: Array) -> tuple[Array, Array]:
    """e_j = h . a_j; or h W a_j, the map taken on the query's side (dot and general of Luong et al. 2015, eq. 8)."""
    del weights, x
    return softmax_context(contract("bh,bsh->bs", query, memory.keys), memory.values)


def _nothing(key: Array, sizes: Sizes) -> None:
    del key, sizes


def _weights_nothing(p: None, compute: Compute) -> AttentionWeights:
    del p, compute
    return AttentionWeights()


def _init_general(key: Array, sizes: Sizes) -> Array:
    return uniform(key, (sizes.hidden, sizes.hidden), sizes.hidden)


def _weights_general(p: Array, compute: Compute) -> AttentionWeights:
    return AttentionWeights(query=make_operand(p, None, compute))


def _init_scaled_dot(key: Array, sizes: Sizes) -> ProjectionParams:
    q, k, v = jax.random.split(key, 3)
    return ProjectionParams(*(init_dense(i, sizes.hidden, sizes.hidden) for i in (q, k, v)))


def _weights_scaled_dot(p: ProjectionParams, compute: Compute) -> AttentionWeights:
    query, key, value = (make_operand(dense.w, dense.b, compute) for dense in p)
    return AttentionWeights(query=query, key=key, value=value)


def _precompute_projected(weights: AttentionWeights, states: Array, compute: Compute) -> AttentionMemory:
    assert weights.value is not None
    return AttentionMemory(
        make_operand(product(states, weights.value), None, compute), make_operand(_key(weights, states), None, compute)
    )


def _attend_scaled_dot(
    weights: AttentionWeights, memory: AttentionMemory, query: Array, x: Array
) -> tuple[Array, Array]:
    """softmax(q k / sqrt(d)) v (Vaswani et al. 2017, eq. 1), q = W_q h, k = W_k a, v = W_v a."""
    del weights, x
    scores = contract("bh,bsh->bs", query, memory.keys)
    return softmax_context(scores / math.sqrt(query.shape[-1]), memory.values)


def _init_multi_head(key: Array, sizes: Sizes) -> HeadParams:
    q, k, v, o = jax.random.split(key, 4)
    split = (sizes.hidden, sizes.heads, sizes.hidden // sizes.heads)
    return HeadParams(*(uniform(i, split, sizes.hidden) for i in (q, k, v)),
                      w_out=uniform(o, (*split[1:], sizes.hidden), sizes.hidden))  # fmt: skip


def _weights_multi_head(p: HeadParams, compute: Compute) -> AttentionWeights:
    """The heads side by side: one product makes the queries of all."""
    hidden, heads, _ = p.w_query.shape
    query, key, value = (make_operand(w.reshape(hidden, -1), None, compute) for w in (p.w_query, p.w_key, p.w_value))
    out = make_operand(p.w_out.reshape(-1, hidden), None, compute)
    return AttentionWeights(query=query, key=key, value=value, out=out, heads=heads)


def _precompute_heads(weights: AttentionWeights, states: Array, compute: Compute) -> AttentionMemory:
    assert weights.value is not None
    values, keys = (_split_heads(weights, flat) for flat in (product(states, weights.value), _key(weights, states)))
    return AttentionMemory(make_operand(values, None, compute), make_operand(keys, None, compute))


def _attend_multi_head(
    weights: AttentionWeights, memory: AttentionMemory, query: Array, x: Array
) -> tuple[Array, Array]:
    """Concat of heads, then W_o (Vaswani et al. 2017, 3.2.2). The weights returned are the mean over heads."""
    del x
    assert weights.out is not None
    query = _split_heads(weights, query)
    scores = contract("bnd,bsnd->bns", query, memory.keys) / math.sqrt(query.shape[-1])
    alignment = softmax(scores)
    heads = contract("bns,bsnd->bnd", alignment, memory.values)
    return product(heads.reshape(heads.shape[0], -1), weights.out), alignment.mean(axis=1)


def _split_heads(weights: AttentionWeights, flat: Array) -> Array:
    return flat.reshape(*flat.shape[:-1], weights.heads, -1)


def _key(weights: AttentionWeights, states: Array) -> Array:
    assert weights.key is not None
    return product(states, weights.key)


ATTENTIONS: dict[str, Attention] = {
    "linear": Attention(_init_linear, _weights_linear, _precompute_linear, _attend_linear),
    "location": Attention(_init_location, _weights_location, _precompute_states, _attend_location),
    "additive": Attention(_init_additive, _weights_additive, _precompute_keys, _attend_additive),
    "dot": Attention(_nothing, _weights_nothing, _precompute_states, _attend_dot, after=True),
    "general": Attention(_init_general, _weights_general, _precompute_states, _attend_dot, after=True),
    "concat": Attention(_init_additive, _weights_additive, _precompute_keys, _attend_additive, after=True),
    "scaled_dot": Attention(_init_scaled_dot, _weights_scaled_dot, _precompute_projected, _attend_scaled_dot),
    "multi_head": Attention(_init_multi_head, _weights_multi_head, _precompute_heads, _attend_multi_head),
}
"""By name; `none` is the decoder's business: it then has no attention."""
