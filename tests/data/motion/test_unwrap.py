from __future__ import annotations

import numpy as np

from motion_jax.data.motion.rotations_np import matrix_from_rotvec
from motion_jax.data.motion.unwrap import unwrap_rotations

RNG = np.random.default_rng(3)


def spun(rate: float = 0.15, count: int = 120) -> np.ndarray:
    """A joint that turns about one axis several times, by vectors no longer than pi, and one that sways."""
    angle = rate * np.arange(count)
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    axis = np.array([1, 2, -2]) / 3
    frames = np.zeros((count, 9))
    frames[:, 3:6] = wrapped[:, None] * axis
    frames[:, 6:] = 0.4 * np.sin(angle)[:, None] * axis[::-1]
    frames[:, :3] = RNG.normal(size=(count, 3))
    return frames


def test_the_rotations_stay_and_go_on_without_jumps():
    frames = spun()
    result = unwrap_rotations(frames)
    assert np.abs(np.diff(frames[:, 3:], axis=0)).max() > 3
    assert np.abs(np.diff(result[:, 3:], axis=0)).max() < 0.2
    np.testing.assert_array_equal(result[:, :3], frames[:, :3])
    for joint in (slice(3, 6), slice(6, 9)):
        np.testing.assert_allclose(
            matrix_from_rotvec(result[:, joint]), matrix_from_rotvec(frames[:, joint]), atol=1e-9
        )


def test_an_angle_grows_beyond_half_a_turn():
    frames = spun()
    angles = np.linalg.norm(unwrap_rotations(frames)[:, 3:6], axis=1)
    np.testing.assert_allclose(angles, 0.15 * np.arange(120), atol=1e-9)


def test_the_first_frame_is_near_what_is_asked():
    frames = spun()[:1]
    axis = np.array([1, 2, -2]) / 3
    near = np.zeros(9)
    near[3:6] = 6.1 * axis
    np.testing.assert_allclose(unwrap_rotations(frames, near)[0, 3:6], 2 * np.pi * axis, atol=1e-9)


def test_what_goes_on_already_is_kept():
    frames = unwrap_rotations(spun())
    np.testing.assert_allclose(unwrap_rotations(frames, frames[0]), frames, atol=1e-9)
