"""Attention over encoder states, by every reading of the thesis's equation 3.20 and its sources.

Each kind turns a query (a decoder state h `[B, H]`) and the encoder states a_j `[B, S, H]` into weights over j and the
context c = sum_j w_j a_j. What does not depend on the query is done once, by `remember`. `after` says which decoder
state asks: Bahdanau's family asks with the previous one (before the recurrent step), Luong's with the current one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.dense import Dense, dense, init_dense, uniform
from motion_jax.types import Array, Params


class Sizes(NamedTuple):
    """What an attention needs to know to make its parameters."""

    inputs: int  # N, width of the decoder's input x
    hidden: int  # H, of queries and encoder states
    positions: int  # S, number of encoder states
    heads: int  # of multi_head


class Attention(NamedTuple):
    """Pure functions of one kind of attention."""

    init: Callable[[Array, Sizes], Params]
    remember: Callable[[Params, Array], Any]  # (params, states [B, S, H]) -> memory
    read: Callable[[Params, Any, Array, Array], tuple[Array, Array]]  # (params, memory, h, x) -> c [B, H], w [B, S]
    after: bool = False  # asked with the state after the recurrent step


class Memory(NamedTuple):
    """Encoder states and what was computed from them once."""

    states: Array  # [B, S, H] what the context is made of
    keys: Array  # what the query is held against


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


def weigh(scores: Array, states: Array) -> tuple[Array, Array]:
    """Scores `[B, S]` to the context `[B, H]` and the weights `[B, S]`."""
    weights = jax.nn.softmax(scores, axis=-1)
    return jnp.einsum("bs,bsh->bh", weights, states), weights


def _init_linear(key: Array, sizes: Sizes) -> LinearParams:
    q, k, b = jax.random.split(key, 3)
    fan = 2 * sizes.hidden
    return LinearParams(uniform(q, (sizes.hidden,), fan), uniform(k, (sizes.hidden,), fan), uniform(b, (), fan))


def _read_linear(p: LinearParams, memory: Memory, h: Array, x: Array) -> tuple[Array, Array]:
    """e_j = w . [h; a_j] + b: thesis 3.20 to the letter. h adds the same to every j, so the softmax drops it."""
    del x
    return weigh((h @ p.w_query)[:, None] + memory.keys + p.b, memory.states)


def _init_location(key: Array, sizes: Sizes) -> Dense:
    return init_dense(key, sizes.inputs + sizes.hidden, sizes.positions)


def _read_location(p: Dense, memory: Memory, h: Array, x: Array) -> tuple[Array, Array]:
    """w = softmax(W [x; h]) over positions (Robertson 2019, which the thesis says it adopted): a_j are not asked."""
    return weigh(dense(p, jnp.concatenate([x, h], axis=-1)), memory.states)


def _init_additive(key: Array, sizes: Sizes) -> ScoreParams:
    q, k, b, v = jax.random.split(key, 4)
    square = (sizes.hidden, sizes.hidden)
    return ScoreParams(*(uniform(i, shape, sizes.hidden) for i, shape in
                         ((q, square), (k, square), (b, square[:1]), (v, square[:1]))))  # fmt: skip


def _read_additive(p: ScoreParams, memory: Memory, h: Array, x: Array) -> tuple[Array, Array]:
    """e_j = v . tanh(W h + U a_j + b) (Bahdanau et al. 2015, A.1.2; Luong et al. 2015's concat, eq. 8)."""
    del x
    return weigh(jnp.tanh((h @ p.w_query)[:, None] + memory.keys) @ p.v, memory.states)


def _read_dot(p: Params, memory: Memory, h: Array, x: Array) -> tuple[Array, Array]:
    """e_j = h . a_j (Luong et al. 2015, eq. 8)."""
    del p, x
    return weigh(jnp.einsum("bh,bsh->bs", h, memory.states), memory.states)


def _init_general(key: Array, sizes: Sizes) -> Array:
    return uniform(key, (sizes.hidden, sizes.hidden), sizes.hidden)


def _read_general(p: Array, memory: Memory, h: Array, x: Array) -> tuple[Array, Array]:
    """e_j = h W a_j (Luong et al. 2015, eq. 8), the map taken on the query's side."""
    return _read_dot(None, memory, h @ p, x)


def _init_scaled_dot(key: Array, sizes: Sizes) -> ProjectionParams:
    q, k, v = jax.random.split(key, 3)
    return ProjectionParams(*(init_dense(i, sizes.hidden, sizes.hidden) for i in (q, k, v)))


def _remember_values(p: ProjectionParams, states: Array) -> Memory:
    return Memory(dense(p.value, states), dense(p.key, states))


def _read_scaled_dot(p: ProjectionParams, memory: Memory, h: Array, x: Array) -> tuple[Array, Array]:
    """softmax(q k / sqrt(d)) v (Vaswani et al. 2017, eq. 1), q = W_q h, k = W_k a, v = W_v a."""
    del x
    scores = jnp.einsum("bh,bsh->bs", dense(p.query, h), memory.keys)
    return weigh(scores / math.sqrt(h.shape[-1]), memory.states)


def _init_multi_head(key: Array, sizes: Sizes) -> HeadParams:
    q, k, v, o = jax.random.split(key, 4)
    split = (sizes.hidden, sizes.heads, sizes.hidden // sizes.heads)
    return HeadParams(*(uniform(i, split, sizes.hidden) for i in (q, k, v)),
                      w_out=uniform(o, (*split[1:], sizes.hidden), sizes.hidden))  # fmt: skip


def _remember_multi_head(p: HeadParams, states: Array) -> Memory:
    return Memory(jnp.einsum("bsh,hnd->bsnd", states, p.w_value), jnp.einsum("bsh,hnd->bsnd", states, p.w_key))


def _read_multi_head(p: HeadParams, memory: Memory, h: Array, x: Array) -> tuple[Array, Array]:
    """Concat of heads, then W_o (Vaswani et al. 2017, 3.2.2). The weights returned are the mean over heads."""
    del x
    query = jnp.einsum("bh,hnd->bnd", h, p.w_query)
    scores = jnp.einsum("bnd,bsnd->bns", query, memory.keys) / math.sqrt(query.shape[-1])
    weights = jax.nn.softmax(scores, axis=-1)
    heads = jnp.einsum("bns,bsnd->bnd", weights, memory.states)
    return jnp.einsum("bnd,ndh->bh", heads, p.w_out), weights.mean(axis=1)


def _nothing(key: Array, sizes: Sizes) -> None:
    del key, sizes


def _states_alone(p: Params, states: Array) -> Memory:
    del p
    return Memory(states, states)


def _linear_keys(p: LinearParams, states: Array) -> Memory:
    return Memory(states, states @ p.w_key)


def _additive_keys(p: ScoreParams, states: Array) -> Memory:
    return Memory(states, states @ p.w_key + p.b)


ATTENTIONS: dict[str, Attention] = {
    "linear": Attention(_init_linear, _linear_keys, _read_linear),
    "location": Attention(_init_location, _states_alone, _read_location),
    "additive": Attention(_init_additive, _additive_keys, _read_additive),
    "dot": Attention(_nothing, _states_alone, _read_dot, after=True),
    "general": Attention(_init_general, _states_alone, _read_general, after=True),
    "concat": Attention(_init_additive, _additive_keys, _read_additive, after=True),
    "scaled_dot": Attention(_init_scaled_dot, _remember_values, _read_scaled_dot),
    "multi_head": Attention(_init_multi_head, _remember_multi_head, _read_multi_head),
}
"""By name; `none` is the decoder's business: it then has no attention."""
