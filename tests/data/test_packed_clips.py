"""Windows lie where the published loaders draw them, and are the clips' own frames."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data.packed_clips import FIRST_START, PackedClips, pack_clips, sample_windows
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip

CONFIG = DataConfig(source_length=5, target_length=3, stride=2)
SPAN = 8
DRAWS = 4000


def clip(length: int, number: int, action: str = "walking") -> Clip:
    """Frame f of clip c is (c, f), so that a window says where it is from."""
    frames = np.stack([np.full(length, number), np.arange(length)], axis=1).astype(np.float32)
    return Clip(frames, "S1", action, number, "train", f"clip_{number}.txt")


def space(actions: tuple[str, ...] = ("walking", "eating")) -> PoseSpace:
    return PoseSpace(np.zeros(2), np.ones(2), (0, 1), actions, H36M, 25.0)


# At stride 2: 30, exactly one published start, one too short for it, and a single window.
LENGTHS = {30: (16, 22), SPAN + FIRST_START + 1: (16, 17), SPAN + FIRST_START: (0, 17), SPAN: (0, 1)}
CLIPS = tuple(clip(2 * length, number) for number, length in enumerate(LENGTHS))
BANK = pack_clips(CLIPS, space(), CONFIG)


@functools.partial(jax.jit, static_argnums=2)
def take(packed: PackedClips, key, batch: int):
    return sample_windows(packed, key, batch, space(), CONFIG)


@functools.cache
def many() -> tuple[np.ndarray, np.ndarray]:
    batch = take(BANK, jax.random.key(0), DRAWS)
    return np.asarray(batch.history), np.asarray(batch.future)


def test_clips_lie_end_to_end():
    np.testing.assert_array_equal(BANK.first, 2 * np.cumsum([0, *LENGTHS])[:-1])
    np.testing.assert_array_equal(BANK.frames, np.concatenate([recorded.frames for recorded in CLIPS]))


def test_starts_lie_in_the_published_range_and_reach_both_ends():
    """randint(16, n - span), whose end is exclusive; a clip too short for that is drawn from anywhere."""
    history, _ = many()
    for number, (low, high) in enumerate(LENGTHS.values()):
        starts = set((history[history[:, 0, 0] == number, 0, 1] / 2).astype(int))
        assert starts == set(range(low, high))


def test_windows_are_consecutive_frames_of_one_clip():
    windows = np.concatenate(many(), axis=1)
    assert windows.shape == (DRAWS, SPAN, 4)
    assert (windows[..., 0] == windows[:, :1, 0]).all()
    assert (np.diff(windows[..., 1], axis=1) == 2).all()


def test_clips_and_starts_are_drawn_evenly():
    """Every clip as often, however long; then every start. Five standard errors of a binomial fraction."""
    history, _ = many()
    for number, (low, high) in enumerate(LENGTHS.values()):
        mine = history[history[:, 0, 0] == number, 0, 1]
        assert abs(len(mine) / DRAWS - 1 / 4) < 5 * np.sqrt(3 / 16 / DRAWS)
        share = 1 / (high - low)
        for start in range(low, high):
            assert abs((mine == 2 * start).mean() - share) <= 5 * np.sqrt(share * (1 - share) / len(mine))


def test_the_key_decides():
    first, again, other = (take(BANK, jax.random.key(seed), 16) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.history, again.history)
    np.testing.assert_array_equal(first.future, again.future)
    assert (first.history != other.history).any()


def test_frames_are_encoded_with_their_clips_action():
    moved = PoseSpace(np.array([1.0, 2]), np.array([2.0, 4]), (1,), ("walking", "eating"), H36M, 25.0)
    packed = pack_clips((clip(40, 0), clip(40, 1, "eating")), moved, CONFIG)
    windows = sample_windows(packed, jax.random.key(0), 8, moved, CONFIG)
    number, row = np.asarray(windows.last).T
    assert set(number) == {0, 1}
    np.testing.assert_allclose(windows.history[:, -1, 0], (row - 2) / 4)
    np.testing.assert_array_equal(windows.future[:, 0, 1:], np.eye(2)[number.astype(int)])


def test_windows_in_proportion_to_length_begin_at_every_row():
    """A clip of 60 rows has 46 windows of 8 rows two apart, one of 16 rows two."""
    clips = tuple(clip(length, number) for number, length in enumerate((60, 16)))
    packed = pack_clips(clips, space(), CONFIG)
    drawn = jax.jit(lambda key: sample_windows(packed, key, DRAWS, space(), CONFIG, "frames"))(jax.random.key(0))
    windows = np.concatenate([drawn.history, drawn.future], axis=1)
    assert (np.diff(windows[..., 1], axis=1) == 2).all()
    for number, starts in enumerate((46, 2)):
        mine = windows[windows[:, 0, 0] == number, 0, 1]
        assert set(mine) == set(range(starts))
        share = starts / 48
        assert abs(len(mine) / DRAWS - share) < 5 * np.sqrt(share * (1 - share) / DRAWS)


def test_a_clip_too_short_for_a_window_is_refused():
    with pytest.raises(UserError, match=r"clip_7\.txt: 7 frames after data\.stride=2; a window of 5\+3 needs 8"):
        pack_clips((CLIPS[0], clip(2 * SPAN - 2, 7)), space(), CONFIG)


def test_an_action_that_the_space_does_not_know_is_refused():
    with pytest.raises(UserError, match="'dancing' is unknown"):
        pack_clips((clip(40, 0, "dancing"),), space(), CONFIG)
