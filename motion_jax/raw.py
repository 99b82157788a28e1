"""A model between raw frames: encode, apply, decode, compiled as one."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.backend import compiler_options
from motion_jax.config import ModelConfig
from motion_jax.feeding import forced_by
from motion_jax.space import PoseSpace
from motion_jax.types import Array, Model, Params

RawPredict = Callable[[Params, np.ndarray, np.ndarray, np.ndarray, str], Array]


def raw_predict(model: Model, space: PoseSpace, config: ModelConfig) -> RawPredict:
    """`(params, history [B, S, D], future [B, T, D], codes [B, A], mode) -> [B, T, D]`, raw frames, jitted."""

    @functools.partial(jax.jit, compiler_options=compiler_options(config))
    def run(params: Params, history: Array, future: Array, codes: Array, forced: Array) -> Array:
        def encode(frames: Array) -> Array:
            repeated = jnp.broadcast_to(codes[:, None], (*frames.shape[:2], codes.shape[-1]))
            return space.encode(frames, repeated)

        return space.decode(model.apply(params, encode(history), encode(future), forced))

    def predict(params: Params, history: np.ndarray, future: np.ndarray, codes: np.ndarray, mode: str) -> Array:
        return run(params, history, future, codes, forced_by(mode, *future.shape[:2]))

    return predict
