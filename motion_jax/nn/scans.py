"""Running cells over time: the encoder's side."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from motion_jax.nn.cells import Cell, CellWeights, Gates, State, project_all
from motion_jax.nn.deferred_grad import product, scan_deferred_grad
from motion_jax.types import Array, Params


def scan(
    cell: Cell, weights: CellWeights, inputs: Array, initial: State, *, reverse: bool = False
) -> tuple[State, Array]:
    """Runs one layer over `inputs` `[T, B, I]`.

    Returns the last state and the outputs `[T, B, H]`, in the order of the inputs. With `reverse` time runs backwards:
    the last state is that of frame 0.
    """
    gates = project_all(cell, weights, inputs[::-1] if reverse else inputs)
    last, outputs = scan_deferred_grad(functools.partial(_step, cell), weights, initial, gates, weights.inputs.compute)
    return last, outputs[::-1] if reverse else outputs


def _step(cell: Cell, weights: CellWeights, state: State, gates: Gates) -> tuple[State, Array]:
    state = cell.step(weights, state, gates, product(cell.output(state), weights.recurrent))
    return state, cell.output(state)


def bidirectional_scan(cell: Cell, weights: CellWeights, inputs: Array, initial: State) -> tuple[State, Array]:
    """Both directions over `inputs` `[T, B, I]`, added (thesis 4.2.2).

    Every leaf of `weights` and `initial` has a leading axis `[2, ...]`: forward, backward. The two run in one scan as a
    batched matmul, which halves the number of sequential steps. Returns the sum of the forward's last and the
    backward's last (= first-frame) state, and the sum of the outputs `[T, B, H]`.
    """
    both = jnp.stack([inputs, inputs[::-1]])
    last, outputs = jax.vmap(functools.partial(scan, cell))(weights, both, initial)
    return jax.tree.map(lambda leaf: leaf[0] + leaf[1], last), outputs[0] + outputs[1, ::-1]


def init_layers(key: Array, cell: Cell, inputs: int, hidden: int, layers: int, *, bidirectional: bool) -> tuple:
    """Parameters of a stack: layer 0 reads `inputs` features, the others `hidden`; consumes `key`."""

    def init(key: Array, width: int) -> Params:
        if not bidirectional:
            return cell.init(key, width, hidden)
        return jax.vmap(lambda k: cell.init(k, width, hidden))(jax.random.split(key))

    widths = (inputs,) + (hidden,) * (layers - 1)
    return tuple(init(k, width) for k, width in zip(jax.random.split(key, layers), widths, strict=True))


def encode(
    cell: Cell, layers: tuple[CellWeights, ...], inputs: Array, hidden: int, *, bidirectional: bool
) -> tuple[tuple[State, ...], Array]:
    """Runs a stack from zero states over `inputs` `[T, B, I]`; each layer reads the outputs of the one below.

    Returns every layer's last state and the top layer's outputs `[T, B, H]`.
    """
    batch, outputs, states = inputs.shape[1], inputs, []
    for weights in layers:
        if bidirectional:
            state, outputs = bidirectional_scan(cell, weights, outputs, cell.zeros((2, batch, hidden), inputs.dtype))
        else:
            state, outputs = scan(cell, weights, outputs, cell.zeros((batch, hidden), inputs.dtype))
        states.append(state)
    return tuple(states), outputs
