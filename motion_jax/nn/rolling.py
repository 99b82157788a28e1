"""Scans for a network that rolls over what passes and unrolls from every moment of it (RU-LSTM)."""

from __future__ import annotations

import jax.numpy as jnp

from motion_jax.nn.cells import Cell, CellWeights, Gates, State, project, project_all
from motion_jax.nn.deferred_grad import product, scan_deferred_grad
from motion_jax.types import Array


def scan_states(cell: Cell, weights: CellWeights, inputs: Array, initial: State) -> State:
    """Runs one layer over `inputs` `[T, B, I]`; returns its state after every frame, whose leaves are `[T, B, H]`."""

    def step(weights: CellWeights, state: State, gates: Gates) -> tuple[State, State]:
        state = cell.step(weights, state, gates, product(cell.output(state), weights.recurrent))
        return state, state

    gates = project_all(cell, weights, inputs)
    return scan_deferred_grad(step, weights, initial, gates, weights.inputs.compute)[1]


def scan_repeated(cell: Cell, weights: CellWeights, inputs: Array, count: int, initial: State) -> Array:
    """Runs one layer `count` steps over the same `inputs` `[B, I]`, projected once; returns outputs `[count, B, H]`."""

    def step(held: tuple[CellWeights, Gates], state: State, _: Array) -> tuple[State, Array]:
        weights, gates = held
        state = cell.step(weights, state, gates, product(cell.output(state), weights.recurrent))
        return state, cell.output(state)

    held, ticks = (weights, project(cell, weights, inputs)), jnp.zeros(count, inputs.dtype)
    return scan_deferred_grad(step, held, initial, ticks, weights.inputs.compute)[1]
