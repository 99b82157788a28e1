"""K compiled updates are K plain updates, on one device as on eight."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from motion_jax.config import Experiment
from motion_jax.data.normalize import pose_space
from motion_jax.data.packed_clips import PackedClips, pack_clips, sample_windows
from motion_jax.data.splits import split_clips
from motion_jax.losses import mse
from motion_jax.models import make
from motion_jax.runtime.devices import data_mesh
from motion_jax.teacher_forcing import sample_forcing
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import StepMetrics, TrainState, init_state, is_finite, make_train_steps
from motion_jax.types import Dataset

Configure = Callable[..., Experiment]
Parts = tuple[Forecasting, optax.GradientTransformation, PackedClips, TrainState]


def _experiment(configure: Configure) -> Experiment:
    optim = {"name": "sgd", "learning_rate": 0.1, "clip_norm": 0.02}
    return configure(optim=optim, coin="step", forcing_schedule="linear")


def _parts(experiment: Experiment, dataset: Dataset) -> Parts:
    clips = split_clips(dataset, experiment.data).train
    space = pose_space(dataset, clips, experiment.data)
    packed, optimizer = pack_clips(clips, space, experiment.data), make_optimizer(experiment)
    task = Forecasting(experiment, make(experiment, space), space, mse, packed)
    return task, optimizer, packed, init_state(task, optimizer, 0)


def _run(experiment: Experiment, dataset: Dataset, counts: list[int]) -> tuple[TrainState, StepMetrics]:
    """The state after dispatches of `counts` updates, and the metrics of all of them."""
    task, optimizer, packed, state = _parts(experiment, dataset)
    train_steps, sharding = make_train_steps(task, optimizer, experiment, data_mesh(experiment))
    state, packed = jax.device_put((state, packed), sharding)
    metrics = []
    for count in counts:
        state, part = train_steps(state, packed, count)
        metrics.append(jax.device_get(part))
    return state, StepMetrics(*map(np.concatenate, zip(*metrics, strict=True)))


@pytest.fixture(scope="module")
def three(configure: Configure, dataset: Dataset) -> tuple[TrainState, StepMetrics]:
    """Three updates in one dispatch."""
    return _run(_experiment(configure), dataset, [3])


def test_the_compiled_updates_are_the_plain_ones(
    configure: Configure, dataset: Dataset, three: tuple[TrainState, StepMetrics]
):
    """Written out here a second time: the keys, the windows, the coins, the gradient, the optimiser."""
    experiment = _experiment(configure)
    config, data = experiment.train, experiment.data
    task, optimizer, packed, state = _parts(experiment, dataset)
    key = jax.random.split(jax.random.key(0))[1]
    params, opt_state = state.params, state.opt_state
    losses, norms = [], []

    @jax.jit
    def plain_step(params, opt_state, step):
        draw_key, coin_key = jax.random.split(jax.random.fold_in(key, step))
        batch = sample_windows(packed, draw_key, config.batch, task.space, data)
        forced = sample_forcing(config, coin_key, step, config.batch, data.target_length)
        loss, gradient = jax.value_and_grad(
            lambda p: mse(task.model.apply(p, batch.history, batch.future, forced), batch.future)
        )(params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss, gradient

    for step in range(3):
        params, opt_state, loss, gradient = plain_step(params, opt_state, jnp.asarray(step))
        losses.append(loss)
        norms.append(np.sqrt(sum((np.asarray(leaf) ** 2).sum() for leaf in jax.tree.leaves(gradient))))
    state, metrics = three
    np.testing.assert_allclose(metrics.loss, losses, rtol=1e-5)
    np.testing.assert_allclose(metrics.grad_norm, norms, rtol=1e-4)
    assert min(norms) > 0.02  # they are clipped, and reported as they were before
    for one, other in zip(jax.tree.leaves(state.params), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert int(state.step) == 3


def test_the_number_of_updates_in_a_dispatch_does_not_matter(
    configure: Configure, dataset: Dataset, three: tuple[TrainState, StepMetrics]
):
    whole, one = three
    parts, other = _run(_experiment(configure), dataset, [1, 1, 1])
    assert len(set(one.loss.tolist())) == 3  # each step draws anew
    np.testing.assert_allclose(other.loss, one.loss, rtol=1e-5)
    np.testing.assert_array_equal(parts.key, whole.key)
    for left, right in zip(jax.tree.leaves(parts.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


def test_a_batch_in_parts_has_the_gradient_of_the_whole(configure: Configure, dataset: Dataset):
    optim = {"name": "sgd", "learning_rate": 0.1, "clip_norm": 1e9}
    runs = [_run(configure(optim=optim, coin="step", micro_batch=size), dataset, [2]) for size in (8, 2)]
    (whole, metrics), parted = runs[0], runs[1:]
    assert metrics.loss[0] != metrics.loss[1]
    for state, other in parted:
        np.testing.assert_allclose(other.loss, metrics.loss, rtol=1e-5)
        np.testing.assert_allclose(other.grad_norm, metrics.grad_norm, rtol=1e-4)
        for one, part in zip(jax.tree.leaves(whole.params), jax.tree.leaves(state.params), strict=True):
            np.testing.assert_allclose(part, one, rtol=1e-4, atol=1e-6)


def test_is_finite(configure: Configure, dataset: Dataset):
    state = _parts(configure(), dataset)[3]
    assert is_finite(state)
    leaves, structure = jax.tree.flatten(state)
    reals = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    assert len(reals) > 10  # parameters, and Adam's moments of each
    for value, i in zip((jnp.nan, jnp.inf, -jnp.inf), (reals[0], reals[1], reals[-1]), strict=True):
        bad = [leaf.at[(0,) * leaf.ndim].set(value) if i == j else leaf for j, leaf in enumerate(leaves)]
        assert not is_finite(jax.tree.unflatten(structure, bad))


ON_EIGHT = """
import dataclasses, json, sys
from pathlib import Path
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from motion_jax.config import Experiment
from motion_jax.data.packed_clips import pack_clips, sample_windows
from motion_jax.data.normalize import pose_space
from motion_jax.data.prepared import read_prepared
from motion_jax.data.splits import split_clips
from motion_jax.runtime.devices import data_mesh, mesh_of
from motion_jax.errors import UserError
from motion_jax.models import make
from motion_jax.train.optimizer import make_optimizer
from motion_jax.models.raw import raw_predict
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.step import abstract_state, init_state, make_train_steps
from motion_jax.losses import mse

