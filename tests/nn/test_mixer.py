"""Gradients by the mixer's own reverse rule are those of default autodiff."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.nn.deferred_grad import Compute
from motion_jax.nn.mixer import Mixer, init_mixer, mix, mixer_weights
from motion_jax.types import Array


@pytest.mark.parametrize("columns", [False, True])
def test_the_reverse_rule_is_that_of_the_plain_loop(columns: bool):
    params = init_mixer(jax.random.key(0), blocks=3, length=5, channels=4, columns=columns)
    params = jax.tree.map(lambda leaf: leaf + jax.random.normal(jax.random.key(leaf.size), leaf.shape), params)
    x = jax.random.normal(jax.random.key(1), (5, 2, 4))

    def loss(params: Mixer, x: Array, compute: Compute) -> Array:
        return jnp.mean(mix(mixer_weights(params, compute), x) ** 3)

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)), static_argnums=2)
    fast, plain = (jax.tree.leaves(gradients(params, x, Compute(fast=fast))) for fast in (True, False))
    for ours, theirs in zip(fast, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(jnp.abs(theirs).max()))
