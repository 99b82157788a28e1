"""Seams: predictions begin as fast as the recording went, and no faster than it did."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.data.motion.motion import Motion, positions
from motion_jax.data.motion.seam import within_last_steps, without_jolt
from motion_jax.skeletons.canonical import BODY22

RATE = 100.0


def moving(frames: int, seed: int = 0) -> Motion:
    """Every joint and the root at a constant speed of their own."""
    speed = np.random.default_rng(seed).normal(scale=0.01, size=BODY22.columns)
    return Motion(BODY22, np.arange(frames)[:, None] * speed, RATE, "made")


def test_the_first_step_is_the_recorded_one_whatever_was_predicted() -> None:
    whole = moving(140)
    recorded = dataclasses.replace(whole, frames=whole.frames[:100])
    wrong = moving(40, seed=1).frames + whole.frames[99]
    after = without_jolt(recorded, dataclasses.replace(whole, frames=wrong))
    np.testing.assert_allclose(after.frames[0], whole.frames[100], atol=1e-6)
    np.testing.assert_allclose(after.frames[39], wrong[39], atol=2e-2)  # five time constants later


def test_a_prediction_that_goes_on_as_recorded_stays() -> None:
    whole = moving(140)
    recorded = dataclasses.replace(whole, frames=whole.frames[:100])
    future = dataclasses.replace(whole, frames=whole.frames[100:])
    np.testing.assert_allclose(positions(without_jolt(recorded, future)), positions(future), atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 0.3, 5.0])
def test_no_joint_steps_further_than_in_the_last_half_second(scale: float) -> None:
    recorded = moving(100)
    recorded = dataclasses.replace(recorded, frames=scale * recorded.frames)
    jump = recorded.frames[-1] + 0.5 + moving(40, seed=2).frames
    after = within_last_steps(recorded, dataclasses.replace(recorded, frames=jump))
    places = positions(recorded)
    largest = np.linalg.norm(np.diff(places[-50:], axis=0), axis=-1).max(axis=0)
    step = np.linalg.norm(positions(after)[0] - places[-1], axis=-1)
    assert (step <= largest + 1e-9).all()
    np.testing.assert_allclose(positions(after)[-1], positions(Motion(BODY22, jump, RATE, "jump"))[-1], atol=2.0)


def test_a_prediction_within_the_steps_stays_bit_for_bit() -> None:
    whole = moving(140)
    future = dataclasses.replace(whole, frames=whole.frames[99] + 0.5 * (whole.frames[100:] - whole.frames[99]))
    recorded = dataclasses.replace(whole, frames=whole.frames[:100])
    assert within_last_steps(recorded, future) is future