experiment, folder = Experiment.from_json(sys.argv[1], "argument"), Path(sys.argv[2])
dataset = read_prepared(experiment.data.root)
clips = split_clips(dataset, experiment.data).train
space = pose_space(dataset, clips, experiment.data)
model, optimizer = make(experiment, space), make_optimizer(experiment)
packed = pack_clips(clips, space, experiment.data)
meshes = {"1": mesh_of(1), "8": data_mesh(experiment)}
task = Forecasting(experiment, model, space, mse, packed)
said = {"devices": meshes["8"].size, "whole": data_mesh(experiment, whole_batch=True).size}
jax.default_backend = lambda: "gpu"  # whose devices are not for the library to choose among
try:
    data_mesh(dataclasses.replace(experiment, train=dataclasses.replace(experiment.train, batch=12)))
except UserError as error:
    said["uneven"] = str(error)

def windows(mesh):
    split = NamedSharding(mesh, PartitionSpec("data"))
    draw = jax.jit(lambda key: sample_windows(packed, key, 16, space, experiment.data), out_shardings=split)
    drawn = draw(jax.random.key(5))
    assert len(drawn.history.sharding.device_set) == len(mesh.devices)
    return [np.asarray(part) for part in drawn[:2]]

raw = raw_predict(model, space, experiment)
rows = [rng.normal(size=(32, length, space.columns)).astype("float32")
        for rng in [np.random.default_rng(0)] for length in (8, 4)]
codes = np.zeros((32, len(space.actions)), "float32")
for name, mesh in meshes.items():
    params = jax.device_put(init_state(model, optimizer, 0).params, NamedSharding(mesh, PartitionSpec()))
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)  # the read-out begins at zero
    predicted = raw(params, *rows, codes, "free_running")
    said["predicted " + name] = np.asarray(predicted)[:, -1, ::7].tolist()
    said["predicted on " + name] = len(predicted.sharding.device_set)

said["same windows"] = all(np.array_equal(a, b) for a, b in zip(windows(meshes["1"]), windows(meshes["8"])))
for name, mesh in meshes.items():
    train_steps, sharding = make_train_steps(task, optimizer, experiment, mesh)
    state, placed = jax.device_put((init_state(model, optimizer, 0), packed), sharding)
    state, metrics = train_steps(state, placed, 3)
    said["loss " + name] = np.asarray(metrics.loss).tolist()
Checkpoints(folder).save(10, state)
step, restored = Checkpoints(folder).restore(abstract_state(model, optimizer))
said["restored on"] = sorted({len(leaf.sharding.device_set) for leaf in jax.tree.leaves(restored)})
said["same state"] = all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(state)))
print(json.dumps(said))
"""
"""Trains on one and on eight of eight devices that XLA makes of one processor, and restores on one."""


@pytest.mark.slow
def test_eight_devices_train_as_one(configure: Configure, tmp_path: Path, compiled: dict[str, str]):
    experiment = configure(batch=64, coin="sequence", micro_batch=4)
    call = [sys.executable, "-c", ON_EIGHT, json.dumps(experiment.to_dict()), str(tmp_path / "last")]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ | compiled | flags)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["devices"] == 8
    assert said["whole"] == 1
    assert said["uneven"] == "train.batch=12: must be a multiple of the 8 local devices"
    assert said["same windows"]
    np.testing.assert_allclose(said["loss 8"], said["loss 1"], rtol=1e-5)
    assert len(set(said["loss 1"])) == 3
    assert (said["predicted on 1"], said["predicted on 8"]) == (1, 8)
    np.testing.assert_allclose(said["predicted 8"], said["predicted 1"], rtol=1e-4, atol=1e-5)
    assert np.ptp(said["predicted 1"], axis=0).max() > 0.1  # the sequences differ, so their order is held too
    assert said["restored on"] == [1]
    assert said["same state"]
