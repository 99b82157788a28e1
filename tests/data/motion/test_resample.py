"""Other rates: recorded frames stay, what is between lies on the arc."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.rotations_np import quaternion_from_rotvec, rotvec_from_quaternion
from motion_jax.errors import UserError


def wrapped(rotvecs):
    return rotvec_from_quaternion(quaternion_from_rotvec(rotvecs))


@pytest.mark.parametrize(("fps", "stride"), [(25.0, 1), (12.5, 2), (12.4995, 2), (5.0, 5), (1.0, 25)])
def test_a_whole_multiple_keeps_recorded_frames(make, fps, stride):
    motion = make(frames=27, places=True)
    found = resample(motion, fps)
    np.testing.assert_array_equal(found.frames, motion.frames[::stride])
    np.testing.assert_array_equal(found.places, motion.places[::stride])
    assert found.fps == fps


def test_a_rounded_frame_time_is_its_rate(make):
    motion = dataclasses.replace(make(frames=9), fps=1 / 0.0083333)
    np.testing.assert_array_equal(resample(motion, 60.0).frames, motion.frames[::2])


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_going_up_keeps_recorded_frames_and_going_down_gives_them_back(make, factor):
    motion = make(places=True)
    up = resample(motion, factor * motion.fps)
    assert len(up.frames) == factor * (len(motion.frames) - 1) + 1
    np.testing.assert_array_equal(up.frames[::factor], motion.frames)
    np.testing.assert_array_equal(resample(up, motion.fps).frames, motion.frames)


def test_between_two_frames_rotations_are_on_the_arc_and_lengths_on_the_line(make):
    motion = make(parents=(-1,), frames=2)
    motion.frames[:] = [[0, 0, 0, 0, 0, 3.0], [4, 8, 0, 0, 0, -3.0]]  # from 3 to -3 rad the shorter way is over pi
    found = resample(motion, 3 * motion.fps).frames
    third = (2 * np.pi - 6) / 3
    np.testing.assert_allclose(found[:, :3], np.outer(range(4), [4 / 3, 8 / 3, 0]), atol=1e-14)
    np.testing.assert_allclose(found[:, 5], [3, 3 + third, -3 - third, -3], atol=1e-14)


def test_a_rate_that_fits_no_frame_samples_a_steady_turn_exactly(make):
    motion = make(parents=(-1,), frames=41)
    seconds = np.arange(41) / motion.fps
    motion.frames[:] = seconds[:, None] * [1, 2, 3, 0.1, -2, 1.3]
    found = resample(motion, 17.0)
    times = np.arange(len(found.frames)) / 17
    assert times[-1] <= motion.seconds < times[-1] + 1 / 17
    np.testing.assert_allclose(found.frames[:, :3], times[:, None] * [1, 2, 3], atol=1e-13)
    np.testing.assert_allclose(found.frames[:, 3:], wrapped(times[:, None] * [0.1, -2, 1.3]), atol=1e-13)


def test_one_frame_stays_one(make):
    assert len(resample(make(frames=1), 100.0).frames) == 1


@pytest.mark.parametrize("fps", [0.0, -25.0, float("nan"), float("inf"), 1e300, 5e-324])
def test_nonsense_is_refused(make, fps):
    with pytest.raises(UserError, match=r"fps="):
        resample(make(), fps)


def test_more_frames_than_can_be_held_are_refused(make):
    with pytest.raises(UserError, match="numbers at most"):
        resample(dataclasses.replace(make(frames=100), fps=1e-3), 1e5)


def test_a_motion_prints_in_a_line(make):
    assert repr(make()) == "Motion('made', 4 joints, 5 frames at 25 per second)"
    assert repr(make().skeleton) == "Skeleton('made', 4 joints, root 'J0')"
