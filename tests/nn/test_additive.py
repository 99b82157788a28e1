"""The score is v . tanh(q + k) but for a constant, in value and in every derivative, wherever keys and queries lie."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from motion_jax.nn.additive import additive_score, prepare_keys

RNG = np.random.default_rng(0)


def plain(query, keys, v):
    return np.tanh(query[:, None].astype(np.float64) + keys) @ v - v.sum()


def given(spread: float = 1.0, at: float = 0.0, asked: float = 0.0):
    query, keys = RNG.normal(asked, 1, (3, 5)), RNG.uniform(at - spread, at + spread, (3, 7, 5))
    return tuple(x.astype(np.float32) for x in (query, keys, RNG.normal(size=5)))


@pytest.mark.parametrize("case", [
    {}, {"spread": 34.0}, {"at": 1000.0, "asked": -1000.0}, {"at": -1e4, "asked": 1e4, "spread": 20.0},
    {"at": 60.0}, {"asked": -1e6}, {"at": 30.0, "asked": -50.0, "spread": 30.0}, {"spread": 0.0},
])  # fmt: skip
def test_values_are_those_of_tanh(case):
    query, keys, v = given(**case)
    result = jax.jit(lambda *args: additive_score(args[0], prepare_keys(args[1]), args[2]))(query, keys, v)
    np.testing.assert_allclose(result, plain(query, keys, v), atol=2e-5 if case.get("at", 0) < 100 else 5e-3)


def test_derivatives_are_those_of_tanh():
    with jax.enable_x64(True):
        query, keys, v = (jnp.asarray(x, jnp.float64) for x in given(spread=3.0, at=2.0))

        def of_tanh(query, keys, v):
            return jnp.tanh(query[:, None] + keys) @ v - v.sum()

        def ours(query, keys, v):
            return additive_score(query, prepare_keys(keys), v)

        @jax.jit
        def derivatives(*args):
            return [[way(f, (0, 1, 2))(*args) for way in (jax.jacrev, jax.jacfwd)] for f in (ours, of_tanh)]

        for one, other in zip(*map(jax.tree.leaves, derivatives(query, keys, v)), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-13)
        check_grads(jax.jit(ours), (query[:1, :2], keys[:1, :2, :2], v[:2]), order=2)


@pytest.mark.parametrize("at", [-1e5, 0.0, 1e5])
def test_what_is_saturated_is_finite(at):
    query, keys, v = given(spread=1e4, at=at, asked=at)
    value, gradient = jax.value_and_grad(
        lambda *args: additive_score(args[0], prepare_keys(args[1]), args[2]).sum(), (0, 1, 2)
    )(query, keys, v)
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in gradient)
