"""Res. sup.: one cell that encodes and decodes, written out in numpy; and that it can learn a window."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import optax

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.losses import mse
from motion_jax.models import make
from motion_jax.models.seq2seq import Seq2SeqParams
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M

B, S, T, N, H = 2, 5, 4, 3, 8
CONFIG = model_config("res_sup", hidden=H, cell="gru_reset_before")
RNG = np.random.default_rng(0)
HISTORY, FUTURE = (RNG.normal(size=(B, length, N)).astype(np.float32) for length in (S, T))
FREE = np.zeros((B, T), bool)
# A third of the compile time.
QUICK: dict = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later compilers know no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False


def build(**fields):
    space = PoseSpace(np.zeros(N), np.ones(N), tuple(range(N)), (), H36M, 25.0)
    data = DataConfig(source_length=S, target_length=T)
    return make(Experiment(model=dataclasses.replace(CONFIG, **fields), data=data, eval=EvalConfig(frames="1")), space)


def randomised(params):
    """A fresh read-out is zero."""
    return jax.tree.map(lambda leaf: RNG.uniform(-0.7, 0.7, leaf.shape).astype(np.float32), params)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def expected(params) -> np.ndarray:
    """The cell of TensorFlow 1 over all observed frames but the last, then over the last and its own predictions."""
    (cell,), h, x = params.layers, np.zeros((B, H)), HISTORY[:, 0]
    frames = []
    for t in range(S + T - 1):
        x = HISTORY[:, t] if t < S else frames[-1]
        r, u, c = np.split(x @ cell.w_input + cell.b, 3, axis=-1)
        r, u = (sigmoid(a + b) for a, b in zip((r, u), np.split(h @ cell.w_gates, 2, axis=-1), strict=True))
        h = u * np.tanh(c + (r * h) @ cell.w_candidate) + (1 - u) * h
        frames.append(x + h @ params.read_out.w + params.read_out.b)
    return np.stack(frames[S - 1 :], axis=1)


def test_tied_is_untied_with_equal_weights_and_the_gradients_of_both_uses():
    tied, untied = build(tied=True), build(tied=False)
    params = randomised(tied.init(jax.random.key(0)))
    assert jax.tree.structure(untied.init(jax.random.key(0)).encoder) == jax.tree.structure(params.layers)

    @jax.jit
    def run(params):
        whole = Seq2SeqParams(params.layers, params)
        results = []
        for model, weights in ((tied, params), (untied, whole)):
            prediction = model.apply(weights, HISTORY, FUTURE, FREE)
            gradient = jax.grad(lambda p, model=model: mse(model.apply(p, HISTORY, FUTURE, FREE), FUTURE))(weights)
            results.append((prediction, gradient))
        return results

    (prediction, gradient), (other_prediction, other) = run(params)
    np.testing.assert_allclose(prediction, expected(params), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(prediction, other_prediction)
    both = other.decoder._replace(layers=jax.tree.map(np.add, other.encoder, other.decoder.layers))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), gradient, both)
    for leaf in jax.tree.leaves(other):
        assert np.abs(leaf).max() > 1e-4  # so the sum is of two that count


def test_with_the_residual_it_begins_as_zero_velocity():
    predict = jax.jit(lambda key: [m.apply(m.init(key), HISTORY, FUTURE, FREE) for m in models], compiler_options=QUICK)
    models = (build(), build(residual=False))
    with_residual, without = predict(jax.random.key(0))
    np.testing.assert_array_equal(with_residual, np.repeat(HISTORY[:, -1:], T, axis=1))
    assert np.abs(without - HISTORY[:, -1:]).min() > 1e-3


def test_it_can_learn_a_window():
    model, optimizer = build(), optax.adam(0.02)

    def update(carry, _):
        params, state = carry
        value, gradient = jax.value_and_grad(lambda p: mse(model.apply(p, HISTORY, FUTURE, FREE), FUTURE))(params)
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, change), state), value

    @jax.jit
    def train(key):
        params = model.init(key)
        return jax.lax.scan(update, (params, optimizer.init(params)), length=300)[1]

    losses = train(jax.random.key(0))
    assert losses[-1] < 0.01 * losses[0]
