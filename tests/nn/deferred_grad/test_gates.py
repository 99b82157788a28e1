"""The gates are jax's own functions, value and derivative, and say nothing new at the ends."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.nn.deferred_grad import gates

X = np.array([-1e4, -60, -3, -0.5, -1e-9, 0, 1e-9, 0.5, 3, 60, 1e4])

pairs = pytest.mark.parametrize(("ours", "jaxs"), [(gates.sigmoid, jax.nn.sigmoid), (gates.tanh, jnp.tanh)])


@pairs
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-15)])
def test_values_and_first_derivatives(ours, jaxs, dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(X, dtype)
        np.testing.assert_array_equal(ours(x), jaxs(x))
        expected = jax.vmap(jax.grad(jaxs))(x)
        forwards = jax.jvp(ours, (x,), (jnp.ones_like(x),))[1]
        for derivative in (jax.vmap(jax.grad(ours))(x), forwards):
            assert derivative.dtype == dtype
            assert np.isfinite(derivative).all()
            np.testing.assert_allclose(derivative, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("gate", [gates.sigmoid, gates.tanh])
def test_only_the_kept_result_is_saved(gate):
    """Under the policy of a deferred scan the derivative needs no second evaluation of what was kept."""

    def twice(x):
        return gate(jnp.sin(gate(x)))

    loss = jax.checkpoint(twice, policy=gates.save_policy())
    _, pull = jax.vjp(loss, jnp.ones(3))
    names = [equation.primitive.name for equation in jax.make_jaxpr(pull)(jnp.ones(3)).eqns]
    assert not {"tanh", "logistic", "sin"} & set(names)
