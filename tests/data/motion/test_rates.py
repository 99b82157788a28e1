"""Rates that files round, and what they stand for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.data.motion.rates import check_rate, nominal_rate
from motion_jax.data.motion.resample import resample
from motion_jax.errors import UserError


@pytest.mark.parametrize(
    ("seconds", "fps"),
    [(0.016667, 60), (0.0166667, 60), (0.016666666666666666, 60), (0.041667, 24), (0.0083333, 120), (0.008, 125),
     (0.033333, 30), (0.0333667, 29.97), (0.0417083, 23.976), (0.004167, 240)],
)  # fmt: skip
def test_a_rounded_frame_time_stands_for_a_whole_rate(seconds, fps):
    found = nominal_rate(1 / seconds)
    assert found == fps if fps == int(fps) else found == 1 / seconds == pytest.approx(fps, rel=1e-5)


@pytest.mark.parametrize("fps", [59.99, 60.01, 0.5, 1e-6, 0.99999, 1e300])
def test_other_rates_are_left_as_they_are(fps):
    assert nominal_rate(fps) == (1.0 if fps == 0.99999 else fps)


@pytest.mark.parametrize(("seconds", "frames"), [(0.016667, 60), (0.0166667, 60), (1 / 60, 60), (0.041667, 24)])
def test_a_second_has_as_many_frames_as_the_rate_says(make, seconds, frames):
    """From 25 per second to the rate of the file, as a prediction is written."""
    second = resample(make(frames=26), 1 / seconds)
    assert len(second.frames) == frames + 1
    assert second.fps == 1 / seconds


def test_the_length_of_a_motion_is_told_by_the_rate_that_is_meant(make):
    assert dataclasses.replace(make(frames=61), fps=1 / 0.016667).seconds == 1.0


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused_by_its_value(fps):
    with pytest.raises(UserError, match=rf"--input_fps={fps:g}: it must be a finite number"):
        check_rate(fps, "--input_fps")


def test_a_rate_that_must_be_known_is_a_number():
    check_rate(None)
    check_rate(np.float32(50), required=True)
    for fps in (None, "50"):
        with pytest.raises(UserError, match=rf"fps={fps!r}: it must be a finite number"):
            check_rate(fps, required=True)  # type: ignore[arg-type]
