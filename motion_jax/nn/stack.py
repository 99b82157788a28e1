"""Recurrent layers between affine ones: frames in, frames out, one at a time.

What does not depend on the states is split off as in a cell: `stack_embed` before the recurrence, `stack_read` behind
it, so that frames that are known go through both in one product.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from motion_jax.nn.cells import Cell, CellWeights, Gates, State, project, step_cell
from motion_jax.nn.deferred_grad import Compute, Operand, product
from motion_jax.nn.dense import Dense
from motion_jax.nn.mlp import apply_mlp, init_mlp, mlp_weights
from motion_jax.nn.scans import init_layers
from motion_jax.types import Array


class Stack(NamedTuple):
    """What a stack is made of; static under jit."""

    cell: Cell
    before: tuple[int, ...]  # widths of the affine layers that read a frame
    hidden: int  # H, of every recurrent layer
    layers: int
    after: tuple[int, ...]  # widths of the affine layers that write a frame


class StackParams(NamedTuple):
    """Parameters, bottom first."""

    before: tuple[Dense, ...]
    layers: tuple  # of cell parameters
    after: tuple[Dense, ...]


class StackWeights(NamedTuple):
    """The parameters as what products read."""

    before: tuple[Operand, ...]
    layers: tuple[CellWeights, ...]
    after: tuple[Operand, ...]


def init_stack(key: Array, stack: Stack, inputs: int) -> StackParams:
    """Fresh parameters for frames of `inputs` features; consumes `key`."""
    before, layers, after = jax.random.split(key, 3)
    return StackParams(
        init_mlp(before, (inputs, *stack.before)),
        init_layers(layers, stack.cell, stack.before[-1], stack.hidden, stack.layers, bidirectional=False),
        init_mlp(after, (stack.hidden, *stack.after)),
    )


def stack_weights(stack: Stack, params: StackParams, compute: Compute) -> StackWeights:
    """Parameters as what products read; done once for many calls where the parameters stay."""
    layers = tuple(stack.cell.weights(layer, compute) for layer in params.layers)
    return StackWeights(mlp_weights(params.before, compute), layers, mlp_weights(params.after, compute))


def stack_zeros(stack: Stack, batch: int, dtype: Any) -> tuple[State, ...]:
    """The states before the first frame."""
    return tuple(stack.cell.zeros((batch, stack.hidden), dtype) for _ in range(stack.layers))


def stack_embed(stack: Stack, weights: StackWeights, frames: Array) -> Gates:
    """Frames `[..., I]` to what the lowest cell adds to its gates."""
    return project(stack.cell, weights.layers[0], apply_mlp(weights.before, frames))


def stack_step(
    stack: Stack, weights: StackWeights, states: tuple[State, ...], gates: Gates
) -> tuple[tuple[State, ...], Array]:
    """One step of every layer; returns the states and the top layer's h `[B, H]`."""
    cell, lowest = stack.cell, weights.layers[0]
    new = [cell.step(lowest, states[0], gates, product(cell.output(states[0]), lowest.recurrent))]
    for layer, state in zip(weights.layers[1:], states[1:], strict=True):
        new.append(step_cell(cell, layer, state, cell.output(new[-1])))
    return tuple(new), cell.output(new[-1])


def stack_read(weights: StackWeights, h: Array) -> Array:
    """h `[..., H]` to frames `[..., O]`."""
    return apply_mlp(weights.after, h)
