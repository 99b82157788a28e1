"""The attention decoder: one frame a step, each step reading the true previous frame or its own prediction."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.attention import Attention, AttentionMemory, AttentionWeights, Sizes, make_query
from motion_jax.nn.cells import Cell, CellWeights, State, project
from motion_jax.nn.deferred_grad import (
    Compute,
    Operand,
    concat_operands,
    make_operand,
    product,
    save_for_backward,
    scan_deferred_grad,
    tanh,
)
from motion_jax.nn.dense import Dense, init_dense
from motion_jax.nn.scans import init_layers
from motion_jax.types import Array, Params


class Decoder(NamedTuple):
    """What a decoder is made of; static under jit."""

    cell: Cell
    attention: Attention | None  # None: the classic decoder, which knows the past by its first state alone
    output: str  # "hidden" | "full" | "combine"
    residual: bool


class DecoderParams(NamedTuple):
    """Parameters; a part that the configuration lacks is None."""

    layers: tuple  # of cell parameters, bottom first
    attention: Params | None
    combine: Dense | None  # [x; c] -> H, before the cell ("combine")
    attend: Dense | None  # [c; h] -> H, after the cell (attention with `after`)
    read_out: Dense  # to N


class DecoderWeights(NamedTuple):
    """Parameters as what products read. Where attention asks before the step, the top layer's recurrent map makes the
    query too: both read the same h.
    """

    layers: tuple[CellWeights, ...]
    attention: AttentionWeights | None
    combine: Operand | None
    attend: Operand | None
    read_out: Operand


class DecoderInputs(NamedTuple):
    """What one step is given from outside, or `[T, ...]` of it."""

    teacher: Array  # [B, N] the true previous frame
    forced: Array  # [B] bool: read `teacher`


class DecoderConstants(NamedTuple):
    """What the steps share."""

    weights: DecoderWeights
    memory: AttentionMemory | None


class DecoderCarry(NamedTuple):
    """What one step hands to the next."""

    states: tuple[State, ...]  # of each layer
    fed: Array | None  # [B, H] Luong's attentional vector of the step before
    frame: Array  # [B, N] the prediction of the step before


def init_decoder(key: Array, decoder: Decoder, sizes: Sizes, layers: int) -> DecoderParams:
    """Fresh parameters; consumes `key`."""
    k = jax.random.split(key, 5)
    n, h, attention = sizes.inputs, sizes.hidden, decoder.attention
    combine = decoder.output == "combine"
    seen = n + h if attention else n
    known = n + 2 * h if attention else n + h
    return DecoderParams(
        layers=init_layers(k[0], decoder.cell, h if combine else seen, h, layers, bidirectional=False),
        attention=attention.init(k[1], sizes) if attention else None,
        combine=init_dense(k[2], seen, h) if combine else None,
        attend=init_dense(k[3], 2 * h, h) if attention and attention.after else None,
        read_out=_init_read_out(k[4], known if decoder.output == "full" else h, n, decoder.residual),
    )


def _init_read_out(key: Array, known: int, outputs: int, residual: bool) -> Dense:
    """Zero where the output is added to the last frame: the decoder then starts as zero-velocity, and every move away
    from it was learned. The sources do not give an initialisation.
    """
    fresh = init_dense(key, known, outputs)
    return Dense(jnp.zeros_like(fresh.w), jnp.zeros_like(fresh.b)) if residual else fresh


def decoder_weights(decoder: Decoder, params: DecoderParams, compute: Compute) -> DecoderWeights:
    """Parameters as what products read; done once for many calls where the parameters stay."""
    layers = [decoder.cell.weights(layer, compute) for layer in params.layers]
    attention = decoder.attention.weights(params.attention, compute) if decoder.attention else None
    if attention and attention.query and decoder.attention and not decoder.attention.after:
        layers[-1] = layers[-1]._replace(recurrent=concat_operands(layers[-1].recurrent, attention.query))
        attention = attention.replace(query=None)
    combine, attend, read_out = (dense and make_operand(dense.w, dense.b, compute)
                                 for dense in (params.combine, params.attend, params.read_out))  # fmt: skip
    assert read_out is not None
    return DecoderWeights(tuple(layers), attention, combine, attend, read_out)


def decode(
    decoder: Decoder,
    weights: DecoderWeights,
    states: tuple[State, ...],
    encoded: Array,
    first: Array,
    inputs: DecoderInputs,
) -> tuple[Array, Array | None]:
    """Predicts T frames.

    Args:
        decoder: the parts.
        weights: their parameters.
        states: the encoder's last states, one a layer.
        encoded: `[B, S, H]` the encoder's outputs, which attention reads.
        first: `[B, N]` the last observed frame, read at step 0 whatever `inputs.forced` says.
        inputs: `teacher` `[T, B, N]` and `forced` `[T, B]`.

    Returns:
        predictions `[T, B, N]`, and the attention's weights `[T, B, S]` or None without attention.
    """
    attention, compute = decoder.attention, weights.read_out.compute
    memory = attention.precompute_keys(weights.attention, encoded, compute) if attention and weights.attention else None
    fed = jnp.zeros_like(encoded[:, 0]) if attention and attention.after else None
    inputs = inputs._replace(forced=inputs.forced.astype(first.dtype))  # a loop that is differentiated takes floats
    step = functools.partial(_step, decoder)
    _, (frames, alignment) = scan_deferred_grad(
        step, DecoderConstants(weights, memory), DecoderCarry(states, fed, first), inputs, compute
    )
    return frames, alignment


def _step(
    decoder: Decoder, held: DecoderConstants, carry: DecoderCarry, now: DecoderInputs
) -> tuple[DecoderCarry, tuple[Array, Array | None]]:
    """Thesis 3.20-3.23: attend, combine, step the cells, read out."""
    weights, context, alignment, fed = held.weights, carry.fed, None, None
    x = jnp.where(now.forced[:, None] > 0, now.teacher, carry.frame)
    recurrent, asked = _multiply_states(decoder, weights, carry.states)
    if held.memory and not weights.attend:
        context, alignment = _attend(decoder, held, asked, x)
    states, h = _step_layers(decoder, weights, carry.states, recurrent, _combine(weights, x, context))
    known = h
    if held.memory and weights.attend:  # Luong et al. 2015, eq. 5: h~ = tanh(W [c; h]), fed to the next step (3.3)
        context, alignment = _attend(decoder, held, h, x)
        fed = known = tanh(product(jnp.concatenate([context, h], axis=-1), weights.attend))
    y = product(_full(x, known, context) if decoder.output == "full" else known, weights.read_out)
    frame = x + y if decoder.residual else y
    return DecoderCarry(states, fed, frame), (frame, alignment)


def _attend(decoder: Decoder, held: DecoderConstants, asked: Array, x: Array) -> tuple[Array, Array]:
    """Context and weights. `asked` is the query, or the h that has still to be made one."""
    attention, weights = decoder.attention, held.weights.attention
    assert attention is not None
    assert weights is not None
    assert held.memory is not None
    return attention.attend_step(weights, held.memory, make_query(weights, asked) if attention.after else asked, x)


def _multiply_states(decoder: Decoder, weights: DecoderWeights, states: tuple[State, ...]) -> tuple[list[Array], Array]:
    """Every layer's recurrent product, and what attention asks if it asks now: its query, or h."""
    outputs = [decoder.cell.output(state) for state in states]
    products = [product(h, layer.recurrent) for h, layer in zip(outputs, weights.layers, strict=True)]
    width = decoder.cell.recurrent * outputs[-1].shape[-1]
    if products[-1].shape[-1] == width:  # no query was joined
        return products, outputs[-1]
    products[-1], asked = jnp.split(products[-1], [width], axis=-1)
    return products, asked


def _combine(weights: DecoderWeights, x: Array, context: Array | None) -> Array:
    """What the lowest cell reads: [x; c], or relu(W [x; c]) in the tutorial's form (Robertson 2019)."""
    seen = x if context is None else jnp.concatenate([x, context], axis=-1)
    return seen if weights.combine is None else jax.nn.relu(save_for_backward(product(seen, weights.combine)))


def _step_layers(
    decoder: Decoder, weights: DecoderWeights, states: tuple[State, ...], recurrent: list[Array], x: Array
) -> tuple[tuple[State, ...], Array]:
    """One step of every layer; returns the states and the top layer's h."""
    new = []
    for layer, state, multiplied in zip(weights.layers, states, recurrent, strict=True):
        state = decoder.cell.step(layer, state, project(decoder.cell, layer, x), multiplied)
        x = decoder.cell.output(state)
        new.append(state)
    return tuple(new), x


def _full(x: Array, h: Array, context: Array | None) -> Array:
    """[x; h; c], what f2 of the thesis's second equation 3.20 reads."""
    return jnp.concatenate([x, h] if context is None else [x, h, context], axis=-1)
