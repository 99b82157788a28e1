"""Running cells over time: the encoder's side.

Sequences of a batch may be shorter than its arrays: `mask` `[T, B]` is 1 for frames and 0 for padding, at the end of
each. A state is held through padding, so that the last state is that of the last frame, and the backward direction,
which meets the padding first, begins at the last frame from its initial state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.cells import Cell, CellWeights, Gates, State, project, project_all
from motion_jax.nn.deferred_grad import product, scan_deferred_grad
from motion_jax.types import Array, Params


class _Frame(NamedTuple):
    """What a step reads."""

    gates: Gates
    mask: Array | None  # [B]


def scan(
    cell: Cell,
    weights: CellWeights,
    inputs: Array,
    initial: State,
    *,
    reverse: bool = False,
    mask: Array | None = None,
    emit: Callable[[State], Any] | None = None,
) -> tuple[State, Any]:
    """Runs one layer over `inputs` `[T, B, I]`.

    Returns the last state and the outputs `[T, B, H]`, in the order of the inputs; with `emit`, what it makes of every
    state in their place. With `reverse` time runs backwards: the last state is that of frame 0.
    """
    frames = _projected(cell, weights, inputs, mask, reverse)
    last, outputs = _recurrence(cell, emit or cell.output, weights, frames, initial)
    return last, _backwards(outputs) if reverse else outputs


def _projected(cell: Cell, weights: CellWeights, inputs: Array, mask: Array | None, reverse: bool) -> _Frame:
    """All frames as steps read them, backwards with `reverse`."""
    if reverse:
        inputs, mask = inputs[::-1], None if mask is None else mask[::-1]
    return _Frame(project_all(cell, weights, inputs), mask)


def _backwards(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[::-1], tree)


def _recurrence(
    cell: Cell, emit: Callable[[State], Any], weights: CellWeights, frames: _Frame, initial: State
) -> tuple[State, Any]:
    step = functools.partial(_step, cell, emit)
    return scan_deferred_grad(step, weights, initial, frames, weights.recurrent.compute)


def _step(
    cell: Cell, emit: Callable[[State], Any], weights: CellWeights, state: State, frame: _Frame
) -> tuple[State, Any]:
    new = cell.step(weights, state, frame.gates, product(cell.output(state), weights.recurrent))
    if frame.mask is not None:
        held = frame.mask[:, None] > 0
        new = jax.tree.map(lambda new, old: jnp.where(held, new, old), new, state)
    return new, emit(new)


def scan_repeated(cell: Cell, weights: CellWeights, inputs: Array, count: int, initial: State) -> Array:
    """Runs one layer `count` steps over the same `inputs` `[B, I]`, projected once; returns outputs `[count, B, H]`."""

    def step(held: tuple[CellWeights, Gates], state: State, _: Array) -> tuple[State, Array]:
        weights, gates = held
        state = cell.step(weights, state, gates, product(cell.output(state), weights.recurrent))
        return state, cell.output(state)

    held, ticks = (weights, project(cell, weights, inputs)), jnp.zeros(count, inputs.dtype)
    return scan_deferred_grad(step, held, initial, ticks, weights.inputs.compute)[1]


def bidirectional_scan(
    cell: Cell,
    weights: CellWeights,
    inputs: Array,
    initial: State,
    *,
    mask: Array | None = None,
    emit: Callable[[State], Any] | None = None,
) -> tuple[State, tuple[Any, Any]]:
    """Both directions over `inputs` `[T, B, I]`, which `scan_layer` adds or concatenates.

    Every leaf of `weights` and `initial` has a leading axis `[2, ...]`: forward, backward. The two run in one scan as a
    batched matmul, which halves the number of sequential steps. Returns the last states `[2, ...]`, the backward's that
    of frame 0, and the outputs of the two, each `[T, B, H]` in the order of the inputs, or what `emit` makes of states.
    """
    both = jnp.stack([inputs, inputs[::-1]])
    masks = None if mask is None else jnp.stack([mask, mask[::-1]])

    def run(weights: CellWeights, inputs: Array, initial: State, mask: Array | None) -> tuple[State, Any]:
        return scan(cell, weights, inputs, initial, mask=mask, emit=emit)

    last, outputs = jax.vmap(run)(weights, both, initial, masks)
    forward, backward = (jax.tree.map(lambda leaf, d=d: leaf[d], outputs) for d in (0, 1))
    return last, (forward, _backwards(backward))


def scan_layer(
    cell: Cell,
    weights: CellWeights,
    inputs: Array,
    hidden: int,
    *,
    bidirectional: bool,
    concatenate: bool = False,
    mask: Array | None = None,
) -> tuple[State, Array]:
    """One layer from zero states over `inputs` `[T, B, I]`, in one direction or in both.

    What the two directions give is added (thesis 4.2.2), or, with `concatenate`, stands side by side, forward first
    (Graves and Schmidhuber 2005).

    Returns the last state and the outputs, `[T, B, H]` or `[T, B, 2 H]`.
    """
    batch = inputs.shape[1]
    if not bidirectional:
        return scan(cell, weights, inputs, cell.zeros((batch, hidden), inputs.dtype), mask=mask)
    zeros = cell.zeros((2, batch, hidden), inputs.dtype)
    last, (forward, backward) = bidirectional_scan(cell, weights, inputs, zeros, mask=mask)
    if concatenate:
        state = jax.tree.map(lambda leaf: jnp.concatenate([leaf[0], leaf[1]], axis=-1), last)
        return state, jnp.concatenate([forward, backward], axis=-1)
    return jax.tree.map(lambda leaf: leaf[0] + leaf[1], last), forward + backward


def scan_side_by_side(
    cell: Cell,
    layers: Sequence[CellWeights],
    inputs: Sequence[Array],
    hidden: int,
    *,
    bidirectional: bool,
    mask: Array | None = None,
) -> list[Array]:
    """Layers of one width, each over its own inputs `[T, B, I_n]`, from zero states, in one scan.

    The directions of each are concatenated as by `scan_layer`. All take their steps together, as one batched matmul.
    Returns the outputs of each, `[T, B, H]` or `[T, B, 2 H]`.
    """
    if bidirectional:
        layers = [jax.tree.map(lambda leaf, d=d: leaf[d], weights) for weights in layers for d in (0, 1)]
        inputs = [x for x in inputs for _ in (0, 1)]
    backward = [bidirectional and bool(n % 2) for n in range(len(layers))]
    frames = [_projected(cell, w, x, mask, b) for w, x, b in zip(layers, inputs, backward, strict=True)]
    recurrent = [weights._replace(inputs=weights.recurrent) for weights in layers]  # those of inputs differ in shape
    stacked, gates = (jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees) for trees in (recurrent, frames))
    zeros = cell.zeros((len(layers), inputs[0].shape[1], hidden), inputs[0].dtype)
    _, outputs = jax.vmap(functools.partial(_recurrence, cell, cell.output))(stacked, gates, zeros)
    ordered = [y[::-1] if b else y for y, b in zip(outputs, backward, strict=True)]
    if not bidirectional:
        return ordered
    return [jnp.concatenate(pair, axis=-1) for pair in zip(ordered[::2], ordered[1::2], strict=True)]


def init_layer(key: Array, cell: Cell, inputs: int, hidden: int, *, bidirectional: bool) -> Params:
    """Parameters of a layer, of two directions stacked; consumes `key`."""
    if not bidirectional:
        return cell.init(key, inputs, hidden)
    return jax.vmap(lambda k: cell.init(k, inputs, hidden))(jax.random.split(key))


def init_layers(key: Array, cell: Cell, inputs: int, hidden: int, layers: int, *, bidirectional: bool) -> tuple:
    """Parameters of a stack: layer 0 reads `inputs` features, the others `hidden`; consumes `key`."""
    widths = (inputs,) + (hidden,) * (layers - 1)
    keys = jax.random.split(key, layers)
    return tuple(
        init_layer(k, cell, width, hidden, bidirectional=bidirectional) for k, width in zip(keys, widths, strict=True)
    )


def encode(
    cell: Cell, layers: tuple[CellWeights, ...], inputs: Array, hidden: int, *, bidirectional: bool
) -> tuple[tuple[State, ...], Array]:
    """Runs a stack from zero states over `inputs` `[T, B, I]`; each layer reads the outputs of the one below.

    Both directions of a layer are added. Returns every layer's last state and the top layer's outputs `[T, B, H]`.
    """
    outputs, states = inputs, []
    for weights in layers:
        state, outputs = scan_layer(cell, weights, outputs, hidden, bidirectional=bidirectional)
        states.append(state)
    return tuple(states), outputs
