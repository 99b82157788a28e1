"""Recurrent cells: GRU in both of its published forms, LSTM and the plain (Elman) network.

A cell is split where time enters. `project` is the part that does not depend on the state, so that a scan can do it
for all frames in one matmul; `step` is the recurrence. Weights are stored `[in, out]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.dense import uniform
from motion_jax.types import Array, Params

State = Any  # a pytree of [B, H] arrays


class Cell(NamedTuple):
    """Pure functions of one kind of cell. G is the number of gates."""

    init: Callable[[Array, int, int], Params]  # (key, I, H) -> params
    project: Callable[[Params, Array], Array]  # (params, x [..., I]) -> [..., G H]
    step: Callable[[Params, State, Array], State]  # (params, state, projected [B, G H]) -> state
    output: Callable[[State], Array]  # state -> h [B, H]
    zeros: Callable[[tuple[int, ...], Any], State]  # (shape [..., H], dtype) -> state


class GRUParams(NamedTuple):
    """Gates in the order reset r, update z, candidate n (as `torch.nn.GRU`)."""

    w_input: Array  # [I, 3H]
    w_hidden: Array  # [H, 3H]
    b_input: Array  # [3H]
    b_hidden: Array  # [3H]; the candidate's part stands inside the reset, so it is not redundant


class ResetBeforeParams(NamedTuple):
    """Gates in the order reset r, update u, candidate c."""

    w_input: Array  # [I, 3H]
    w_gates: Array  # [H, 2H] of r and u
    w_candidate: Array  # [H, H]
    b: Array  # [3H]


class LSTMParams(NamedTuple):
    """Gates in the order input i, forget f, candidate g, output o (as `torch.nn.LSTM`)."""

    w_input: Array  # [I, 4H]
    w_hidden: Array  # [H, 4H]
    b: Array  # [4H]


class RNNParams(NamedTuple):
    """The plain recurrent network."""

    w_input: Array  # [I, H]
    w_hidden: Array  # [H, H]
    b: Array  # [H]


class LSTMState(NamedTuple):
    """Output and memory."""

    h: Array  # [B, H]
    c: Array  # [B, H]


def _init_gru(key: Array, inputs: int, hidden: int) -> GRUParams:
    k = jax.random.split(key, 4)
    return GRUParams(
        uniform(k[0], (inputs, 3 * hidden), hidden),
        uniform(k[1], (hidden, 3 * hidden), hidden),
        uniform(k[2], (3 * hidden,), hidden),
        uniform(k[3], (3 * hidden,), hidden),
    )


def _step_gru(p: GRUParams, h: Array, x: Array) -> Array:
    """Reset-after (Cho et al. 2014 v3; PyTorch, cuDNN): the reset acts on the candidate's recurrent product."""
    a = h @ p.w_hidden + p.b_hidden
    xr, xz, xn = jnp.split(x, 3, axis=-1)
    ar, az, an = jnp.split(a, 3, axis=-1)
    r = jax.nn.sigmoid(xr + ar)
    z = jax.nn.sigmoid(xz + az)
    n = jnp.tanh(xn + r * an)
    return (1 - z) * n + z * h


def _init_reset_before(key: Array, inputs: int, hidden: int) -> ResetBeforeParams:
    k = jax.random.split(key, 4)
    return ResetBeforeParams(
        uniform(k[0], (inputs, 3 * hidden), hidden),
        uniform(k[1], (hidden, 2 * hidden), hidden),
        uniform(k[2], (hidden, hidden), hidden),
        uniform(k[3], (3 * hidden,), hidden),
    )


def _step_reset_before(p: ResetBeforeParams, h: Array, x: Array) -> Array:
    """Reset-before (thesis 3.6.2; TensorFlow 1): the reset acts on the state; u weighs the candidate."""
    xr, xu, xc = jnp.split(x, 3, axis=-1)
    ar, au = jnp.split(h @ p.w_gates, 2, axis=-1)
    r = jax.nn.sigmoid(xr + ar)
    u = jax.nn.sigmoid(xu + au)
    c = jnp.tanh(xc + (r * h) @ p.w_candidate)
    return (1 - u) * h + u * c


def _init_lstm(key: Array, inputs: int, hidden: int) -> LSTMParams:
    k = jax.random.split(key, 3)
    return LSTMParams(
        uniform(k[0], (inputs, 4 * hidden), hidden),
        uniform(k[1], (hidden, 4 * hidden), hidden),
        uniform(k[2], (4 * hidden,), hidden),
    )


def _step_lstm(p: LSTMParams, state: LSTMState, x: Array) -> LSTMState:
    """Hochreiter & Schmidhuber 1997 with forget gate (thesis 3.6.1)."""
    i, f, g, o = jnp.split(x + state.h @ p.w_hidden, 4, axis=-1)
    c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return LSTMState(jax.nn.sigmoid(o) * jnp.tanh(c), c)


def _init_rnn(key: Array, inputs: int, hidden: int) -> RNNParams:
    k = jax.random.split(key, 3)
    return RNNParams(
        uniform(k[0], (inputs, hidden), hidden),
        uniform(k[1], (hidden, hidden), hidden),
        uniform(k[2], (hidden,), hidden),
    )


def _step_rnn(p: RNNParams, h: Array, x: Array) -> Array:
    """h' = tanh(x W + h U + b) (thesis 3.1)."""
    return jnp.tanh(x + h @ p.w_hidden)


def _project_gru(p: GRUParams, x: Array) -> Array:
    return x @ p.w_input + p.b_input


def _project(p: ResetBeforeParams | LSTMParams | RNNParams, x: Array) -> Array:
    return x @ p.w_input + p.b


def _itself(h: Array) -> Array:
    return h


def _zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    return jnp.zeros(shape, dtype)


def _zeros_lstm(shape: tuple[int, ...], dtype: Any) -> LSTMState:
    return LSTMState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


CELLS: dict[str, Cell] = {
    "gru": Cell(_init_gru, _project_gru, _step_gru, _itself, _zeros),
    "gru_reset_before": Cell(_init_reset_before, _project, _step_reset_before, _itself, _zeros),
    "lstm": Cell(_init_lstm, _project, _step_lstm, lambda state: state.h, _zeros_lstm),
    "rnn": Cell(_init_rnn, _project, _step_rnn, _itself, _zeros),
}
