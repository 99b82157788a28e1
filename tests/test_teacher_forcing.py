"""Schedules by their formulas, coins by their shapes and frequencies."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import COINS, FORCING_SCHEDULES, TrainConfig
from motion_jax.teacher_forcing import forcing_of_mode, forcing_ratio, sample_forcing

STEPS = 200
B, T = 64, 25
SLACK = 0.01  # what exponential and inverse_sigmoid leave of the distance at a run's ends

schedules = pytest.mark.parametrize("schedule", FORCING_SCHEDULES)
coins = pytest.mark.parametrize("coin", COINS)


def ratios(schedule: str, start: float = 0.9, end: float = 0.1) -> np.ndarray:
    """The ratio at each step, both ends included."""
    config = TrainConfig(teacher_forcing=start, forcing_end=end, forcing_schedule=schedule, steps=STEPS)
    return np.asarray(forcing_ratio(config, jnp.arange(STEPS + 1)))


@functools.partial(jax.jit, static_argnums=0)
def tosses(config: TrainConfig, keys):
    return jax.vmap(lambda key: sample_forcing(config, key, jnp.int32(0), B, T))(keys)


@schedules
def test_ratios_go_from_start_to_end_and_never_back(schedule):
    values = ratios(schedule)
    assert values[0] == pytest.approx(0.9, abs=SLACK)
    assert values[-1] == pytest.approx(0.9 if schedule == "constant" else 0.1, abs=SLACK)
    assert (np.diff(values) <= 0).all()
    assert ((values >= 0) & (values <= 1)).all()


@schedules
def test_a_schedule_between_equal_ends_is_constant(schedule):
    np.testing.assert_allclose(ratios(schedule, 0.3, 0.3), 0.3, rtol=1e-6)


@schedules
def test_a_schedule_may_rise(schedule):
    np.testing.assert_allclose(ratios(schedule, 0.2, 0.8), 1 - ratios(schedule, 0.8, 0.2), rtol=1e-5, atol=1e-6)


@schedules
def test_beyond_the_run_the_ratio_stays(schedule):
    config = TrainConfig(forcing_schedule=schedule, steps=STEPS)
    beyond = forcing_ratio(config, jnp.int32(10 * STEPS))
    assert beyond.shape == ()
    np.testing.assert_array_equal(beyond, forcing_ratio(config, jnp.int32(STEPS)))


def test_each_schedules_formula():
    done = np.arange(STEPS + 1) / STEPS
    formulas = {
        "constant": np.full_like(done, 0.9),
        "linear": 0.9 - 0.8 * done,
        "exponential": 0.1 + 0.8 * np.exp(done * np.log(0.01)),
        "inverse_sigmoid": 0.1 + 0.8 / (1 + np.exp(10 * (done - 0.5))),
    }
    assert set(formulas) == set(FORCING_SCHEDULES)
    for schedule, expected in formulas.items():
        np.testing.assert_allclose(ratios(schedule), expected, rtol=1e-5)


def test_inverse_sigmoid_is_bengios_up_to_a_shift_of_the_middle():
    """k / (k + exp(i/k)) is a logistic of slope 1/k in the step i; ours has slope 10 / steps."""
    k, i = STEPS / 10, np.arange(STEPS + 1)
    middle = k * np.log(k)
    bengio = k / (k + np.exp((i + middle - STEPS / 2) / k))
    np.testing.assert_allclose(ratios("inverse_sigmoid", 1.0, 0.0), bengio, rtol=1e-4)


@coins
def test_coins_are_decided_by_the_key(coin):
    config = TrainConfig(coin=coin)
    first, again, other = tosses(config, jax.random.split(jax.random.key(0), 3)[jnp.array([0, 0, 1])])
    assert first.shape == (B, T)
    assert first.dtype == bool
    np.testing.assert_array_equal(first, again)
    if coin != "iteration":  # one coin falls on the same side half of the time
        assert (first != other).any()


@coins
def test_what_one_coin_decides(coin):
    """Over many keys: a coin for the whole batch, for a sequence, or for a step."""
    forced = np.asarray(tosses(TrainConfig(coin=coin, teacher_forcing=0.5), jax.random.split(jax.random.key(1), 50)))
    within_sequence = (forced == forced[:, :, :1]).all()
    within_batch = (forced == forced[:, :1, :]).all()
    assert within_sequence == (coin != "step")
    assert within_batch == (coin == "iteration")


@coins
@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_coins_fall_as_often_as_the_ratio_says(coin, ratio):
    keys = jax.random.split(jax.random.key(2), 400)
    forced = np.asarray(tosses(TrainConfig(coin=coin, teacher_forcing=ratio), keys))
    # The whole batch's coin is tossed least often, 400 times: five standard errors of a fraction.
    assert forced.mean() == pytest.approx(ratio, abs=5 * np.sqrt(ratio * (1 - ratio) / 400))


def test_coins_follow_the_schedule():
    config = TrainConfig(teacher_forcing=1.0, forcing_end=0.0, forcing_schedule="linear", coin="step", steps=STEPS)
    keep = jax.jit(lambda step: sample_forcing(config, jax.random.key(3), step, 200, T).mean())
    assert [keep(step) for step in (0, STEPS)] == [1, 0]
    assert float(keep(STEPS // 2)) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(200 * T))


def test_modes_of_evaluation():
    np.testing.assert_array_equal(forcing_of_mode("free_running", 2, 3), np.zeros((2, 3), bool))
    np.testing.assert_array_equal(forcing_of_mode("one_step", 2, 3), np.ones((2, 3), bool))
