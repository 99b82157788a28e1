"""Training by the graph layers' own reverse rule is that of default autodiff: loss, statistics, gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.nn.deferred_grad import Compute
from motion_jax.nn.graph import GraphNetwork, graph_network, init_graph_network
from motion_jax.types import Array


def test_the_reverse_rule_is_that_of_the_plain_layers():
    rng = np.random.default_rng(0)
    params = jax.jit(lambda key: init_graph_network(key, nodes=3, features=4, hidden=5, blocks=2))(jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.asarray(leaf) + rng.normal(0, 0.3, leaf.shape).astype("f"), params)
    x = rng.normal(size=(3, 6, 4)).astype("f")
    keys = jax.random.split(jax.random.key(2), 6)

    def loss(params: GraphNetwork, x: Array, compute: Compute) -> tuple[Array, GraphNetwork]:
        y, moved = graph_network(params, x, compute, train=True, keys=keys, rate=0.3)
        return jnp.mean(y**3), moved

    gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True), static_argnums=2)
    fast, plain = (jax.tree.leaves(gradients(params, x, Compute(fast=fast))) for fast in (True, False))
    largest = max(float(np.abs(leaf).max()) for leaf in plain)  # the gradient of a bias before a norm is rounding
    for ours, theirs in zip(fast, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * largest)
