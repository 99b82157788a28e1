"""K updates in one dispatch: windows drawn on the device, coins tossed there, gradients clipped and applied."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from motion_jax.config import Experiment
from motion_jax.data.packed_clips import PackedClips, sample_windows
from motion_jax.losses import Loss
from motion_jax.runtime.backend import compiler_options
from motion_jax.runtime.devices import DATA, num_microbatches, split_microbatches
from motion_jax.teacher_forcing import sample_forcing
from motion_jax.train.state import TrainState
from motion_jax.types import Array, Batch, Model, Params


class StepMetrics(NamedTuple):
    """Of one update, or `[K]` of it."""

    loss: Array
    grad_norm: Array  # global L2 norm before clipping


_MODEL = 2  # beside the two halves of a step's key, what a model draws from

Chunk = Any  # jitted: (state, packed, K static) -> (state, metrics of K updates)


LossAndGrad = Callable[[Params, Batch, Array, Array, Array], tuple[Array, Params]]  # `Model.loss_and_grad`
Gradient = Callable[[Params, Batch, Array], tuple[Array, Params]]  # (params, batch, forced) -> loss and its gradient


def make_train_steps(
    model: Model, optimizer: optax.GradientTransformation, loss: Loss, experiment: Experiment, mesh: Mesh
) -> tuple[Chunk, NamedSharding]:
    """The compiled function `(state, packed, K) -> (state, metrics of K updates)`, and the sharding of its arguments.

    The batch is split over `mesh`; parameters and packed clips are on every device.
    The state is donated: the caller's is gone.
    """
    config, data = experiment.train, experiment.data
    count = num_microbatches(config.batch // mesh.size, experiment)
    loss_and_grad = model.loss_and_grad or _by_loss(model, loss, mesh, count)
    everywhere = NamedSharding(mesh, PartitionSpec())
    shared = NamedSharding(mesh, PartitionSpec(DATA))

    def update(state: TrainState, packed: PackedClips) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        draw_key, coin_key = jax.random.split(key)
        batch = sample_windows(packed, draw_key, config.batch, data.source_length, data.target_length)
        forced = sample_forcing(config, coin_key, state.step, config.batch, data.target_length)
        batch, forced = jax.lax.with_sharding_constraint((batch, forced), shared)
        value, gradient = loss_and_grad(state.params, batch, forced, jax.random.fold_in(key, _MODEL), state.step)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = StepMetrics(value, optax.tree.norm(gradient))
        return state.replace(params=params, opt_state=opt_state, step=state.step + 1), metrics

    @functools.partial(
        jax.jit,
        static_argnums=2,
        donate_argnums=0,
        out_shardings=everywhere,
        compiler_options=compiler_options(experiment.compute),
    )
    def chunk(state: TrainState, packed: PackedClips, count: int) -> tuple[TrainState, StepMetrics]:
        return jax.lax.scan(lambda state, _: update(state, packed), state, length=count)

    return chunk, everywhere


def _by_loss(model: Model, loss: Loss, mesh: Mesh, count: int) -> LossAndGrad:
    """`Model.loss_and_grad` of most models: the gradient of the loss of what they predict.

    A loss is a mean over its sequences, so that of a batch is the mean of those of its equal parts: one on each device,
    and on each device `count`, one after another.
    """

    def value(params: Params, batch: Batch, forced: Array) -> Array:
        return loss(model.apply(params, batch.history, batch.future, forced), batch.future)

    gradient = _mean_over_devices(_mean_in_turn(jax.value_and_grad(value), count), mesh)
    return lambda params, batch, forced, key, step: gradient(params, batch, forced)


def _mean_in_turn(gradient: Gradient, count: int) -> Gradient:
    if count == 1:
        return gradient

    def mean(params: Params, batch: Batch, forced: Array) -> tuple[Array, Params]:
        def add(total: tuple, part: tuple) -> tuple[tuple, None]:
            return jax.tree.map(jnp.add, total, gradient(params, *part)), None

        nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        total, _ = jax.lax.scan(add, nothing, split_microbatches((batch, forced), count))
        return jax.tree.map(lambda x: x / count, total)

    return mean


def _mean_over_devices(gradient: Gradient, mesh: Mesh) -> Gradient:
    if mesh.size == 1:
        return gradient

    def mean(params: Params, batch: Batch, forced: Array) -> tuple[Array, Params]:
        return jax.lax.pmean(gradient(params, batch, forced), DATA)

    everywhere, divided = PartitionSpec(), PartitionSpec(DATA)
    return jax.shard_map(
        mean, mesh=mesh, in_specs=(everywhere, divided, divided), out_specs=everywhere, check_vma=False
    )  # unchecked: the fast path's own derivatives do not say which values differ between devices
