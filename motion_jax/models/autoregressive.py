"""Networks that predict the next frame from all before it, of which they read many at once where they are known.

A network reads frames in order and says of each how the next one differs: before it has learned anything it is
zero-velocity. Reading L known frames in one pass and reading them one after another is the same function, so that
training on true frames is parallel over time while free-running prediction computes each frame once.

Learning has two parts, mixed by `model.free_running`: predicting each frame from the true ones before it (teacher
forcing, one parallel pass), and predicting them from the network's own predictions, as it will be used, with the
gradient through all of them. The first alone is quick and teaches nothing about the errors that it will feed itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import FORCING, Experiment, ModelConfig, at_least, fraction
from motion_jax.errors import UserError
from motion_jax.losses import make_loss
from motion_jax.nn.deferred_grad import compute_of
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

Weights = Any
Context = Any  # a pytree of arrays: what was made of the observed frames once and stays as it is
State = Any  # a pytree of arrays: what reading a frame changes


class Network(NamedTuple):
    """Pure functions of one network. Frames are time first, `[L, B, N]`; `keys` `[B]` draw dropout, None: none."""

    init: Callable[[Array], Params]
    weights: Callable[[Params], Weights]
    start: Callable[[Weights, Array, int, Array | None], tuple[Context, State]]
    """(weights, history `[S, B, N]`, T, keys): what is known before the last observed frame is read, to read T."""
    read: Callable[[Weights, Context, State, Array, Array | None], tuple[State, Array]]
    """Reads L more frames: the state after them, and of each the change `[L, B, n]` to the next."""


class Prepared(NamedTuple):
    """Marks weights that were made of parameters before the call."""

    weights: Weights


@dataclasses.dataclass(frozen=True)
class AutoregressiveConfig(ModelConfig):
    """The fields that these models share."""

    hidden: int = 64  # H
    layers: int = 2
    dropout: float = 0.0  # share of features that training leaves out
    free_running: float = 0.5  # share of the free-running loss; the rest is that of teacher forcing

    UNREAD: ClassVar[tuple[str, ...]] = FORCING

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        at_least("model.layers", self.layers, 1)
        dropout_rate(self.dropout)
        fraction("model.free_running", self.free_running)


def dropout_rate(rate: float) -> None:
    """Raises `UserError` where `model.dropout` leaves nothing, or is no share."""
    fraction("model.dropout", rate)
    if rate == 1:
        raise UserError("model.dropout=1.0: must be below 1")


def divide_into_heads(hidden: int, heads: int) -> None:
    """Raises `UserError` where `model.heads` does not divide `model.hidden`."""
    at_least("model.heads", heads, 1)
    if hidden % heads:
        raise UserError(f"model.heads={heads}: must divide model.hidden={hidden}")


def make(experiment: Experiment, space: PoseSpace, network: Network, free_running: float) -> Model:
    """The model of a network: how it predicts, and how it learns, with that share of the free-running loss."""
    loss, unroll = make_loss(experiment.train.loss, space), compute_of(experiment.compute).unroll

    def prepare(params: Params) -> Prepared:
        return Prepared(network.weights(params))

    def one_by_one(
        weights: Weights, known: tuple[Context, State], true: Array, forced: Array, keys: Array | None
    ) -> Array:
        """Predicts T frames, each after the true one before it `[T, B, N]` where `forced` `[T, B]`, or its own."""
        context, state = known

        def step(carry: tuple[State, Array], now: tuple[Array, Array, Array]) -> tuple[tuple[State, Array], Array]:
            state, frame = carry
            teacher, is_forced, t = now
            frame = jnp.where(is_forced[:, None], teacher, frame)
            drawn = None if keys is None else jax.vmap(jax.random.fold_in, (0, None))(keys, t)
            state, change = network.read(weights, context, state, frame[None], drawn)
            frame = add_change(frame, change[0])
            return (state, frame), frame

        return jax.lax.scan(step, (state, true[0]), (true, forced, jnp.arange(len(true))), unroll=unroll)[1]

    def apply(params: Params | Prepared, history: Array, future: Array, forced: Array) -> Array:
        weights = (params if isinstance(params, Prepared) else prepare(params)).weights
        observed, true = _time_first(history, future)
        known = network.start(weights, observed, len(true), None)
        return jnp.swapaxes(one_by_one(weights, known, true, jnp.swapaxes(forced, 0, 1), None), 0, 1)

    def train_loss(params: Params, batch: Batch, keys: Array, step: Array) -> tuple[Array, Params]:
        del step
        weights = network.weights(params)
        observed, true = _time_first(batch.history, batch.future)
        known = network.start(weights, observed, len(true), keys)
        total = jnp.zeros(())
        if free_running < 1:
            frames = add_change(true, network.read(weights, *known, true, keys)[1])
            total += (1 - free_running) * loss(jnp.swapaxes(frames, 0, 1), batch.future, batch.last)
        if free_running > 0:
            frames = one_by_one(weights, known, true, jnp.zeros(true.shape[:2], bool), keys)
            total += free_running * loss(jnp.swapaxes(frames, 0, 1), batch.future, batch.last)
        return total, params

    return Model(network.init, apply, prepare=prepare, train_loss=train_loss)


def add_change(frames: Array, change: Array) -> Array:
    """Frames `[..., N]` plus `change` `[..., n]` of their first n columns; the action's are held."""
    motion = change.shape[-1]
    return jnp.concatenate([frames[..., :motion] + change, frames[..., motion:]], axis=-1)


def _time_first(history: Array, future: Array) -> tuple[Array, Array]:
    """The observed frames `[S, B, N]`, and the true frame before each predicted one `[T, B, N]`."""
    observed, coming = jnp.swapaxes(history, 0, 1), jnp.swapaxes(future, 0, 1)
    return observed, jnp.concatenate([observed[-1:], coming[:-1]])
