"""The training step: one update of the state as one function, and K of them compiled into one dispatch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from motion_jax.config import Experiment
from motion_jax.runtime.backend import compiler_options
from motion_jax.runtime.devices import DATA, num_microbatches, split_microbatches
from motion_jax.train.task import Task
from motion_jax.types import Array, Model, Params, Running


class TrainState(struct.PyTreeNode):
    """All that a run is, besides its config and its data: what a checkpoint holds."""

    params: Params
    opt_state: Any
    step: Array  # [] int32, updates done
    key: Array  # raw PRNG key data; step t draws from fold_in(key, t), so a resumed run draws what it would have

    @property
    def averaged(self) -> Params:
        """What predicts: the moving average where there is one, else the parameters."""
        return self.params


class AveragedState(TrainState):
    """Of a run with `train.ema`. A class of its own: a field that is None would be in the checkpoints of all runs."""

    average: Params  # the moving average of `params` over updates

    @property
    def averaged(self) -> Params:
        """The moving average."""
        return self.average


class StepMetrics(NamedTuple):
    """Of one update, or `[K]` of it."""

    loss: Array
    grad_norm: Array  # global L2 norm before clipping
    skipped: Array  # bool: loss, gradient or running statistics were not finite, so that nothing was updated


TrainSteps = jax.stages.Wrapped  # jitted: (state, data, K static) -> (state, metrics of K updates)
LossAndGrad = Callable[[Params, Any, Array, Array], tuple[Array, Params]]  # `Task.loss_and_grad`

_LOSS = 2  # which child of a step's key the loss draws from; children 0 and 1 are what a batch may split the key into


def init_state(task: Task | Model, optimizer: optax.GradientTransformation, seed: int, ema: bool = False) -> TrainState:
    """Step 0. One half of the seed's key makes the parameters, the other half stays in the state.

    One program in place of a hundred small ones, which load for longer; the values are the same, bitwise.
    """
    return jax.jit(functools.partial(first_state, task, optimizer, ema=ema))(jax.random.key(seed))


def abstract_state(task: Task | Model, optimizer: optax.GradientTransformation, ema: bool = False) -> TrainState:
    """The shapes and dtypes of `init_state`, computed without computing."""
    return jax.eval_shape(functools.partial(first_state, task, optimizer, ema=ema), jax.random.key(0))


def first_state(
    task: Task | Model, optimizer: optax.GradientTransformation, key: Array, ema: bool = False
) -> TrainState:
    """`init_state` by a key, traceable."""
    params_key, rest = jax.random.split(key)
    params = task.init(params_key)
    parts = params, optimizer.init(params), jnp.zeros((), jnp.int32), jax.random.key_data(rest)
    return AveragedState(*parts, jax.tree.map(jnp.copy, params)) if ema else TrainState(*parts)


@jax.jit
def is_finite(state: TrainState) -> Array:
    """Whether every real number of the state is finite, `[]` bool."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()


def train_step(
    state: TrainState,
    data: Any,
    task: Task,
    optimizer: optax.GradientTransformation,
    mesh: Mesh | None,
    num_parts: int,
    ema: float = 0.0,
) -> tuple[TrainState, StepMetrics]:
    """One update; none of what is not finite, but for the step, so that the next one draws another batch.

    Args:
        state: before the update.
        data: `task.data`, on every device of `mesh`.
        task: what is trained.
        optimizer: of the whole gradient.
        mesh: the devices that share the batch; None: the one that the caller computes on.
        num_parts: microbatches that each of them computes one after another.
        ema: decay of the moving average, of a state that has one.
    """
    batch, loss_key = draw(task, state.key, data, state.step)
    if mesh is not None:
        batch = jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec(DATA)))
    loss_and_grad = _mean_over_parts(task, mesh, num_parts)
    loss, grad = loss_and_grad(state.params, batch, loss_key, state.step)
    moved, grad = grad, zero_running(grad)
    updates, opt_state = optimizer.update(grad, state.opt_state, state.params)
    params = replace_running(optax.apply_updates(state.params, updates), moved)
    updated = state.replace(params=params, opt_state=opt_state)
    if isinstance(state, AveragedState):
        updated = updated.replace(average=moving_average(state.average, params, state.step, ema))
    norm = optax.tree.norm(grad)
    finite = jnp.isfinite(loss) & jnp.isfinite(norm) & _running_is_finite(moved)
    kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), updated, state)
    return kept.replace(step=state.step + 1), StepMetrics(loss, norm, ~finite)


