"""Recurrent cells: GRU in both of its published forms, LSTM and the plain (Elman) network.

A cell is split where time enters. `project` is the part that does not depend on the state, so that a scan can do it
for all frames in one matmul; `step` is the recurrence. Weights are stored `[in, out]`. The products of a step with the
state's output stand outside of it (`CellWeights.recurrent`), so that a decoder can put its query into the same matmul.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.deferred_grad import (
    Compute,
    Operand,
    make_operand,
    product,
    save_for_backward,
    sigmoid,
    split_operand,
    tanh,
)
from motion_jax.nn.dense import uniform
from motion_jax.types import Array, Params

State = Any  # a pytree of [B, H] arrays
Gates = tuple[Array, ...]  # one [..., H] array a gate: slices of one array would keep XLA from vectorising a loop


class CellWeights(NamedTuple):
    """A cell's parameters as what its products read. Directions of an encoder add a leading axis of 2."""

    inputs: Operand  # x [I] -> gates [G H]
    recurrent: Operand  # h [H] -> [R H], asked before anything else in a step
    candidate: Operand | None = None  # [H] -> [H], of a reset that acts on the state


class Cell(NamedTuple):
    """Pure functions of one kind of cell, and its numbers of gates."""

    init: Callable[[Array, int, int], Params]  # (key, I, H) -> params
    weights: Callable[[Params, Compute], CellWeights]
    step: Callable[
        [CellWeights, State, Gates, Array], State
    ]  # (weights, state, projected x, product [B, R H]) -> state
    output: Callable[[State], Array]  # state -> h [B, H]
    zeros: Callable[[tuple[int, ...], Any], State]  # (shape [..., H], dtype) -> state
    gates: int  # G
    recurrent: int  # R


def project(cell: Cell, weights: CellWeights, x: Array) -> Gates:
    """x `[B, I]` to each gate's part, `[B, H]`."""
    return tuple(jnp.split(product(x, weights.inputs), cell.gates, axis=-1))


def project_all(cell: Cell, weights: CellWeights, x: Array) -> Gates:
    """x `[T, B, I]` to each gate's part, `[T, B, H]`: here it is cheaper to split the weights than the result."""
    return tuple(product(x, part) for part in split_operand(weights.inputs, cell.gates))


def step_cell(cell: Cell, weights: CellWeights, state: State, x: Array) -> State:
    """One whole step from an input x `[B, I]`."""
    return cell.step(weights, state, project(cell, weights, x), product(cell.output(state), weights.recurrent))


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


def _step_gru(weights: CellWeights, h: Array, x: Gates, recurrent: Array) -> Array:
    """Reset-after (Cho et al. 2014 v3; PyTorch, cuDNN): the reset acts on the candidate's recurrent product."""
    del weights
    (xr, xz, xn), (ar, az, an) = x, jnp.split(recurrent, 3, axis=-1)
    r = sigmoid(xr + ar)
    z = sigmoid(xz + az)
    n = tanh(xn + r * save_for_backward(an))
    return (1 - z) * n + z * h


def _init_reset_before(key: Array, inputs: int, hidden: int) -> ResetBeforeParams:
    k = jax.random.split(key, 4)
    return ResetBeforeParams(
        uniform(k[0], (inputs, 3 * hidden), hidden),
        uniform(k[1], (hidden, 2 * hidden), hidden),
        uniform(k[2], (hidden, hidden), hidden),
        uniform(k[3], (3 * hidden,), hidden),
    )


def _step_reset_before(weights: CellWeights, h: Array, x: Gates, recurrent: Array) -> Array:
    """Reset-before (thesis 3.6.2; TensorFlow 1): the reset acts on the state; u weighs the candidate."""
    assert weights.candidate is not None
    (xr, xu, xc), (ar, au) = x, jnp.split(recurrent, 2, axis=-1)
    r = sigmoid(xr + ar)
    u = sigmoid(xu + au)
    c = tanh(xc + product(r * h, weights.candidate))
    return (1 - u) * h + u * c


def _init_lstm(key: Array, inputs: int, hidden: int) -> LSTMParams:
    k = jax.random.split(key, 3)
    return LSTMParams(
        uniform(k[0], (inputs, 4 * hidden), hidden),
        uniform(k[1], (hidden, 4 * hidden), hidden),
        uniform(k[2], (4 * hidden,), hidden),
    )


def _step_lstm(weights: CellWeights, state: LSTMState, x: Gates, recurrent: Array) -> LSTMState:
    """Hochreiter & Schmidhuber 1997 with forget gate (thesis 3.6.1)."""
    del weights
    i, f, g, o = (a + b for a, b in zip(x, jnp.split(recurrent, 4, axis=-1), strict=True))
    c = sigmoid(f) * state.c + sigmoid(i) * tanh(g)
    return LSTMState(sigmoid(o) * tanh(c), c)


def _init_rnn(key: Array, inputs: int, hidden: int) -> RNNParams:
    k = jax.random.split(key, 3)
    return RNNParams(
        uniform(k[0], (inputs, hidden), hidden),
        uniform(k[1], (hidden, hidden), hidden),
        uniform(k[2], (hidden,), hidden),
    )


def _step_rnn(weights: CellWeights, h: Array, x: Gates, recurrent: Array) -> Array:
    """h' = tanh(x W + h U + b) (thesis 3.1)."""
    del weights, h
    return tanh(x[0] + recurrent)


def _weights_gru(p: GRUParams, compute: Compute) -> CellWeights:
    return CellWeights(make_operand(p.w_input, p.b_input, compute), make_operand(p.w_hidden, p.b_hidden, compute))


def _weights_reset_before(p: ResetBeforeParams, compute: Compute) -> CellWeights:
    return CellWeights(
        make_operand(p.w_input, p.b, compute),
        make_operand(p.w_gates, None, compute),
        make_operand(p.w_candidate, None, compute),
    )


def _weights(p: LSTMParams | RNNParams, compute: Compute) -> CellWeights:
    return CellWeights(make_operand(p.w_input, p.b, compute), make_operand(p.w_hidden, None, compute))


def _itself(h: Array) -> Array:
    return h


def _zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    return jnp.zeros(shape, dtype)


def _zeros_lstm(shape: tuple[int, ...], dtype: Any) -> LSTMState:
    return LSTMState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))


CELLS: dict[str, Cell] = {
    "gru": Cell(_init_gru, _weights_gru, _step_gru, _itself, _zeros, 3, 3),
    "gru_reset_before": Cell(_init_reset_before, _weights_reset_before, _step_reset_before, _itself, _zeros, 3, 2),
    "lstm": Cell(_init_lstm, _weights, _step_lstm, lambda state: state.h, _zeros_lstm, 4, 4),
    "rnn": Cell(_init_rnn, _weights, _step_rnn, _itself, _zeros, 1, 1),
}
