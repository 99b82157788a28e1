"""K updates in one dispatch: windows drawn on the device, coins tossed there, gradients clipped and applied."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from motion_jax.backend import compiler_options
from motion_jax.config import Experiment
from motion_jax.data.bank import Bank, draw
from motion_jax.errors import UserError
from motion_jax.feeding import toss
from motion_jax.losses import Loss
from motion_jax.train.state import TrainState
from motion_jax.types import Array, Batch, Model, Params


class StepMetrics(NamedTuple):
    """Of one update, or `[K]` of it."""

    loss: Array
    grad_norm: Array  # global L2 norm before clipping


_MODEL = 2  # beside the two halves of a step's key, what a model draws from

Chunk = Any  # jitted: (state, bank, K static) -> (state, metrics of K updates)


def data_mesh(batch: int) -> Mesh:
    """All local devices along one axis. Raises `UserError` when they cannot share `batch` evenly."""
    devices = jax.local_devices()
    if batch % len(devices):
        raise UserError(f"train.batch={batch}: must be a multiple of the {len(devices)} local devices")
    return Mesh(np.array(devices), ("data",))


def make_chunk(
    model: Model, optimizer: optax.GradientTransformation, loss: Loss, experiment: Experiment, mesh: Mesh
) -> tuple[Chunk, NamedSharding]:
    """The compiled function `(state, bank, K) -> (state, metrics of K updates)`, and the sharding of its arguments.

    The batch is split over `mesh`; parameters and bank are on every device. The state is donated: the caller's is gone.
    """
    config, data = experiment.train, experiment.data
    learn = model.learn or _by_loss(model, loss)
    everywhere = NamedSharding(mesh, PartitionSpec())
    split = NamedSharding(mesh, PartitionSpec("data"))

    def update(state: TrainState, bank: Bank) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        draw_key, coin_key = jax.random.split(key)
        batch = draw(bank, draw_key, config.batch, data.source_length, data.target_length)
        forced = toss(config, coin_key, state.step, config.batch, data.target_length)
        batch, forced = jax.lax.with_sharding_constraint((batch, forced), split)
        value, gradient = learn(state.params, batch, forced, jax.random.fold_in(key, _MODEL), state.step)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = StepMetrics(value, optax.tree.norm(gradient))
        return state.replace(params=params, opt_state=opt_state, step=state.step + 1), metrics

    @functools.partial(
        jax.jit,
        static_argnums=2,
        donate_argnums=0,
        out_shardings=everywhere,
        compiler_options=compiler_options(experiment.model),
    )
    def chunk(state: TrainState, bank: Bank, count: int) -> tuple[TrainState, StepMetrics]:
        return jax.lax.scan(lambda state, _: update(state, bank), state, length=count)

    return chunk, everywhere


def _by_loss(model: Model, loss: Loss) -> Callable[[Params, Batch, Array, Array, Array], tuple[Array, Params]]:
    """`Model.learn` of most models: the gradient of the loss of what they predict."""

    def value(params: Params, batch: Batch, forced: Array) -> Array:
        return loss(model.apply(params, batch.history, batch.future, forced), batch.future)

    return lambda params, batch, forced, key, step: jax.value_and_grad(value)(params, batch, forced)
