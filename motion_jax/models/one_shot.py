"""Models that predict P frames at once from the S before them, as models of any number of frames.

Free-running, T > P frames are predicted in turns: what was predicted is appended to what was observed, and the last S
of both are read. Where a step is forced, the true frame takes the place of the prediction before it and the model
predicts anew from there; between forced steps, and until P frames are used up, it follows what it has predicted.
One-step, a model so predicts T times, and its first frame counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.losses import Loss, make_loss
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Apply, Array, Batch, Params, TrainLoss

PredictWindow = Callable[[Any, Array], Array]
"""(params, history `[B, S, n]`) to the next P frames `[B, P, n]`, without the action's columns; each row by itself."""


def one_shot(predict: PredictWindow, space: PoseSpace) -> Apply:
    """`Model.apply` of a network that predicts P frames at once; the action's columns are held."""
    columns = len(space.kept)

    def apply(params: Any, history: Array, future: Array, forced: Array) -> Array:
        seen = history[..., :columns]
        free = predict_in_turns(predict, params, seen, future.shape[1])

        def fed(_: None) -> Array:
            anew = _predict_forced(predict, params, seen, future[..., :columns], forced)
            return jnp.where(forced[:, 1:].any(axis=1)[:, None, None], anew, free)

        frames = jax.lax.cond(forced[:, 1:].any(), fed, lambda _: free, None)
        return with_code(frames, history[..., columns:])

    return apply


def loss_of_window(predict: PredictWindow, experiment: Experiment, space: PoseSpace) -> TrainLoss:
    """`Model.train_loss` by the configured loss of P frames, predicted once, against the first P of the future.

    It draws nothing. Frames of the future behind the first P are not looked at.
    """
    loss = make_loss(experiment.train.loss, space)
    columns = len(space.kept)

    def train_loss(params: Params, batch: Batch, keys: Array, step: Array) -> tuple[Array, Params]:
        del keys, step
        frames = predict(params, batch.history[..., :columns])
        frames = with_code(frames, batch.history[..., columns:])
        try:
            return loss(frames, batch.future[:, : frames.shape[1]], batch.last), params
        except UserError as error:
            raise UserError(f"{error} (model.predicted={frames.shape[1]})") from None

    return train_loss


def true_trajectory(batch: Batch, observed: int) -> Array:
    """`[B, L + T, N]`: the last L = `observed` frames of the history, and the future."""
    return jnp.concatenate([batch.history[:, -observed:], batch.future], axis=1)


def loss_of_trajectory(loss: Loss, frames: Array, truth: Array, batch: Batch) -> Array:
    """The loss, a scalar, of observed frames that are given back and predicted ones behind them.

    Args:
        loss: the configured one, which reads the action's columns too.
        frames: `[B, F, n]`, without these.
        truth: `[B, F', N]`, with them; of F and F' frames, the fewer are measured.
        batch: whose action is held.
    """
    frames = with_code(frames[:, : truth.shape[1]], batch.history[..., frames.shape[2] :])
    return loss(frames, truth[:, : frames.shape[1]], batch.last)


def predict_in_turns(predict: PredictWindow, params: Any, history: Array, length: int) -> Array:
    """`[B, T, n]`, free-running, in as many turns as T takes."""
    return each_in_turns(lambda params, window: predict(params, window)[None], params, history, length)[0]


def each_in_turns(predict: PredictWindow, params: Any, history: Array, length: int) -> Array:
    """`[M, B, T, n]` of a `predict` to `[M, B, P, n]`: what M members predict, each after the mean of all."""
    frames = [predict(params, history)]
    turns = math.ceil(length / frames[0].shape[2])
    window = history
    for _ in range(turns - 1):
        window = jnp.concatenate([window, frames[-1].mean(0)], axis=1)[:, -history.shape[1] :]
        frames.append(predict(params, window))
    return jnp.concatenate(frames, axis=2)[:, :, :length]


def with_code(frames: Array, code: Array) -> Array:
    """Frames `[B, T, n]` with the last of the action codes `[B, S, A]` behind each."""
    held = jnp.broadcast_to(code[:, -1:], (*frames.shape[:2], code.shape[-1]))
    return jnp.concatenate([frames, held], axis=-1)


def _predict_forced(predict: PredictWindow, params: Any, history: Array, future: Array, forced: Array) -> Array:
    def step(carry: tuple[Array, Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array, Array], Array]:
        window, plan, age = carry
        true, is_forced = now  # the true frame before this step
        window = window.at[:, -1].set(jnp.where(is_forced[:, None], true, window[:, -1]))
        anew = is_forced | (age == plan.shape[1])
        plan = jnp.where(anew[:, None, None], predict(params, window), plan)
        age = jnp.where(anew, 0, age)
        frame = jnp.take_along_axis(plan, age[:, None, None], axis=1)[:, 0]
        return (jnp.concatenate([window[:, 1:], frame[:, None]], axis=1), plan, age + 1), frame

    batch = history.shape[0]  # a symbol, where a model is exported for any number of rows
    before = jnp.concatenate([history[:, -1:], future[:, :-1]], axis=1)
    planned = jax.eval_shape(predict, params, history)
    start = (history, jnp.zeros(planned.shape, planned.dtype), jnp.full(batch, planned.shape[1]))
    forced = jnp.asarray(forced).at[:, 0].set(False)  # step 0 reads what was observed either way
    steps = (jnp.swapaxes(before, 0, 1), jnp.swapaxes(forced, 0, 1))
    return jnp.swapaxes(jax.lax.scan(step, start, steps)[1], 0, 1)
