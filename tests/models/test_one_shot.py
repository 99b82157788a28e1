"""Networks that predict P frames at once, as models: against a loop over steps; siMLPe against numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig, EvalConfig, Experiment, TrainConfig, model_config
from motion_jax.models import make
from motion_jax.models.one_shot import one_shot
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Batch

B, S, T, P, N = 3, 5, 7, 3, 4
SPACE = PoseSpace(np.zeros(N), np.ones(N), tuple(range(N)), ("walking", "eating"), H36M, 25.0)
RNG = np.random.default_rng(0)
HISTORY, FUTURE = (RNG.normal(size=(B, length, N + 2)).astype(np.float32) for length in (S, T))
WEIGHTS = RNG.normal(size=(P, S), scale=0.5).astype(np.float32)
FREE, FORCED = np.zeros((B, T), bool), np.ones((B, T), bool)


def network(params, history):
    return jnp.einsum("ps,bsn->bpn", params, history)


apply = jax.jit(one_shot(network, SPACE))


def loop(forced: np.ndarray) -> np.ndarray:
    """Step by step, one sequence after another."""
    frames = np.zeros((B, T, N), np.float32)
    for b in range(B):
        seen, plan = list(HISTORY[b, :, :N]), []
        for t in range(T):
            if t and forced[b, t]:
                seen[-1] = FUTURE[b, t - 1, :N]
                plan = []
            if not plan:
                plan = list(WEIGHTS @ np.array(seen[-S:]))
            frames[b, t] = plan.pop(0)
            seen.append(frames[b, t])
    return frames


def test_it_is_the_loop():
    mixed = np.random.default_rng(1).random((B, T)) < 0.4
    for forced in (FREE, FORCED, mixed):
        predicted = np.asarray(apply(WEIGHTS, HISTORY, FUTURE, forced))
        np.testing.assert_allclose(predicted[..., :N], loop(forced), rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(predicted[..., N:], np.broadcast_to(HISTORY[:, -1:, N:], (B, T, 2)))


def test_forcing_a_step_leaves_those_before():
    free = apply(WEIGHTS, HISTORY, FUTURE, FREE)
    for t in range(1, T):
        forced = FREE.copy()
        forced[:, t] = True
        predicted = apply(WEIGHTS, HISTORY, FUTURE, forced)
        np.testing.assert_allclose(predicted[:, :t], free[:, :t], rtol=1e-5, atol=1e-5)
        assert np.abs(predicted[:, t] - free[:, t]).max() > 1e-3


def test_one_step_is_the_first_frame_of_every_true_window():
    frames = np.concatenate([HISTORY, FUTURE], axis=1)[..., :N]
    predicted = apply(WEIGHTS, HISTORY, FUTURE, FORCED)
    for t in range(T):
        np.testing.assert_allclose(
            predicted[:, t, :N], network(WEIGHTS, frames[:, t : t + S])[:, 0], rtol=1e-4, atol=1e-5
        )


def reference(params, history: np.ndarray) -> np.ndarray:
    """siMLPe's P frames from `[B, S, n]`, with the formula of the transform and of every layer, float64."""
    k, s = np.arange(S)[:, None], np.arange(S)
    dct = np.sqrt(np.where(k == 0, 1, 2) / S) * np.cos(np.pi * (s + 0.5) * k / S)
    x = np.einsum("ks,bsn->bnk", dct, history)
    x = np.einsum("bnk,nm->bmk", x, params.before.w) + params.before.b[:, None]
    for time, scale, shift in zip(params.blocks.time, *params.blocks.norm, strict=True):
        y = x @ time
        y = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-5)
        x = x + y * scale[:, None] + shift[:, None]
    x = np.einsum("bmk,mn->bnk", x, params.after.w) + params.after.b[:, None]
    return np.einsum("ks,bnk->bsn", dct, x)[:, :P] + history[:, -1:]


def test_simlpe_and_its_loss_and_gradient_are_those_of_its_formulas():
    experiment = Experiment(
        model=model_config("simlpe", layers=2, predicted=P), data=DataConfig(source_length=S, target_length=T),
        train=TrainConfig(loss="mse"), eval=EvalConfig(frames="1"),
    )  # fmt: skip
    space = PoseSpace(np.zeros(N), np.ones(N), tuple(range(N)), (), H36M, 25.0)
    rng, model = np.random.default_rng(2), make(experiment, space)
    template = jax.eval_shape(model.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.uniform(-0.7, 0.7, leaf.shape), template)
    history, future = HISTORY[..., :N].astype(np.float64), FUTURE[..., :N].astype(np.float64)

    def loss(params):
        return ((reference(params, history) - future[:, :P]) ** 2).mean()

    single = jax.tree.map(np.float32, params)
    predicted = jax.jit(model.apply)(single, HISTORY[..., :N], FUTURE[:, :P, :N], FREE[:, :P])
    np.testing.assert_allclose(predicted, reference(params, history), rtol=1e-5, atol=1e-5)
    keys = jax.random.split(jax.random.key(0), B)
    batch = Batch(HISTORY[..., :N], FUTURE[..., :N])
    (value, _), gradient = jax.jit(jax.value_and_grad(model.train_loss, has_aux=True))(single, batch, keys, 0)
    np.testing.assert_allclose(value, loss(params), rtol=1e-5)
    step = 1e-6
    for index in np.ndindex(params.blocks.time.shape):
        sides = []
        for sign in (1, -1):
            time = params.blocks.time.copy()
            time[index] += sign * step
            sides.append(loss(params._replace(blocks=params.blocks._replace(time=time))))
        np.testing.assert_allclose(
            gradient.blocks.time[index], (sides[0] - sides[1]) / (2 * step), rtol=1e-4, atol=1e-5
        )


def test_simlpe_begins_with_the_last_frame_held():
    experiment = Experiment(model=model_config("simlpe"), data=DataConfig())
    model = make(experiment, SPACE)
    history = np.random.default_rng(3).normal(size=(1, 50, N + 2)).astype(np.float32)
    fresh = jax.jit(model.init)(jax.random.key(0))
    predicted = jax.jit(model.apply)(fresh, history, history[:, :25], np.zeros((1, 25), bool))
    np.testing.assert_allclose(predicted, np.broadcast_to(history[:, -1:], predicted.shape), atol=1e-5)
