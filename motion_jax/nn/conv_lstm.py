"""The convolutional LSTM with peepholes, over images of one row: the joints of a body, in its order.

Source: Shi et al., "Convolutional LSTM network: a machine learning approach for precipitation nowcasting", NIPS 2015,
eq. 3. With * a convolution along the joints, zeros beyond its ends, and o the product of each number with its own:

    i = sigmoid(W_xi * x + W_hi * h + w_ci o c + b_i)
    f = sigmoid(W_xf * x + W_hf * h + w_cf o c + b_f)
    c' = f o c + i o tanh(W_xc * x + W_hc * h + b_c)
    o = sigmoid(W_xo * x + W_ho * h + w_co o c' + b_o)
    h' = o o tanh(c')
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.deferred_grad import Compute, Operand, make_operand, product, sigmoid, tanh
from motion_jax.nn.dense import uniform
from motion_jax.types import Array


class ConvLstmParams(NamedTuple):
    """Parameters; gates side by side in the order i, f, c, o."""

    w: Array  # [kernel (I + H), 4 H], of the joint before first
    b: Array  # [4 H]
    peephole: Array  # [3, K, H] of i, f, o; each joint's own


class ConvLstmWeights(NamedTuple):
    """The same as what products read."""

    map: Operand
    peephole: Array


class ConvLstmState(NamedTuple):
    """Hidden state and memory."""

    h: Array  # [B, K, H]
    c: Array  # [B, K, H]


def init_conv_lstm(key: Array, joints: int, inputs: int, hidden: int, kernel: int) -> ConvLstmParams:
    """Fresh parameters; consumes `key`. Peepholes start at zero."""
    w, b = jax.random.split(key)
    fan = kernel * (inputs + hidden)
    return ConvLstmParams(
        uniform(w, (fan, 4 * hidden), fan), uniform(b, (4 * hidden,), fan), jnp.zeros((3, joints, hidden))
    )


def conv_lstm_weights(params: ConvLstmParams, compute: Compute) -> ConvLstmWeights:
    """The parameters as operands."""
    return ConvLstmWeights(make_operand(params.w, params.b, compute), params.peephole)


def conv_lstm_step(weights: ConvLstmWeights, state: ConvLstmState, x: Array, kernel: int) -> ConvLstmState:
    """The state after one more image x `[B, K, I]`; `kernel`, odd, is the number of joints that a convolution reads."""
    gates = product(neighbours(jnp.concatenate([x, state.h], axis=-1), kernel), weights.map)
    i, f, new, o = jnp.split(gates, 4, axis=-1)
    of_i, of_f, of_o = weights.peephole
    c = sigmoid(f + of_f * state.c) * state.c + sigmoid(i + of_i * state.c) * tanh(new)
    return ConvLstmState(sigmoid(o + of_o * c) * tanh(c), c)


def neighbours(x: Array, kernel: int) -> Array:
    """Of each joint of x `[..., K, I]` the `kernel` joints around it, zeros beyond the ends, `[..., K, kernel I]`."""
    reach = kernel // 2
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(reach, reach), (0, 0)])
    return jnp.concatenate([padded[..., tap : tap + x.shape[-2], :] for tap in range(kernel)], axis=-1)
