"""The conditional Boltzmann machine against its energy, summed over every hidden state."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.models import make
from motion_jax.models.crbm import (
    CrbmParams,
    biases,
    conditioned_frames,
    crbm_weights,
    free_energy,
    hidden_probability,
    init_params,
    reconstruct,
    visible_mean,
)
from motion_jax.nn.deferred_grad.products import Compute
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Array, Batch, Model

C, N, H, ORDER = 5, 3, 4, 2
S, T = 8, 5
RNG = np.random.default_rng(0)
PAST = RNG.normal(size=(C, ORDER * N)).astype(np.float32)
FRAMES = RNG.normal(size=(C, N)).astype(np.float32)
HIDDEN = np.array(list(itertools.product((0, 1), repeat=H)), np.float32)  # [16, H] every state
COMPUTE = Compute(fast=False)


def build(source: int = S, target: int = T, **fields: int) -> Model:
    space = PoseSpace(np.zeros(N), np.ones(N), tuple(range(N)), (), H36M, 25.0)
    config = model_config(**{"name": "crbm", "hidden": 8, "order": ORDER, **fields})
    data = DataConfig(source_length=source, target_length=target)
    return make(Experiment(model=config, data=data, eval=EvalConfig(frames="1")), space)


@pytest.fixture(scope="module")
def params() -> CrbmParams:
    template = jax.eval_shape(lambda: init_params(jax.random.key(0), ORDER, N, H))
    return jax.tree.map(lambda leaf: RNG.normal(0, 0.5, leaf.shape).astype(np.float32), template)


def energy(params: CrbmParams, frames: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """E(v, h | u) of one v `[C, N]` a case and every h `[K, H]`: `[C, K]`, as the definition has it."""
    distance = ((frames - params.frame.b - PAST @ params.frame.w) ** 2).sum(-1) / 2
    return distance[:, None] - (params.hidden.b + PAST @ params.hidden.w + frames @ params.pair) @ hidden.T


def test_the_free_energy_sums_over_every_hidden_state(params: CrbmParams):
    weights = crbm_weights(params, COMPUTE)
    expected = -np.log(np.exp(-energy(params, FRAMES, HIDDEN)).sum(1))
    np.testing.assert_allclose(free_energy(weights, biases(weights, PAST), FRAMES), expected, rtol=1e-5)


def test_hidden_units_have_the_probabilities_of_the_energy(params: CrbmParams):
    weights = crbm_weights(params, COMPUTE)
    unnormalised = np.exp(-energy(params, FRAMES, HIDDEN))
    expected = (unnormalised / unnormalised.sum(1, keepdims=True)) @ HIDDEN
    np.testing.assert_allclose(hidden_probability(weights, biases(weights, PAST), FRAMES), expected, rtol=1e-4)


def test_frames_are_normal_about_their_mean_with_unit_variance(params: CrbmParams):
    """-log p(v | h) differs from the energy by what does not depend on v."""
    weights, (state,) = crbm_weights(params, COMPUTE), HIDDEN[[11]]
    mean = visible_mean(weights, biases(weights, PAST), jnp.tile(state, (C, 1)))
    moved = [FRAMES + shift for shift in (0.0, 0.5, -2.0)]
    energies = np.array([energy(params, frames, state[None])[:, 0] for frames in moved])
    normal = np.array([((frames - mean) ** 2).sum(-1) / 2 for frames in moved])
    np.testing.assert_allclose(normal - normal[0], energies - energies[0], rtol=1e-4, atol=1e-4)


def test_every_frame_with_enough_before_it_is_a_case():
    frames = np.arange(2 * 5 * N, dtype=np.float32).reshape(2, 5, N)
    past, now = conditioned_frames(jnp.asarray(frames), ORDER)
    expected = [(frames[b, t - ORDER : t].ravel(), frames[b, t]) for b in range(2) for t in range(ORDER, 5)]
    np.testing.assert_array_equal(past, [u for u, _ in expected])
    np.testing.assert_array_equal(now, [v for _, v in expected])


def test_the_update_is_the_difference_of_the_statistics(params: CrbmParams):
    """Worked out by hand from the energy: what is seen with its probable h, less what is rebuilt with its own."""
    batch = Batch(*(RNG.normal(size=(2, length, N)).astype(np.float32) for length in (ORDER, 2)))
    key, forced = jax.random.key(4), np.zeros((2, 2), bool)
    loss, found = jax.jit(build(gibbs=2, hidden=H, source=ORDER, target=2).loss_and_grad)(params, batch, forced, key, 0)
    past, frames = map(np.asarray, conditioned_frames(jnp.concatenate(batch[:2], axis=1), ORDER))
    weights = crbm_weights(params, COMPUTE)
    bias = biases(weights, past)
    rebuilt = np.asarray(reconstruct(weights, bias, frames, key, steps=2))
    seen, gone = (np.asarray(hidden_probability(weights, bias, v)) for v in (frames, rebuilt))
    expected = CrbmParams(
        params.frame._replace(w=-past.T @ (frames - rebuilt) / 4, b=-(frames - rebuilt).mean(0)),
        params.hidden._replace(w=-past.T @ (seen - gone) / 4, b=-(seen - gone).mean(0)),
        -(frames.T @ seen - rebuilt.T @ gone) / 4,
    )
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), found, expected)
    np.testing.assert_allclose(loss, np.mean((frames - rebuilt) ** 2), rtol=1e-5)


def test_a_reconstruction_is_a_chain_of_sampled_hidden_states(params: CrbmParams):
    """One step lands on the mean of one of the 16 hidden states, each as often as it is probable."""
    weights, many = crbm_weights(params, COMPUTE), 4000
    past, frames = np.tile(PAST[:1], (many, 1)), np.tile(FRAMES[:1], (many, 1))
    bias = biases(weights, past)
    once = np.asarray(reconstruct(weights, bias, frames, jax.random.key(1), steps=1))
    means = np.asarray(visible_mean(weights, biases(weights, np.tile(PAST[:1], (16, 1))), jnp.asarray(HIDDEN)))
    distance = np.abs(once[:, None] - means).max(-1)
    np.testing.assert_allclose(distance.min(1), 0, atol=1e-5)
    share = np.bincount(distance.argmin(1), minlength=16) / many
    unnormalised = np.exp(-energy(params, FRAMES, HIDDEN)[0])
    np.testing.assert_allclose(share, unnormalised / unnormalised.sum(), atol=0.03)
    twice = reconstruct(weights, bias, frames, jax.random.key(1), steps=2)
    assert np.abs(twice - once).max() > 0.1


@pytest.fixture(scope="module")
def window() -> Batch:
    """One, of sines."""
    time = np.arange(S + T)[:, None]
    frames = np.sin(time * RNG.uniform(0.3, 0.6, N) + RNG.uniform(0, 6, N)).astype(np.float32)[None]
    return Batch(jnp.asarray(frames[:, :S]), jnp.asarray(frames[:, S:]))


@pytest.fixture(scope="module")
def trained(window: Batch) -> tuple[CrbmParams, CrbmParams, Array]:
    """Parameters before and after 400 updates on the window, and the loss of each."""
    model, optimizer = build(), optax.sgd(0.02, momentum=0.9)
    forced = jnp.zeros((1, T), bool)

    def update(carry, key):
        params, state = carry
        loss, gradient = model.loss_and_grad(params, window, forced, key, jnp.zeros((), int))
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), loss

    @jax.jit
    def train(params):
        keys = jax.random.split(jax.random.key(1), 400)
        (params, _), losses = jax.lax.scan(update, (params, optimizer.init(params)), keys)
        return params, losses

    before = model.init(jax.random.key(0))
    return before, *train(before)


def test_it_learns_one_window_by_heart(window: Batch, trained):
    _, params, losses = trained
    assert losses[-1] < 0.05 * losses[0]
    apply = jax.jit(build().apply)
    previous = np.concatenate([window.history[:, -1:], window.future[:, :-1]], axis=1)
    for forced, held in ((False, window.history[:, -1:]), (True, previous)):
        error = np.mean((apply(params, *window[:2], jnp.full((1, T), forced)) - window.future) ** 2)
        assert error < 0.05 * np.mean((held - window.future) ** 2)


def test_learning_lowers_the_energy_of_what_was_seen_against_what_was_not(window: Batch, trained):
    past, frames = conditioned_frames(jnp.concatenate(window[:2], axis=1), ORDER)
    gaps = []
    for params in trained[:2]:
        weights = crbm_weights(params, COMPUTE)
        other = reconstruct(weights, biases(weights, past[::-1]), frames[::-1], jax.random.key(2), steps=1)
        gaps.append(float(jnp.mean(free_energy(weights, biases(weights, past), frames)
                                   - free_energy(weights, biases(weights, past), other))))  # fmt: skip
    assert gaps[1] < gaps[0] - 0.5


def test_generation_begins_at_the_last_frames_alone(window: Batch, trained):
    apply = jax.jit(build().apply)
    forced = jnp.zeros((1, T), bool)
    usual = apply(trained[1], *window[:2], forced)
    for row, counts in ((S - 1, True), (S - ORDER, True), (S - ORDER - 1, False)):
        moved = apply(trained[1], window.history.at[:, row].add(1), window.future, forced)
        assert (np.abs(moved - usual).max() > 1e-3) == counts


def test_fewer_observed_frames_than_the_order_are_refused():
    with pytest.raises(UserError, match=r"model\.order=9: must be at most data\.source_length=8"):
        build(order=9)
