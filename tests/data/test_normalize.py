"""Statistics against numpy over the whole set, and the columns that they keep."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data.finite import LARGEST, check_values
from motion_jax.data.normalize import CONSTANT, pose_space
from motion_jax.data.packed_clips import pack_clips
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset

RNG = np.random.default_rng(0)


def clip(frames: np.ndarray, number: int) -> Clip:
    return Clip(frames.astype(np.float32), "S1", "walking", number, "train", f"{number}.txt")


def dataset(*frames: np.ndarray) -> Dataset:
    clips = tuple(clip(part, number) for number, part in enumerate(frames))
    return Dataset("synthetic", clips, ("walking", "eating"), H36M, 50.0, "key")


def movement(length: int) -> np.ndarray:
    """Columns that move by very different amounts around very different places; the last but one stands still."""
    return RNG.normal(size=(length, 5)) * [1, 100, 1e-2, 0, 3] + [0, 1e4, 5, 7, -2]


SET = dataset(movement(31), movement(50), movement(12))


def fit(data: Dataset = SET, **fields):
    return pose_space(data, data.clips, DataConfig(**fields))


@pytest.mark.parametrize(("statistics", "step"), [("martinez", 1), ("learn_traj_dep", 3)])
def test_statistics_are_numpys_over_all_rows_or_over_those_kept(statistics, step):
    rows = np.concatenate([c.frames[::step] for c in SET.clips]).astype(np.float64)
    space = fit(statistics=statistics, stride=3)
    np.testing.assert_allclose(space.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(space.std[[0, 1, 2, 4]], rows.std(axis=0)[[0, 1, 2, 4]], rtol=1e-10)
    assert space.mean.dtype == space.std.dtype == np.float64


def test_encoded_training_frames_have_mean_zero_and_deviation_one():
    space = fit(one_hot=False)
    rows = np.concatenate([c.frames for c in SET.clips])
    encoded = np.asarray(space.encode(rows, np.zeros((len(rows), 0))))
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-4)  # float32 around 1e4
    np.testing.assert_allclose(encoded.std(axis=0), 1, rtol=1e-4)


def test_columns_that_do_not_move_are_dropped():
    space = fit()
    assert space.kept == (0, 1, 2, 4)
    assert space.std[3] == 1
    assert space.mean[3] == 7


def test_the_threshold_is_the_published_one():
    """Two rows at +d and -d have the population deviation d."""
    deviations = np.array([0.9, 1.1, 50]) * CONSTANT
    assert fit(dataset(np.stack([deviations, -deviations]))).kept == (1, 2)
    assert CONSTANT == 1e-4


def test_other_fields():
    space = fit(stride=2)
    assert (space.actions, space.skeleton, space.fps) == (("walking", "eating"), H36M, 25.0)
    assert fit(one_hot=False).actions == ()


def test_only_the_clips_given_count():
    alone = dataclasses.replace(SET, clips=SET.clips[:1])
    np.testing.assert_array_equal(pose_space(SET, SET.clips[:1], DataConfig()).mean, fit(alone).mean)
    assert (fit().mean[:3] != fit(alone).mean[:3]).all()


def test_a_large_offset_costs_no_precision():
    """A one-pass variance of these columns would be noise."""
    signal = np.tile([[0.0], [1.0]], (500, 1)) + 2.0**20
    assert fit(dataset(signal)).std[0] == 0.5


def test_a_set_in_which_nothing_moves_is_refused():
    with pytest.raises(UserError, match=r"'synthetic': no column moves in its 1 training clips"):
        fit(dataset(np.ones((10, 4))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -3e7])
def test_numbers_that_no_motion_has_are_named_wherever_training_begins(value: float):
    """A column with a nan would be dropped as one that does not move; one frame of 1e30 flattens all others."""
    data = dataset(movement(80), movement(90))
    data.clips[1].frames[7, 4] = value
    named = re.escape(f"clip train/S1/walking_1 (1.txt): frame 7, column 4 is {value:g}: must be within ±16777216")
    with pytest.raises(UserError, match=named):
        fit(data)
    space = fit(dataclasses.replace(data, clips=data.clips[:1]))
    with pytest.raises(UserError, match=named):  # clips of the test have no part in a space
        pack_clips(data.clips, space, DataConfig(source_length=5, target_length=3))


def test_the_largest_numbers_are_taken():
    check_values(np.array([[LARGEST, -LARGEST]], np.float32), "edge")
    check_values(np.zeros((0, 3), np.float32), "nothing")
