"""Dilated convolutions: against plain numpy, and frame by frame as at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.nn.convolution import (
    SLOPE,
    causal_convolution,
    convolve,
    convolve_step,
    init_convolutions,
    receptive_field,
)
from motion_jax.nn.deferred_grad.products import DEFAULT
from motion_jax.nn.dense import Dense, dense_weights

L, B, N, H, LAYERS = 12, 2, 3, 5, 3
PARAMS = init_convolutions(jax.random.key(0), N, H, LAYERS)
MAPS = tuple(dense_weights(layer, DEFAULT) for layer in PARAMS)
X = np.random.default_rng(0).normal(size=(L, B, N)).astype(np.float32)


def test_a_stack_is_its_formula():
    expected = {t: X[t] for t in range(L)}
    for k, layer in enumerate(PARAMS):
        new = {}
        for t in range(L):
            if t - 2**k in expected:
                y = np.concatenate([expected[t - 2**k], expected[t]], axis=-1) @ layer.w + layer.b
                y = np.where(y < 0, SLOPE * y, y)
                new[t] = y + expected[t] if k else y  # the first layer changes the width
        expected = new
    assert receptive_field(LAYERS) == L - len(expected) + 1
    outputs = jax.jit(convolve)(MAPS, X)[1]
    np.testing.assert_allclose(outputs, np.stack(list(expected.values())), rtol=1e-5, atol=1e-6)


def test_a_frame_at_a_step_is_all_at_once():
    start = receptive_field(LAYERS) - 1
    queues, none = jax.jit(convolve)(MAPS, X[:start])
    assert none.shape == (0, B, H)
    outputs, step = [], jax.jit(convolve_step)
    for x in X[start:]:
        queues, y = step(MAPS, queues, jnp.asarray(x))
        outputs.append(y)
    np.testing.assert_allclose(np.stack(outputs), jax.jit(convolve)(MAPS, X)[1], rtol=1e-5, atol=1e-6)


def test_a_causal_convolution_is_its_formula_over_zeros_and_piece_by_piece():
    kernel, dilation = 3, 2
    rng = np.random.default_rng(1)
    layer = Dense(rng.normal(size=(kernel * N, H)).astype(np.float32), rng.normal(size=H).astype(np.float32))
    right = np.zeros((L, B, H)) + layer.b
    for t, tap in np.ndindex(L, kernel):
        if (source := t - (kernel - 1 - tap) * dilation) >= 0:
            right[t] += X[source] @ layer.w[tap * N : (tap + 1) * N]
    queue, found = jnp.zeros(((kernel - 1) * dilation, B, N)), []
    for piece in (X[:7], X[7:8], X[8:]):
        queue, y = causal_convolution(dense_weights(layer, DEFAULT), queue, jnp.asarray(piece), dilation)
        found.append(y)
    np.testing.assert_allclose(np.concatenate(found), right, rtol=1e-4, atol=1e-5)
