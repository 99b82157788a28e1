"""Raw prediction: a model from raw frames to raw frames, encode, apply and decode compiled as one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from motion_jax.config import ComputeConfig, Experiment
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.backend import compiler_options
from motion_jax.runtime.devices import merge_microbatches, num_microbatches, shard_batch, split_microbatches
from motion_jax.teacher_forcing import forcing_of_mode
from motion_jax.types import Array, Model, Params

RawPredict = Callable[[Params, np.ndarray, np.ndarray, np.ndarray, str], Array]


def raw_predict(model: Model, space: PoseSpace, experiment: Experiment) -> RawPredict:
    """`(params, history [B, S, D], future [B, T, D], codes [B, A], mode) -> [B, T, D]`, raw frames, jitted.

    The devices that hold the parameters share the batch.
    """
    run = raw_program(model, space, experiment.compute)

    def predict(params: Params, history: np.ndarray, future: np.ndarray, codes: np.ndarray, mode: str) -> Array:
        batch, length = future.shape[:2]
        rows, devices = shard_batch(params, (history, future, codes, forcing_of_mode(mode, batch, length)))
        return run(params, rows, num_microbatches(batch // devices, experiment))

    return predict


def prepare_params(model: Model, params: Params) -> Any:
    """Parameters on the device, in the form that many calls with them read."""
    return jax.jit(model.prepare)(params) if model.prepare else jax.device_put(params)


def raw_program(model: Model, space: PoseSpace, config: ComputeConfig) -> Any:
    """What `raw_predict` calls, jitted: `(params, rows, count) -> [B, T, D]`.

    `rows` are history, future, codes and `forced` `[B, T]`; they are computed in `count` parts (static), in turn.
    """

    def predict(params: Params, history: Array, future: Array, codes: Array, forced: Array) -> Array:
        seen = space.encode_window(history, future, codes)
        return space.decode(model.apply(params, seen.history, seen.future, forced), seen.last)

    @functools.partial(jax.jit, static_argnums=2, compiler_options=compiler_options(config))
    def run(params: Params, rows: tuple[Array, ...], count: int) -> Array:
        if count == 1:
            return predict(params, *rows)
        return merge_microbatches(jax.lax.map(lambda part: predict(params, *part), split_microbatches(rows, count)))

    return run
