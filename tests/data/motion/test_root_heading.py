"""Laws of the root that is free of heading: there and back, and what it tells and does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.data.motion.root_forms import from_absolute, to_absolute, unwrap_rows
from motion_jax.data.motion.root_heading import from_heading, headings_of, to_heading
from motion_jax.skeletons.skeleton import ROOTS

F, D = 40, 9


def walk(seed: int = 0, tilt: float = 1.0) -> np.ndarray:
    """Any path, turning all the way round, tilted up to about `tilt` rad; columns 6-8 are a joint's."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(0, 0.1, (F, D)).cumsum(axis=0)
    frames[:, :3] *= 100
    turns = Rotation.from_euler("Y", np.linspace(0, 15, F)[:, None]) * Rotation.from_rotvec(
        tilt * np.sin(frames[:, 3:6]) * [1, 0, 1]
    )
    frames[:, 3:6] = -turns.as_rotvec()
    return frames


def matrices(frames: np.ndarray) -> np.ndarray:
    """Of the root, which act on column vectors."""
    return Rotation.from_rotvec(-frames[:, 3:6]).as_matrix()


def assert_same(frames: np.ndarray, expected: np.ndarray, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(matrices(frames), matrices(expected), atol=atol)
    np.testing.assert_allclose(np.delete(frames, [3, 4, 5], axis=1), np.delete(expected, [3, 4, 5], axis=1), atol=atol)


@pytest.mark.parametrize("tilt", [0.0, 1.0, 3.0])
def test_there_and_back_is_the_identity(tilt: float):
    frames = walk(tilt=tilt)
    rows = to_heading(frames)
    assert_same(from_heading(rows, frames[0]), frames[1:])
    again = to_heading(np.concatenate([frames[:1], from_heading(rows, frames[0])]))
    np.testing.assert_allclose(again, rows, atol=1e-9)


def test_neither_place_nor_heading_of_a_recording_is_told():
    """Turned about the vertical and moved over the floor it has the same rows; raised, another height and no more."""
    frames, turn = walk(), Rotation.from_euler("Y", 2.2)
    moved = frames.copy()
    moved[:, :3] = turn.apply(frames[:, :3]) + np.array([500, 30, -70])
    moved[:, 3:6] = -(turn * Rotation.from_rotvec(-frames[:, 3:6])).as_rotvec()
    expected = to_heading(frames)
    expected[:, 1] += 30
    np.testing.assert_allclose(to_heading(moved), expected, atol=1e-9)


def test_height_and_the_direction_of_gravity_are_told():
    """Gravity in the body's frame is that of the tilt alone."""
    frames = walk()
    rows = to_heading(frames)
    np.testing.assert_array_equal(rows[:, 1], frames[1:, 1])
    level = rows.copy()
    level[:, 4] = 0
    np.testing.assert_allclose(matrices(level)[:, 1], matrices(frames)[1:, 1], atol=1e-12)


def test_columns_are_the_steps_that_a_body_makes():
    """It faces z, walks 3 forward and 1 to its left (x), and turns to its left by .1 each frame."""
    frames, heading = np.zeros((3, 6)), np.array([0.0, 0.1, 0.2])
    frames[:, 4] = -heading  # stored transposed
    frames[:, 1] = 900
    frames[1:, 0] = np.cumsum(np.cos(heading[:-1]) + 3 * np.sin(heading[:-1]))
    frames[1:, 2] = np.cumsum(3 * np.cos(heading[:-1]) - np.sin(heading[:-1]))
    np.testing.assert_allclose(to_heading(frames), [[1, 900, 3, 0, 0.1, 0]] * 2, atol=1e-12)
    np.testing.assert_allclose(headings_of(frames), heading, atol=1e-12)


def test_upside_down_the_heading_before_is_kept():
    frames = np.zeros((4, 6))
    turn = Rotation.from_euler("Y", 0.7)
    for frame, angle in enumerate([0.0, 3.0, np.pi, 3.0]):  # a cartwheel; at pi the quaternion's w and y are 0
        frames[frame, 3:] = -(turn * Rotation.from_rotvec([0, 0, angle])).as_rotvec()
    frames[2, 3:] = -(Rotation.from_euler("Y", 0.7) * Rotation.from_quat([0, 0, 1, 0])).as_rotvec()
    np.testing.assert_allclose(to_heading(frames)[:, 4], 0, atol=1e-6)
    assert_same(from_heading(to_heading(frames), frames[0]), frames[1:])
    over = np.zeros((2, 6))
    over[1, 3] = np.pi  # w and y are 0 but for rounding
    np.testing.assert_allclose(to_heading(over)[:, 3:], [[np.pi, 0, 0]], atol=1e-9)


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_form_goes_on_from_the_last_frame(root, stride: int):
    """Of an even walk, turn and height, rows that are `stride` apart tell the whole path."""
    frames = np.zeros((F, D))
    heading = 0.1 * np.arange(F)
    frames[:, 4] = -heading
    frames[1:, 0], frames[1:, 2] = np.cumsum(np.sin(heading[:-1])), np.cumsum(np.cos(heading[:-1]))
    frames[:, 6:] = np.arange(F)[:, None]
    now = 10
    rows = from_absolute(root, frames)
    rows = rows[len(rows) - len(frames) + now + stride :: stride]
    assert_same(to_absolute(root, rows, frames[now], stride), frames[now + stride :: stride])
    assert to_absolute(root, rows[:0], frames[now], stride).shape == (0, D)


def test_a_tilt_goes_on_beyond_pi_and_the_turn_stays():
    """A somersault: the tilt's vector grows on, and is the same tilt."""
    frames = np.zeros((F, D))
    frames[:, 3] = np.linspace(0, 5, F)
    frames[:, 4] = 0
    rows = to_heading(frames)
    rows[:, 4] = 0.3
    unwrapped = unwrap_rows("heading", rows)
    np.testing.assert_allclose(unwrapped[:, 3], frames[1:, 3], atol=1e-9)
    np.testing.assert_allclose(unwrapped[:, 4:6], rows[:, 4:6] * [1, 0], atol=1e-12)
    together = unwrap_rows("heading", np.stack([rows, rows]), near=np.zeros(D))
    np.testing.assert_array_equal(together, np.stack([unwrapped, unwrapped]))
