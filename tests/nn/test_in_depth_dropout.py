"""In-depth dropout: what it masks on the way up, and that nothing is masked along time."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.nn.cells import CELLS
from motion_jax.nn.deferred_grad import Compute
from motion_jax.nn.in_depth_dropout import in_depth_dropout
from motion_jax.nn.scans import scan

T, B, I, H = 5, 2, 3, 4
RATE = 0.25
CELL = CELLS["lstm"]
X = np.random.default_rng(0).normal(size=(T, B, I)).astype(np.float32)
PARAMS = CELL.init(jax.random.key(0), I, H)
KEYS = jax.random.split(jax.random.key(1), B)
directions = pytest.mark.parametrize("reverse", [False, True])


@functools.partial(jax.jit, static_argnames=("rate", "reverse"))
def run(params, x, keys, rate: float, reverse: bool):
    """Outputs that go up, and those that go on."""
    weights = CELL.weights(params, Compute())
    zeros = CELL.zeros((x.shape[1], H), x.dtype)
    _, states = scan(CELL, weights, x, zeros, reverse=reverse, emit=lambda state: state)
    return in_depth_dropout(weights, x, states, keys, 0, rate, reverse=reverse), states.h


@directions
def test_at_rate_0_what_goes_up_is_what_goes_on(reverse):
    up, along = run(PARAMS, X, KEYS, 0.0, reverse)
    np.testing.assert_allclose(up, along, rtol=1e-5, atol=1e-6)


@directions
def test_a_mask_acts_on_its_own_frame_alone(reverse):
    """The last frame's outputs depend on the first frame wherever their own masks leave them."""
    last, first = (0, T - 1) if reverse else (T - 1, 0)

    def outputs(x, rate):
        return run(PARAMS, x, KEYS, rate, reverse)[0][last]

    up, plain = (jax.jit(jax.jacrev(functools.partial(outputs, rate=rate)))(X) for rate in (RATE, 0.0))
    up, plain = up[:, :, first], plain[:, :, first]  # [B, H, B, I]
    reached = np.abs(up).max(axis=(2, 3)) > 0
    survived = np.asarray(run(PARAMS, X, KEYS, RATE, reverse)[0][last]) != 0
    assert (reached == survived).all()
    assert survived.any()
    assert (np.abs(plain).max(axis=(2, 3)) > 0).all()


@directions
def test_states_and_their_gradient_are_the_plain_layers_whatever_is_drawn(reverse):
    """What goes on is bitwise the plain layer's, in value and in gradient."""
    _, along = run(PARAMS, X, KEYS, RATE, reverse)
    _, plain = run(PARAMS, X, KEYS, 0.0, reverse)
    np.testing.assert_array_equal(along, plain)
    gradient = jax.jit(
        jax.grad(lambda p, rate: jnp.sum(run(p, X, KEYS, rate, reverse)[1]), argnums=0), static_argnums=1
    )
    jax.tree.map(np.testing.assert_array_equal, gradient(PARAMS, 0.5), gradient(PARAMS, 0.0))


def test_every_gate_memory_and_output_is_masked_and_the_mean_kept():
    """Of many draws of one frame: the values that masks leave, and their mean, are those of the formula."""
    weights = CELL.weights(PARAMS, Compute())
    keys = jax.random.split(jax.random.key(2), 4000)
    x = jnp.broadcast_to(X[:2, :1], (2, len(keys), I))
    zeros = CELL.zeros((len(keys), H), x.dtype)
    _, states = scan(CELL, weights, x, zeros, emit=lambda state: state)
    up = np.asarray(jax.jit(lambda x: in_depth_dropout(weights, x, states, keys, 0, 0.5, reverse=False))(x))[1, :, 0]
    h, c = np.asarray(states.h)[0, 0], np.asarray(states.c)[0, 0]
    i, f, g, o = np.split(X[1, 0] @ PARAMS.w_input + PARAMS.b + h @ PARAMS.w_hidden, 4)
    i, f, o = (1 / (1 + np.exp(-gate[0])) for gate in (i, f, o))
    memories = [2 * (a * f * c[0] + b * i * np.tanh(g[0])) for a in (0, 2) for b in (0, 2)]
    expected = {0.0, *(round(float(4 * o * np.tanh(memory)), 4) for memory in memories)}
    assert {round(float(value), 4) for value in up} == expected
    share = np.mean(up == 0)  # 1 - (output, its gate and memory kept, and not both of the memory's gates dropped)
    np.testing.assert_allclose(share, 1 - 0.5**3 * 0.75, atol=0.02)
