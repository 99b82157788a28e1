"""Running cells over time: the one place where an encoder is scanned and a backend is chosen."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from motion_jax.nn.cells import Cell, State
from motion_jax.types import Array, Params


def scan(cell: Cell, params: Params, inputs: Array, initial: State, *, reverse: bool = False) -> tuple[State, Array]:
    """Runs one layer over `inputs` `[T, B, I]`.

    Returns the last state and the outputs `[T, B, H]`, in the order of the inputs. With `reverse` time runs backwards:
    the last state is that of frame 0.
    """

    def step(state: State, projected: Array) -> tuple[State, Array]:
        state = cell.step(params, state, projected)
        return state, cell.output(state)

    return jax.lax.scan(step, initial, cell.project(params, inputs), reverse=reverse)


def bidirectional_scan(cell: Cell, params: Params, inputs: Array, initial: State) -> tuple[State, Array]:
    """Both directions over `inputs` `[T, B, I]`, added (thesis 4.2.2).

    Every leaf of `params` and `initial` has a leading axis `[2, ...]`: forward, backward. The two run in one scan as a
    batched matmul, which halves the number of sequential steps. Returns the sum of the forward's last and the
    backward's last (= first-frame) state, and the sum of the outputs `[T, B, H]`.
    """
    both = jnp.stack([inputs, inputs[::-1]], axis=0)
    projected = jnp.moveaxis(jax.vmap(cell.project)(params, both), 1, 0)  # [T, 2, B, G H]

    def step(state: State, projected: Array) -> tuple[State, Array]:
        state = jax.vmap(cell.step)(params, state, projected)
        return state, cell.output(state)

    last, outputs = jax.lax.scan(step, initial, projected)
    return jax.tree.map(lambda leaf: leaf[0] + leaf[1], last), outputs[:, 0] + outputs[::-1, 1]


def init_layers(key: Array, cell: Cell, inputs: int, hidden: int, layers: int, *, bidirectional: bool) -> tuple:
    """Parameters of a stack: layer 0 reads `inputs` features, the others `hidden`; consumes `key`."""

    def init(key: Array, width: int) -> Params:
        if not bidirectional:
            return cell.init(key, width, hidden)
        return jax.vmap(lambda k: cell.init(k, width, hidden))(jax.random.split(key))

    widths = (inputs,) + (hidden,) * (layers - 1)
    return tuple(init(k, width) for k, width in zip(jax.random.split(key, layers), widths, strict=True))


def encode(
    cell: Cell, layers: tuple, inputs: Array, hidden: int, *, bidirectional: bool
) -> tuple[tuple[State, ...], Array]:
    """Runs a stack from zero states over `inputs` `[T, B, I]`; each layer reads the outputs of the one below.

    Returns every layer's last state and the top layer's outputs `[T, B, H]`.
    """
    batch, outputs, states = inputs.shape[1], inputs, []
    for params in layers:
        if bidirectional:
            state, outputs = bidirectional_scan(cell, params, outputs, cell.zeros((2, batch, hidden), inputs.dtype))
        else:
            state, outputs = scan(cell, params, outputs, cell.zeros((batch, hidden), inputs.dtype))
        states.append(state)
    return tuple(states), outputs