def draw(task: Task, key: Array, data: Any, step: Array) -> tuple[Any, Array]:
    """The batch of an update and the key of its loss; `key` is that of the state, raw."""
    key = update_key(key, step)
    return task.sample_batch(data, key, step), jax.random.fold_in(key, _LOSS)


def update_key(key: Array, step: Array) -> Array:
    """The key of update `step`, from 0, of a run whose state has the raw `key`."""
    return jax.random.fold_in(jax.random.wrap_key_data(key), step)


def moving_average(average: Params, params: Params, step: Array, decay: float) -> Params:
    """The exponential moving average after update `step` (from 0), which led to `params`; `Running` is copied.

    The first updates use the smaller decay (1 + step) / (10 + step): so the average soon forgets the parameters that
    training began with, which a bias-corrected average holds among all others for 1 / (1 - decay) updates.
    """
    early = (1.0 + step) / (10.0 + step)
    weight = 1 - jnp.minimum(decay, early)
    moved = jax.tree.map(lambda old, new: old + weight.astype(old.dtype) * (new - old), average, params)
    return replace_running(moved, params)


def make_train_steps(
    task: Task, optimizer: optax.GradientTransformation, experiment: Experiment, mesh: Mesh
) -> tuple[TrainSteps, NamedSharding]:
    """The compiled function `(state, data, K) -> (state, metrics of K updates)`, and the sharding of its arguments.

    The batch is split over `mesh`; parameters and data are on every device. The state is donated: the caller's is gone.
    """
    num_parts = num_microbatches(experiment.train.batch // mesh.size, experiment)
    everywhere = NamedSharding(mesh, PartitionSpec())

    @functools.partial(
        jax.jit,
        static_argnums=2,
        donate_argnums=0,
        out_shardings=everywhere,
        compiler_options=compiler_options(experiment.compute),
    )
    def train_steps(state: TrainState, data: Any, count: int) -> tuple[TrainState, StepMetrics]:
        def step(state: TrainState, _: None) -> tuple[TrainState, StepMetrics]:
            return train_step(state, data, task, optimizer, mesh, num_parts, experiment.train.ema)

        return jax.lax.scan(step, state, length=count)

    return train_steps, everywhere


def _is_running(node: Any) -> bool:
    return isinstance(node, Running)


def _running_is_finite(tree: Any) -> Array:
    """Whether all running statistics are; `[]` bool."""
    found = jnp.asarray(True)
    for node in jax.tree.leaves(tree, is_leaf=_is_running):
        if _is_running(node):
            found &= jnp.isfinite(node.mean).all() & jnp.isfinite(node.variance).all()
    return found


def replace_running(tree: Any, source: Any) -> Any:
    """`tree` with the running statistics of `source`, a tree of the same structure."""
    return jax.tree.map(lambda kept, new: new if _is_running(new) else kept, tree, source, is_leaf=_is_running)


def zero_running(tree: Any) -> Any:
    """`tree` with zeros for running statistics."""
    return jax.tree.map(
        lambda node: jax.tree.map(jnp.zeros_like, node) if _is_running(node) else node, tree, is_leaf=_is_running
    )


def _mean_over_parts(task: Task, mesh: Mesh | None, num_parts: int) -> LossAndGrad:
    """`task.loss_and_grad` of a batch: of its rows all together, or the mean of those of its equal parts."""
    if task.whole_batch:
        return task.loss_and_grad
    return _mean_over_devices(_mean_over_microbatches(task.loss_and_grad, num_parts), mesh)


def _mean_over_microbatches(loss_and_grad: LossAndGrad, count: int) -> LossAndGrad:
    if count == 1:
        return loss_and_grad

    def mean(params: Params, batch: Any, key: Array, step: Array) -> tuple[Array, Params]:
        def add(total: tuple, part: Any) -> tuple[tuple, None]:
            return jax.tree.map(jnp.add, total, loss_and_grad(params, part, key, step)), None

        nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        total, _ = jax.lax.scan(add, nothing, split_microbatches(batch, count))
        return jax.tree.map(lambda x: x / count, total)

    return mean


def _mean_over_devices(loss_and_grad: LossAndGrad, mesh: Mesh | None) -> LossAndGrad:
    if mesh is None or mesh.size == 1:
        return loss_and_grad

    def mean(params: Params, batch: Any, key: Array, step: Array) -> tuple[Array, Params]:
        return jax.lax.pmean(loss_and_grad(params, batch, key, step), DATA)

    everywhere, divided = PartitionSpec(), PartitionSpec(DATA)
    return jax.shard_map(
        mean,
        mesh=mesh,
        in_specs=(everywhere, divided, everywhere, everywhere),
        out_specs=everywhere,
        check_vma=False,  # the fast path's own derivatives do not say which values differ between devices
    )
