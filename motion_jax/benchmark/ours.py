"""The library's side of a case: the code that `motion-jax train` and `load_predictor` run."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.benchmark import classifiers
from motion_jax.benchmark.case import CLIP_FRAMES, PREDICTION, Built, Case, clips
from motion_jax.benchmark.compiled import compile_training, named_leaves, planned_memory
from motion_jax.data.packed_clips import pack_clips
from motion_jax.inference.predictor import Predictor
from motion_jax.losses import mse
from motion_jax.models import make
from motion_jax.models.raw import prepare_params, raw_program
from motion_jax.runtime.devices import num_microbatches, sharing_cores
from motion_jax.teacher_forcing import forcing_of_mode
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.step import replace_running
from motion_jax.types import Array, Batch, Clip


def parameters(case: Case) -> Any:
    """The same for every implementation, as numpy.

    What training begins at zero or next to it is random here, so that it takes part: the read-out of a recurrent net,
    every parameter of the other models.
    """
    return _parameters(dataclasses.replace(case, work="train", batch=1, per_dispatch=1, fast=True))


@functools.lru_cache(maxsize=1)  # every implementation asks, some more than once
def _parameters(case: Case) -> Any:
    params = jax.jit(make(case.experiment(), case.space()).init)(jax.random.key(0))
    if case.one_shot:
        return jax.device_get(replace_running(jax.tree.map(_shaken, params), params))
    read_out = params.decoder.read_out
    w = 0.01 * jax.random.normal(jax.random.key(1), read_out.w.shape)
    return jax.device_get(params._replace(decoder=params.decoder._replace(read_out=read_out._replace(w=w))))


def _shaken(leaf: Array) -> Array:
    return leaf + 0.05 * jax.random.normal(jax.random.key(leaf.size), leaf.shape)


def build(case: Case) -> Built:
    """Compiles the case."""
    if case.recogniser:
        return classifiers.build(case)
    return _build_train(case) if case.work == "train" else _build_infer(case)


def _build_train(case: Case) -> Built:
    experiment, space = case.experiment(), case.space()
    motion = clips(case, CLIP_FRAMES * experiment.data.stride)
    named = tuple(Clip(frames, "", "walking", 1, "train", "random") for frames in motion)
    packed = pack_clips(named, space, experiment.data)
    task = Forecasting(experiment, make(experiment, space), space, mse, packed)
    done = compile_training(task, experiment, parameters(case), packed, case.per_dispatch)
    return Built(done.call, lambda: _gradients(case), case.per_dispatch, done.compile_s, done.memory, done.memory,
                 case.fast, done.devices)  # fmt: skip


def _build_infer(case: Case) -> Built:
    """The predictor is timed as a user calls it; compiled once more, ahead, for the compiler's time and memory."""
    experiment, space, params = case.experiment(), case.space(), jax.device_put(parameters(case))
    history, future = jax.device_put(case.windows(case.batch))  # the predictor takes what lies on the device too
    codes, forced = np.zeros((case.batch, 0), np.float32), forcing_of_mode("free_running", case.batch, case.target)
    model, predictor = make(experiment, space), Predictor(params, experiment, space, 0)
    rows, weights = (history, future, codes, forced), prepare_params(model, params)
    begun = time.perf_counter()
    program = raw_program(model, space, experiment.compute)
    compiled = program.lower(weights, rows, num_microbatches(case.batch, experiment)).compile()
    compile_s, memory = time.perf_counter() - begun, planned_memory(compiled)

    def call() -> None:
        jax.block_until_ready(predictor.predict_raw(history, future, codes, "free_running"))

    devices = sharing_cores(case.batch, experiment.model.width)
    return Built(call, lambda: _gradients(case), 1, compile_s, memory, memory, case.fast, devices)


def _gradients(case: Case) -> tuple[float, dict[str, np.ndarray]]:
    if case.one_shot:
        return _one_shot_gradients(dataclasses.replace(case, work="train", per_dispatch=1))
    model = make(case.experiment(), case.space())
    history, future = map(jnp.asarray, case.windows(case.batch))
    forced = forcing_of_mode("free_running", case.batch, case.target)

    def loss(params: Any) -> Array:
        return mse(model.apply(params, history, future, forced), future)

    value, gradient = jax.jit(jax.value_and_grad(loss))(parameters(case))
    return float(value), {name: np.asarray(leaf) for name, leaf in named_leaves(gradient).items()}


@functools.lru_cache(maxsize=4)  # training and inference of a case are compared with the same
def _one_shot_gradients(case: Case) -> tuple[float, dict[str, np.ndarray]]:
    """Loss and prediction; of float32 the gradients in float64, because those of attention and of batch statistics are
    small differences of large numbers, in which two libraries round differently. Without dropout: no two draw the same.
    """  # fmt: skip
    experiment = case.experiment()
    if case.model == "his_rep_itself":
        experiment = experiment.changed({"model.dropout": 0.0})
    model, exact = make(experiment, case.space()), case.precision == "float32"
    forced = forcing_of_mode("free_running", case.batch, case.target)
    history, future = case.windows(case.checked)

    def loss(params: Any, history: Array, future: Array) -> Array:
        assert model.train_loss is not None
        keys, step = jax.random.split(jax.random.key(0), case.checked), jnp.zeros((), jnp.int32)
        return model.train_loss(params, Batch(history, future, history[:, -1]), keys, step)[0]

    value = jax.jit(loss)(parameters(case), history, future)
    predicted = jax.jit(model.apply)(parameters(case), history[: case.batch], future[: case.batch], forced)
    with jax.enable_x64(exact):
        arguments = parameters(case), history, future
        if exact:
            arguments = jax.tree.map(lambda leaf: leaf.astype(np.float64), arguments)
        gradient = jax.device_get(jax.jit(jax.grad(loss))(*arguments))
    return float(value), {PREDICTION: np.asarray(predicted)} | named_leaves(gradient)
