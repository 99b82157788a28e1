"""ERD and LSTM-3LR: their layers as the paper has them, their equations in numpy, and noise on what they learn from."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.models import make
from motion_jax.models.next_frame import add_noise, noise_deviation
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Batch, Model

B, S, T, N, H = 2, 4, 3, 5, 8
ACTIONS = ("walking", "eating")  # the last two of N
MODELS = {"erd": model_config("erd", layers=2), "lstm_3lr": model_config("lstm_3lr", layers=3)}
RNG = np.random.default_rng(0)
BATCH = Batch(*(RNG.normal(size=(B, length, N)).astype(np.float32) for length in (S, T)))
FREE = np.zeros((B, T), bool)
KEYS = jax.random.split(jax.random.key(0), 2)


def build(name: str, hidden: int = H, noise: str = "none") -> Model:
    space = PoseSpace(np.zeros(N - 2), np.ones(N - 2), tuple(range(N - 2)), ACTIONS, H36M, 25.0)
    data = DataConfig(source_length=S, target_length=T)
    config = dataclasses.replace(MODELS[name], hidden=hidden, noise=noise)
    return make(Experiment(model=config, data=data, eval=EvalConfig(frames="1")), space)


def shapes(model: Model) -> list[tuple[int, ...]]:
    params = jax.eval_shape(model.init, jax.random.key(0))
    cells = [shape for cell in params.layers for shape in (cell.w_input.shape, cell.w_hidden.shape)]
    return [layer.w.shape for layer in params.before] + cells + [layer.w.shape for layer in params.after]


def test_erd_has_the_layers_of_the_paper():
    recurrent = [(500, 4000), (1000, 4000), (1000, 4000), (1000, 4000)]
    assert shapes(build("erd", 1000)) == [(N, 500), (500, 500), *recurrent, (1000, 500), (500, 100), (100, N)]


def test_lstm_3lr_has_the_layers_of_the_paper():
    recurrent = [(500, 4000), *5 * [(1000, 4000)]]
    assert shapes(build("lstm_3lr", 1000)) == [(N, 500), *recurrent, (1000, N)]


def chain(layers, x):
    for layer in layers[:-1]:
        x = np.maximum(x @ layer.w + layer.b, 0)
    return x @ layers[-1].w + layers[-1].b


def lstm(cell, state, x):
    h, c = state
    i, f, g, o = np.split(x @ cell.w_input + h @ cell.w_hidden + cell.b, 4, axis=-1)
    i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
    c = f * c + i * np.tanh(g)
    return o * np.tanh(c), c


def roll(params, frames: np.ndarray, more: int) -> np.ndarray:
    """What follows each of `frames` `[B, F, N]`, then what follows each of `more` predictions: `[B, F + more, N]`."""
    states = [(np.zeros((B, H)), np.zeros((B, H))) for _ in params.layers]
    predictions = []
    for t in range(frames.shape[1] + more):
        x = chain(params.before, frames[:, t] if t < frames.shape[1] else predictions[-1])
        for layer, cell in enumerate(params.layers):
            states[layer] = lstm(cell, states[layer], x)
            x = states[layer][0]
        predictions.append(chain(params.after, x))
    return np.stack(predictions, axis=1)


def parameters(model: Model):
    rng = np.random.default_rng(1)
    template = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: rng.uniform(-0.7, 0.7, leaf.shape).astype(np.float32), template)


@functools.cache
def learned(name: str, noise: str):
    return jax.jit(build(name, noise=noise).loss_and_grad)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_it_reads_the_past_and_then_its_own_predictions(name):
    model = build(name)
    params = parameters(model)
    prediction = jax.jit(model.apply)(params, *BATCH[:2], FREE)
    np.testing.assert_allclose(prediction, roll(params, BATCH.history, T - 1)[:, S - 1 :], rtol=1e-4, atol=1e-5)


def test_it_learns_every_frame_of_the_window_from_the_true_ones_before():
    params, frames = parameters(build("erd")), np.concatenate(BATCH[:2], axis=1)
    expected = np.mean((roll(params, frames[:, :-1], 0) - frames[:, 1:]) ** 2)
    for forced in (FREE, ~FREE):
        loss, gradient = learned("erd", "none")(params, BATCH, forced, KEYS[0], jnp.array(5000))
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))


def test_the_noise_follows_its_schedule():
    starts = {0: 0, 250: 0.01, 500: 0.05, 1000: 0.1, 1300: 0.2, 2000: 0.3, 2500: 0.5, 3300: 0.7}
    ends = [*(start - 1 for start in starts if start), 10**6]
    for (start, deviation), end in zip(starts.items(), ends, strict=True):
        for step in (start, end):
            assert noise_deviation(jnp.array(step)) == np.float32(deviation)


def test_the_noise_is_gaussian_and_spares_the_action():
    frames = jnp.zeros((4000, 2, 5))
    noise = np.asarray(add_noise(KEYS[0], frames, jnp.array(0.3), motion=3))
    assert (noise[..., 3:] == 0).all()
    np.testing.assert_allclose(noise[..., :3].std(axis=(0, 1)), 0.3, rtol=0.05)
    np.testing.assert_allclose(noise[..., :3].mean(axis=(0, 1)), 0, atol=0.02)
    assert np.abs(np.corrcoef(noise[..., :3].reshape(4000, 6).T) - np.eye(6)).max() < 0.1


def test_the_noise_enters_where_it_is_asked_for_and_when_it_begins():
    params = parameters(build("erd"))

    def loss(noise: str, key: int, step: int) -> float:
        return float(learned("erd", noise)(params, BATCH, FREE, KEYS[key], jnp.array(step))[0])

    clean = loss("none", 0, 0)
    assert clean == loss("none", 1, 5000)
    np.testing.assert_allclose(loss("fragkiadaki", 0, 249), clean, rtol=1e-5)
    noisy = [loss("fragkiadaki", key, step) for key, step in ((0, 250), (1, 250), (0, 5000))]
    assert len({clean, *noisy}) == 4
    assert loss("fragkiadaki", 0, 250) == noisy[0]


def test_it_can_learn_a_window():
    model, optimizer = build("lstm_3lr", hidden=16), optax.adam(0.02)

    def update(carry, step):
        params, state = carry
        loss, gradient = model.loss_and_grad(params, BATCH, FREE, KEYS[0], step)
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, change), state), loss

    @jax.jit
    def train(key):
        params = model.init(key)
        (params, _), losses = jax.lax.scan(update, (params, optimizer.init(params)), jnp.arange(400))
        return losses, model.apply(params, *BATCH[:2], FREE)

    losses, prediction = train(jax.random.key(0))
    assert losses[-1] < 0.02 * losses[0]
    assert np.mean((prediction - BATCH.future) ** 2) < 0.1 * np.mean(BATCH.future**2)
