"""The attention decoder: one frame a step, each step reading the true previous frame or its own prediction."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.attention import Attention, AttentionMaps, Memory, Sizes, query
from motion_jax.nn.cells import Cell, Maps, State, project
from motion_jax.nn.deferred_grad.gates import keep, tanh
from motion_jax.nn.deferred_grad.products import Compute, Operand, hold, join, product
from motion_jax.nn.deferred_grad.scan import recur
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


class DecoderMaps(NamedTuple):
    """Parameters as what products read. Where attention asks before the step, the top layer's recurrent map makes the
    query too: both read the same h.
    """

    layers: tuple[Maps, ...]
    attention: AttentionMaps | None
    combine: Operand | None
    attend: Operand | None
    read_out: Operand


class Inputs(NamedTuple):
    """What one step is given from outside, or `[T, ...]` of it."""

    teacher: Array  # [B, N] the true previous frame
    forced: Array  # [B] bool: read `teacher`


class Held(NamedTuple):
    """What the steps share."""

    maps: DecoderMaps
    memory: Memory | None


class Carry(NamedTuple):
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


def decoder_maps(decoder: Decoder, params: DecoderParams, compute: Compute) -> DecoderMaps:
    """Parameters to maps; done once for many calls where the parameters stay."""
    layers = [decoder.cell.maps(layer, compute) for layer in params.layers]
    attention = decoder.attention.maps(params.attention, compute) if decoder.attention else None
    if attention and attention.query and decoder.attention and not decoder.attention.after:
        layers[-1] = layers[-1]._replace(recurrent=join(layers[-1].recurrent, attention.query))
        attention = attention.replace(query=None)
    combine, attend, read_out = (dense and hold(dense.w, dense.b, compute)
                                 for dense in (params.combine, params.attend, params.read_out))  # fmt: skip
    assert read_out is not None
    return DecoderMaps(tuple(layers), attention, combine, attend, read_out)


def decode(
    decoder: Decoder, maps: DecoderMaps, states: tuple[State, ...], encoded: Array, first: Array, inputs: Inputs
) -> tuple[Array, Array | None]:
    """Predicts T frames.

    Args:
        decoder: the parts.
        maps: their parameters.
        states: the encoder's last states, one a layer.
        encoded: `[B, S, H]` the encoder's outputs, which attention reads.
        first: `[B, N]` the last observed frame, read at step 0 whatever `inputs.forced` says.
        inputs: `teacher` `[T, B, N]` and `forced` `[T, B]`.

    Returns:
        predictions `[T, B, N]`, and the attention's weights `[T, B, S]` or None without attention.
    """
    attention, compute = decoder.attention, maps.read_out.compute
    memory = attention.remember(maps.attention, encoded, compute) if attention and maps.attention else None
    fed = jnp.zeros_like(encoded[:, 0]) if attention and attention.after else None
    inputs = inputs._replace(forced=inputs.forced.astype(first.dtype))  # a loop that is differentiated takes floats
    step = functools.partial(_step, decoder)
    _, (frames, weights) = recur(step, Held(maps, memory), Carry(states, fed, first), inputs, compute)
    return frames, weights


def _step(decoder: Decoder, held: Held, carry: Carry, now: Inputs) -> tuple[Carry, tuple[Array, Array | None]]:
    """Thesis 3.20-3.23: attend, combine, recur, read out."""
    maps, context, weights, fed = held.maps, carry.fed, None, None
    x = jnp.where(now.forced[:, None] > 0, now.teacher, carry.frame)
    recurrent, asked = _multiply_states(decoder, maps, carry.states)
    if held.memory and not maps.attend:
        context, weights = _read(decoder, held, asked, x)
    states, h = _recur(decoder, maps, carry.states, recurrent, _combine(maps, x, context))
    known = h
    if held.memory and maps.attend:  # Luong et al. 2015, eq. 5: h~ = tanh(W [c; h]), fed to the next step (3.3)
        context, weights = _read(decoder, held, h, x)
        fed = known = tanh(product(jnp.concatenate([context, h], axis=-1), maps.attend))
    y = product(_full(x, known, context) if decoder.output == "full" else known, maps.read_out)
    frame = x + y if decoder.residual else y
    return Carry(states, fed, frame), (frame, weights)


def _read(decoder: Decoder, held: Held, asked: Array, x: Array) -> tuple[Array, Array]:
    """Context and weights. `asked` is the query, or the h that has still to be made one."""
    attention, maps = decoder.attention, held.maps.attention
    assert attention is not None
    assert maps is not None
    assert held.memory is not None
    return attention.read(maps, held.memory, query(maps, asked) if attention.after else asked, x)


def _multiply_states(decoder: Decoder, maps: DecoderMaps, states: tuple[State, ...]) -> tuple[list[Array], Array]:
    """Every layer's recurrent product, and what attention asks if it asks now: its query, or h."""
    outputs = [decoder.cell.output(state) for state in states]
    products = [product(h, layer.recurrent) for h, layer in zip(outputs, maps.layers, strict=True)]
    width = decoder.cell.recurrent * outputs[-1].shape[-1]
    if products[-1].shape[-1] == width:  # no query was joined
        return products, outputs[-1]
    products[-1], asked = jnp.split(products[-1], [width], axis=-1)
    return products, asked


def _combine(maps: DecoderMaps, x: Array, context: Array | None) -> Array:
    """What the lowest cell reads: [x; c], or relu(W [x; c]) in the tutorial's form (Robertson 2019)."""
    seen = x if context is None else jnp.concatenate([x, context], axis=-1)
    return seen if maps.combine is None else jax.nn.relu(keep(product(seen, maps.combine)))


def _recur(
    decoder: Decoder, maps: DecoderMaps, states: tuple[State, ...], recurrent: list[Array], x: Array
) -> tuple[tuple[State, ...], Array]:
    """One step of every layer; returns the states and the top layer's h."""
    new = []
    for layer, state, multiplied in zip(maps.layers, states, recurrent, strict=True):
        state = decoder.cell.step(layer, state, project(decoder.cell, layer, x), multiplied)
        x = decoder.cell.output(state)
        new.append(state)
    return tuple(new), x


def _full(x: Array, h: Array, context: Array | None) -> Array:
    """[x; h; c], what f2 of the thesis's second equation 3.20 reads."""
    return jnp.concatenate([x, h] if context is None else [x, h, context], axis=-1)
