"""Running statistics through the training step: the model alone moves them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from motion_jax.config import Experiment
from motion_jax.runtime.devices import data_mesh
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state, train_step, zero_running
from motion_jax.types import Dataset, Running


def running(tree) -> list[np.ndarray]:
    nodes = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Running))
    return [leaf for node in nodes if isinstance(node, Running) for leaf in node]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer_name", ["adam", "adamw"])
def test_neither_the_optimiser_nor_weight_decay_moves_running_statistics(
    configure: Callable[..., Experiment], dataset: Dataset, optimizer_name: str
):
    experiment = configure(
        model={"name": "learn_traj_dep", "hidden": 4, "blocks": 1, "observed": 3},
        optim={"name": optimizer_name, "learning_rate": 0.1, "weight_decay": 0.5, "clip_kind": "none"},
        loss="mse",
    )
    task = Forecasting.of(experiment, dataset)
    optimizer, mesh = make_optimizer(experiment), data_mesh(experiment, whole_batch=task.whole_batch)

    @jax.jit
    def step(state, data):
        """An update, and what the model says of the same batch."""
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        batch = task.sample_batch(data, key, state.step)
        keys = jax.random.wrap_key_data(batch.keys)
        train_loss = task.model.train_loss
        told = jax.value_and_grad(train_loss, has_aux=True)(state.params, batch.windows, keys, state.step)
        return told, train_step(state, data, task, optimizer, mesh, 1)

    state = init_state(task, optimizer, 0)
    before = state.params
    for _ in range(2):
        ((loss, moved), gradient), (state, metrics) = step(state, task.data)
        np.testing.assert_allclose(metrics.loss, loss, rtol=1e-5)
        np.testing.assert_allclose(metrics.grad_norm, optax.tree.norm(zero_running(gradient)), rtol=1e-4)
        for new, said, old in zip(*map(running, (state.params, moved, before)), strict=True):
            np.testing.assert_allclose(new, said, rtol=1e-5, atol=1e-6)
            assert (jnp.abs(new - old) > 0).mean() > 0.9
        learned = zip(jax.tree.leaves(zero_running(state.params)), jax.tree.leaves(zero_running(before)), strict=True)
        assert sum((new != old).any() for new, old in learned) > 10
        before = state.params
