"""The attention decoder: one frame a step, each step reading the true previous frame or its own prediction."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.attention import Attention, Sizes
from motion_jax.nn.cells import Cell, State
from motion_jax.nn.dense import Dense, dense, init_dense
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


class Inputs(NamedTuple):
    """What one step is given from outside, or `[T, ...]` of it."""

    teacher: Array  # [B, N] the true previous frame
    forced: Array  # [B] bool: read `teacher`


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


def decode(
    decoder: Decoder, params: DecoderParams, states: tuple[State, ...], encoded: Array, first: Array, inputs: Inputs
) -> tuple[Array, Array | None]:
    """Predicts T frames.

    Args:
        decoder: the parts.
        params: their parameters.
        states: the encoder's last states, one a layer.
        encoded: `[B, S, H]` the encoder's outputs, which attention reads.
        first: `[B, N]` the last observed frame, read at step 0 whatever `inputs.forced` says.
        inputs: `teacher` `[T, B, N]` and `forced` `[T, B]`.

    Returns:
        predictions `[T, B, N]`, and the attention's weights `[T, B, S]` or None without attention.
    """
    attention = decoder.attention
    memory = attention.remember(params.attention, encoded) if attention else None
    fed = jnp.zeros_like(encoded[:, 0]) if attention and attention.after else None

    def step(carry: Carry, now: Inputs) -> tuple[Carry, tuple[Array, Array | None]]:
        x = jnp.where(now.forced[:, None], now.teacher, carry.frame)
        carry, weights = _step(decoder, params, memory, carry, x)
        return carry, (carry.frame, weights)

    _, (frames, weights) = jax.lax.scan(step, Carry(states, fed, first), inputs)
    return frames, weights


def _step(decoder: Decoder, params: DecoderParams, memory: Any, carry: Carry, x: Array) -> tuple[Carry, Array | None]:
    """Thesis 3.20-3.23: attend, combine, recur, read out."""
    attention, context, weights, fed = decoder.attention, carry.fed, None, None
    if attention and not attention.after:
        query = decoder.cell.output(carry.states[-1])
        context, weights = attention.read(params.attention, memory, query, x)
    states, h = _recur(decoder, params, carry.states, _combine(params, x, context))
    known = h
    if attention and params.attend:  # Luong et al. 2015, eq. 5: h~ = tanh(W [c; h]), fed to the next step (3.3)
        context, weights = attention.read(params.attention, memory, h, x)
        fed = known = jnp.tanh(dense(params.attend, jnp.concatenate([context, h], axis=-1)))
    y = dense(params.read_out, _full(x, known, context) if decoder.output == "full" else known)
    return Carry(states, fed, x + y if decoder.residual else y), weights


def _combine(params: DecoderParams, x: Array, context: Array | None) -> Array:
    """What the lowest cell reads: [x; c], or relu(W [x; c]) in the tutorial's form (Robertson 2019)."""
    seen = x if context is None else jnp.concatenate([x, context], axis=-1)
    return seen if params.combine is None else jax.nn.relu(dense(params.combine, seen))


def _recur(
    decoder: Decoder, params: DecoderParams, states: tuple[State, ...], x: Array
) -> tuple[tuple[State, ...], Array]:
    """One step of every layer; returns the states and the top layer's h."""
    new = []
    for layer, state in zip(params.layers, states, strict=True):
        state = decoder.cell.step(layer, state, decoder.cell.project(layer, x))
        x = decoder.cell.output(state)
        new.append(state)
    return tuple(new), x


def _full(x: Array, h: Array, context: Array | None) -> Array:
    """[x; h; c], what f2 of the thesis's second equation 3.20 reads."""
    return jnp.concatenate([x, h] if context is None else [x, h, context], axis=-1)
