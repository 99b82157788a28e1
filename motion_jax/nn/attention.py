"""Attention over encoder states, by every reading of the thesis's equation 3.20 and its sources.

Each kind turns a query (from a decoder state h `[B, H]`) and the encoder states a_j `[B, S, H]` into weights over j and
the context c = sum_j w_j a_j. What does not depend on the query is done once, by `remember`; the product that makes the
query from h stands outside of `read`, so that a decoder can put it into another one. `after` says which decoder state
asks: Bahdanau's family asks with the previous one (before the recurrent step), Luong's with the current one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from motion_jax.nn.additive import Keys, grow, score
from motion_jax.nn.deferred_grad.gates import keep, softmax
from motion_jax.nn.deferred_grad.products import DEFAULT, Compute, Operand, contract, hold, product
from motion_jax.nn.dense import Dense, init_dense, uniform
from motion_jax.types import Array, Params


class Sizes(NamedTuple):
    """What an attention needs to know to make its parameters."""

    inputs: int  # N, width of the decoder's input x
    hidden: int  # H, of queries and encoder states
    positions: int  # S, number of encoder states
    heads: int  # of multi_head


class AttentionMaps(struct.PyTreeNode):
    """The parameters of any kind as what its products read; a part that a kind lacks is None."""

    query: Operand | None = None  # h [H] -> query [Q]; None: h itself asks
    positions: Operand | None = None  # [x; h] [N + H] -> [S]
    key: Operand | None = None  # a_j [H] -> key
    value: Operand | None = None  # a_j [H] -> value; None: a_j itself
    out: Operand | None = None  # joins the heads
    score: Array | None = None  # [Q] reads the additive score
    heads: int = struct.field(pytree_node=False, default=1)


class Memory(NamedTuple):
    """Encoder states and what was computed from them once."""

    values: Operand  # [B, S, H] what the context is made of
    keys: Any  # what the query is held against: an Operand of products, or an array


class Attention(NamedTuple):
    """Pure functions of one kind of attention."""

    init: Callable[[Array, Sizes], Params]
    maps: Callable[[Params, Compute], AttentionMaps]
    remember: Callable[[AttentionMaps, Array, Compute], Memory]  # of states [B, S, H]
    read: Callable[[AttentionMaps, Memory, Array, Array], tuple[Array, Array]]
    """(maps, memory, query [B, Q], x [B, N]) -> context [B, H], weights [B, S]"""
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


def ask(
    attention: Attention, params: Params, states: Array, h: Array, x: Array, compute: Compute = DEFAULT
) -> tuple[Array, Array]:
    """The whole of one question: states `[B, S, H]`, h `[B, H]`, x `[B, N]` to context and weights."""
    maps = attention.maps(params, compute)
    return attention.read(maps, attention.remember(maps, states, compute), query(maps, h), x)


def query(maps: AttentionMaps, h: Array) -> Array:
    """What h `[B, H]` asks, `[B, Q]`."""
    return h if maps.query is None else product(h, maps.query)


def weigh(scores: Array, values: Operand) -> tuple[Array, Array]:
    """Scores `[B, S]` to the context `[B, H]` and the weights `[B, S]`."""
    weights = softmax(scores)
    return contract("bs,bsh->bh", weights, values), weights


def _init_linear(key: Array, sizes: Sizes) -> LinearParams:
    q, k, b = jax.random.split(key, 3)
    fan = 2 * sizes.hidden
    return LinearParams(uniform(q, (sizes.hidden,), fan), uniform(k, (sizes.hidden,), fan), uniform(b, (), fan))


def _maps_linear(p: LinearParams, compute: Compute) -> AttentionMaps:
    query = hold(p.w_query[:, None], p.b[None], compute)
    return AttentionMaps(query=query, key=hold(p.w_key[:, None], None, compute))


def _remember_linear(maps: AttentionMaps, states: Array, compute: Compute) -> Memory:
    return Memory(hold(states, None, compute), _key(maps, states)[..., 0])


def _read_linear(maps: AttentionMaps, memory: Memory, query: Array, x: Array) -> tuple[Array, Array]:
    """e_j = w . [h; a_j] + b: thesis 3.20 to the letter. h adds the same to every j, so the softmax drops it."""
    del maps, x
    return weigh(query + memory.keys, memory.values)


def _init_location(key: Array, sizes: Sizes) -> Dense:
    return init_dense(key, sizes.inputs + sizes.hidden, sizes.positions)


def _maps_location(p: Dense, compute: Compute) -> AttentionMaps:
    return AttentionMaps(positions=hold(p.w, p.b, compute))


def _read_location(maps: AttentionMaps, memory: Memory, query: Array, x: Array) -> tuple[Array, Array]:
    """w = softmax(W [x; h]) over positions (Robertson 2019, which the thesis says it adopted): a_j are not asked."""
    assert maps.positions is not None
    return weigh(product(jnp.concatenate([x, query], axis=-1), maps.positions), memory.values)


def _init_additive(key: Array, sizes: Sizes) -> ScoreParams:
    q, k, b, v = jax.random.split(key, 4)
    square = (sizes.hidden, sizes.hidden)
    return ScoreParams(*(uniform(i, shape, sizes.hidden) for i, shape in
                         ((q, square), (k, square), (b, square[:1]), (v, square[:1]))))  # fmt: skip


def _maps_additive(p: ScoreParams, compute: Compute) -> AttentionMaps:
    return AttentionMaps(query=hold(p.w_query, None, compute), key=hold(p.w_key, p.b, compute), score=p.v)


def _remember_keys(maps: AttentionMaps, states: Array, compute: Compute) -> Memory:
    held = (hold(part, None, compute).array for part in grow(_key(maps, states)))  # read at every step: in fewer bytes
    return Memory(hold(states, None, compute), Keys(*held))


def _read_additive(maps: AttentionMaps, memory: Memory, query: Array, x: Array) -> tuple[Array, Array]:
    """e_j = v . tanh(W h + U a_j + b) (Bahdanau et al. 2015, A.1.2; Luong et al. 2015's concat, eq. 8)."""
    del x
    assert maps.score is not None
    return weigh(score(keep(query), memory.keys, maps.score), memory.values)


def _remember_states(maps: AttentionMaps, states: Array, compute: Compute) -> Memory:
    del maps
    return Memory(hold(states, None, compute), hold(states, None, compute))


def _read_dot(maps: AttentionMaps, memory: Memory, query: Array, x: Array) -> tuple[Array, Array]:
    """e_j = h . a_j; or h W a_j, the map taken on the query's side (dot and general of Luong et al. 2015, eq. 8)."""
    del maps, x
    return weigh(contract("bh,bsh->bs", query, memory.keys), memory.values)


def _nothing(key: Array, sizes: Sizes) -> None:
    del key, sizes


def _maps_nothing(p: None, compute: Compute) -> AttentionMaps:
    del p, compute
    return AttentionMaps()


def _init_general(key: Array, sizes: Sizes) -> Array:
    return uniform(key, (sizes.hidden, sizes.hidden), sizes.hidden)


def _maps_general(p: Array, compute: Compute) -> AttentionMaps:
    return AttentionMaps(query=hold(p, None, compute))


def _init_scaled_dot(key: Array, sizes: Sizes) -> ProjectionParams:
    q, k, v = jax.random.split(key, 3)
    return ProjectionParams(*(init_dense(i, sizes.hidden, sizes.hidden) for i in (q, k, v)))


def _maps_scaled_dot(p: ProjectionParams, compute: Compute) -> AttentionMaps:
    query, key, value = (hold(dense.w, dense.b, compute) for dense in p)
    return AttentionMaps(query=query, key=key, value=value)


def _remember_projected(maps: AttentionMaps, states: Array, compute: Compute) -> Memory:
    assert maps.value is not None
    return Memory(hold(product(states, maps.value), None, compute), hold(_key(maps, states), None, compute))


def _read_scaled_dot(maps: AttentionMaps, memory: Memory, query: Array, x: Array) -> tuple[Array, Array]:
    """softmax(q k / sqrt(d)) v (Vaswani et al. 2017, eq. 1), q = W_q h, k = W_k a, v = W_v a."""
    del maps, x
    scores = contract("bh,bsh->bs", query, memory.keys)
    return weigh(scores / math.sqrt(query.shape[-1]), memory.values)


def _init_multi_head(key: Array, sizes: Sizes) -> HeadParams:
    q, k, v, o = jax.random.split(key, 4)
    split = (sizes.hidden, sizes.heads, sizes.hidden // sizes.heads)
    return HeadParams(*(uniform(i, split, sizes.hidden) for i in (q, k, v)),
                      w_out=uniform(o, (*split[1:], sizes.hidden), sizes.hidden))  # fmt: skip


def _maps_multi_head(p: HeadParams, compute: Compute) -> AttentionMaps:
    """The heads side by side: one product makes the queries of all."""
    hidden, heads, _ = p.w_query.shape
    query, key, value = (hold(w.reshape(hidden, -1), None, compute) for w in (p.w_query, p.w_key, p.w_value))
    out = hold(p.w_out.reshape(-1, hidden), None, compute)
    return AttentionMaps(query=query, key=key, value=value, out=out, heads=heads)


def _remember_heads(maps: AttentionMaps, states: Array, compute: Compute) -> Memory:
    assert maps.value is not None
    values, keys = (_split_heads(maps, flat) for flat in (product(states, maps.value), _key(maps, states)))
    return Memory(hold(values, None, compute), hold(keys, None, compute))


def _read_multi_head(maps: AttentionMaps, memory: Memory, query: Array, x: Array) -> tuple[Array, Array]:
    """Concat of heads, then W_o (Vaswani et al. 2017, 3.2.2). The weights returned are the mean over heads."""
    del x
    assert maps.out is not None
    query = _split_heads(maps, query)
    scores = contract("bnd,bsnd->bns", query, memory.keys) / math.sqrt(query.shape[-1])
    weights = softmax(scores)
    heads = contract("bns,bsnd->bnd", weights, memory.values)
    return product(heads.reshape(heads.shape[0], -1), maps.out), weights.mean(axis=1)


def _split_heads(maps: AttentionMaps, flat: Array) -> Array:
    return flat.reshape(*flat.shape[:-1], maps.heads, -1)


def _key(maps: AttentionMaps, states: Array) -> Array:
    assert maps.key is not None
    return product(states, maps.key)


ATTENTIONS: dict[str, Attention] = {
    "linear": Attention(_init_linear, _maps_linear, _remember_linear, _read_linear),
    "location": Attention(_init_location, _maps_location, _remember_states, _read_location),
    "additive": Attention(_init_additive, _maps_additive, _remember_keys, _read_additive),
    "dot": Attention(_nothing, _maps_nothing, _remember_states, _read_dot, after=True),
    "general": Attention(_init_general, _maps_general, _remember_states, _read_dot, after=True),
    "concat": Attention(_init_additive, _maps_additive, _remember_keys, _read_additive, after=True),
    "scaled_dot": Attention(_init_scaled_dot, _maps_scaled_dot, _remember_projected, _read_scaled_dot),
    "multi_head": Attention(_init_multi_head, _maps_multi_head, _remember_heads, _read_multi_head),
}
"""By name; `none` is the decoder's business: it then has no attention."""
