"""Attention of sequences: the equations in numpy, one position at a time; masks, the cache, positions."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.nn.attention import HeadParams
from motion_jax.nn.deferred_grad import DEFAULT
from motion_jax.nn.positions import sinusoidal_positions
from motion_jax.nn.self_attention import (
    attend_heads,
    causal_mask,
    empty_cache,
    heads_weights,
    init_heads,
    project_keys,
    write_cache,
)

L, B, C, HEADS = 5, 2, 6, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(L, B, C)).astype(np.float32)
PARAMS: HeadParams = jax.tree.map(
    lambda leaf: RNG.normal(size=leaf.shape).astype(np.float32),
    jax.eval_shape(lambda key: init_heads(key, C, HEADS), jax.random.key(0)),
)


def attend_in_numpy(x, known, seen) -> np.ndarray:
    """Of each position of x `[L, B, C]`, among the positions of `known` that `seen(l, s)` lets it see."""
    out = np.zeros(x.shape)
    for at, b, head in np.ndindex(len(x), x.shape[1], HEADS):
        query = x[at, b] @ PARAMS.w_query[:, head]
        places = [s for s in range(len(known)) if seen(at, s)]
        scores = np.array([query @ (known[s, b] @ PARAMS.w_key[:, head]) for s in places]) / math.sqrt(C // HEADS)
        share = np.exp(scores) / np.exp(scores).sum()
        value = sum(p * (known[s, b] @ PARAMS.w_value[:, head]) for p, s in zip(share, places, strict=True))
        out[at, b] += value @ PARAMS.w_out[head]
    return out


@jax.jit
def attend(x, known, mask):
    weights = heads_weights(PARAMS, DEFAULT)
    return attend_heads(weights, x, project_keys(weights, known), mask)


@jax.jit
def attend_piece(piece, cache, start):
    weights = heads_weights(PARAMS, DEFAULT)
    cache = write_cache(cache, project_keys(weights, piece), start)
    return attend_heads(weights, piece, cache, causal_mask(len(piece), L + 2, start)), cache


def test_attention_is_that_of_the_paper():
    known = RNG.normal(size=(4, B, C)).astype(np.float32)
    across = attend(X, known, None)
    np.testing.assert_allclose(across, attend_in_numpy(X, known, lambda at, s: True), rtol=1e-4, atol=1e-5)
    causal = attend(X, X, causal_mask(L, L, 0))
    np.testing.assert_allclose(causal, attend_in_numpy(X, X, lambda at, s: s <= at), rtol=1e-4, atol=1e-5)


def test_a_cache_that_is_filled_piece_by_piece_finds_the_same():
    whole = attend(X, X, causal_mask(L, L, 0))
    cache, start, found = empty_cache(L + 2, B, HEADS, C), 0, []
    for piece in (X[:2], X[2:3], X[3:]):
        seen, cache = attend_piece(piece, cache, start)
        found.append(seen)
        start += len(piece)
    np.testing.assert_allclose(np.concatenate(found), whole, rtol=1e-5, atol=1e-6)


def test_positions_are_those_of_the_paper():
    width = 7
    found = np.asarray(sinusoidal_positions(jnp.arange(3, 60), width))
    for row, feature in np.ndindex(57, width):
        angle = (row + 3) / 10_000 ** (2 * (feature // 2) / width)
        right = math.cos(angle) if feature % 2 else math.sin(angle)
        np.testing.assert_allclose(found[row, feature], right, atol=1e-5)
