"""The convolutional LSTM against its equations in numpy, one joint at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.nn.conv_lstm import ConvLstmState, conv_lstm_step, conv_lstm_weights, init_conv_lstm
from motion_jax.nn.deferred_grad import DEFAULT

B, K, I, H, KERNEL = 2, 5, 3, 4, 3
RNG = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_step_is_the_equations_with_peepholes():
    shapes = jax.eval_shape(lambda key: init_conv_lstm(key, K, I, H, KERNEL), jax.random.key(0))
    params = jax.tree.map(lambda leaf: draw(*leaf.shape), shapes)
    x, h, c = draw(B, K, I), draw(B, K, H), draw(B, K, H)
    found = conv_lstm_step(conv_lstm_weights(params, DEFAULT), ConvLstmState(*map(jnp.asarray, (h, c))), x, KERNEL)
    taps = params.w.reshape(KERNEL, I + H, 4, H)
    for b, k in np.ndindex(B, K):
        gates = params.b.reshape(4, H).copy()
        for tap, joint in enumerate((k - 1, k, k + 1)):
            if 0 <= joint < K:
                gates += np.einsum("i,igh->gh", x[b, joint], taps[tap, :I])
                gates += np.einsum("i,igh->gh", h[b, joint], taps[tap, I:])
        i = sigmoid(gates[0] + params.peephole[0, k] * c[b, k])
        f = sigmoid(gates[1] + params.peephole[1, k] * c[b, k])
        memory = f * c[b, k] + i * np.tanh(gates[2])
        o = sigmoid(gates[3] + params.peephole[2, k] * memory)
        np.testing.assert_allclose(found.c[b, k], memory, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.h[b, k], o * np.tanh(memory), rtol=1e-4, atol=1e-5)
