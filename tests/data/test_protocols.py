"""Goldens: the starts that every paper scores. They depend on the clips' lengths alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.data.protocols import (
    Window,
    gather,
    lacking_actions,
    protocol_windows,
    srnn_windows,
    windows256,
)
from motion_jax.errors import UserError
from motion_jax.types import Clip, Dataset

# Kept rows of subject 5's trials 1 and 2 -> starts.
H36M = {
    "walking": ((1500, 1261), (1087, 955, 1145, 332, 660, 304, 201, 54)),
    "eating": ((1638, 1166), (1426, 374, 1087, 156, 1329, 955, 1145, 332)),
}
CMU = {
    "basketball": (289, (130, 102, 47, 140, 51, 33, 171, 105)),
    "running": (82, (2, 6, 4, 3, 1, 3, 1, 4)),
    "walking": (180, (2, 102, 47, 12, 51, 33, 43, 60)),
    "soccer": (299, (130, 102, 47, 140, 51, 33, 171, 105)),
    "jumping": (1043, (386, 358, 47, 140, 819, 289, 939, 105)),
    "washwindow": (1377, (1071, 1164, 939, 1129, 316, 644, 288, 185)),
}


def clip(rows: int, action: str, trial: int = 1, split: str = "test", columns: int = 3) -> Clip:
    """A clip whose every value tells its row."""
    frames = np.repeat(np.arange(rows, dtype=np.float32)[:, None], columns, axis=1)
    return Clip(frames, "S5", action, trial, split, source=f"{action}_{trial}.txt")


def h36m_clips(action: str, lengths: tuple[int, int], stride: int = 2) -> list[Clip]:
    """Trials out of order and beside a training clip, as a loader might list them."""
    first, second = (stride * length - stride + 1 for length in lengths)
    return [clip(400, action, split="train"), clip(second, action, 2), clip(first, action, 1)]


@pytest.mark.parametrize("action", H36M)
def test_h36m_starts_are_the_published_ones(action):
    lengths, starts = H36M[action]
    windows = srnn_windows("h36m", h36m_clips(action, lengths), action, 50, 25, 2)
    assert tuple(window.start for window in windows) == starts
    assert [window.clip for window in windows] == [2, 1] * 4  # trial 1 and 2 in turn


@pytest.mark.parametrize("action", CMU)
def test_cmu_starts_are_the_published_ones(action):
    length, starts = CMU[action]
    windows = srnn_windows("cmu", [clip(2 * length, action)], action, 50, 25, 2)
    assert windows == tuple(Window(0, start) for start in starts)


def test_synthetic_data_is_drawn_as_h36m():
    clips = h36m_clips("walking", H36M["walking"][0])
    assert srnn_windows("synthetic", clips, "walking", 50, 25, 2) == srnn_windows("h36m", clips, "walking", 50, 25, 2)


@pytest.mark.parametrize("dataset", ["h36m", "cmu"])
def test_256_windows_begin_with_the_8(dataset):
    clips = h36m_clips("walking", (1500, 1261)) if dataset == "h36m" else [clip(600, "walking")]
    many = windows256(dataset, clips, "walking", 50, 25, 2)
    assert len(many) == 256
    assert many[:8] == srnn_windows(dataset, clips, "walking", 50, 25, 2)
    lengths = [-(-len(clips[window.clip].frames) // 2) for window in many]
    last = 150 if dataset == "h36m" else 75
    assert all(0 <= window.start < length - last for window, length in zip(many, lengths, strict=True))
    assert len({window.start for window in many}) > 100


@pytest.mark.parametrize(("source", "target", "stride"), [(50, 25, 2), (10, 25, 2), (50, 10, 1), (60, 40, 3)])
def test_gathered_rows_are_the_published_span(source, target, stride):
    clips = h36m_clips("walking", (1500, 1261), stride)
    windows = srnn_windows("h36m", clips, "walking", source, target, stride)
    history, future = gather(clips, windows, source, target, stride)
    assert history.shape == (8, source, 3)
    assert history.dtype == np.float32
    for number, window in enumerate(windows):
        expected = stride * np.arange(window.start + 50 - source, window.start + 50 + target)
        np.testing.assert_array_equal(np.concatenate([history[number], future[number]])[:, 0], expected)


def test_the_history_s_length_does_not_move_the_target():
    clips = h36m_clips("eating", H36M["eating"][0])
    futures = [gather(clips, srnn_windows("h36m", clips, "eating", s, 25, 2), s, 25, 2)[1] for s in (10, 50)]
    np.testing.assert_array_equal(*futures)


def dataset_of(*clips: Clip, actions: tuple[str, ...], name: str = "cmu") -> Dataset:
    return Dataset(name, clips, actions, skeleton=name, fps=120.0, key="0")


def test_protocol_windows_follow_the_order_of_actions_and_name_the_missing():
    data = dataset_of(clip(600, "walking"), clip(700, "running"), actions=("running", "jumping", "walking"))
    windows = protocol_windows("srnn", data, 50, 25, 2)
    assert list(windows) == ["running", "walking"]
    assert {window.clip for window in windows["running"]} == {1}
    lacking = lacking_actions("srnn", data, 2)
    assert lacking == {"jumping": "protocol srnn: action 'jumping' needs 1 test clip, found none"}


def test_an_action_with_too_few_or_too_short_test_clips_is_left_out():
    clips = (clip(1500, "walking"), clip(1500, "walking", 2), clip(1500, "eating"), clip(1500, "posing"),
             clip(331, "posing", 2))  # fmt: skip
    data = dataset_of(*clips, actions=("walking", "eating", "posing"), name="h36m")
    windows = protocol_windows("srnn", data, 50, 25, 2)
    assert list(windows) == ["walking"]
    assert windows["walking"] == srnn_windows("h36m", clips, "walking", 50, 25, 2)
    lacking = lacking_actions("srnn", data, 2)
    assert lacking["eating"] == "protocol srnn: action 'eating' needs 2 test clips, found test/S5/eating_1"
    assert "posing_2" in lacking["posing"]
    assert "must keep at least 167" in lacking["posing"]


def test_a_protocol_without_any_test_clip_is_the_user_s_mistake():
    data = dataset_of(dataclasses.replace(clip(600, "walking"), split="train"), actions=("walking",))
    with pytest.raises(UserError, match=r"no action to draw from: .*'walking' needs 1 test clip, found none"):
        protocol_windows("srnn", data, 50, 25, 2)
    with pytest.raises(UserError, match="srnn, windows256"):
        protocol_windows("srn", data, 50, 25, 2)


def test_a_clip_too_short_to_draw_from_is_named_with_what_it_needs():
    with pytest.raises(UserError, match=r"walking_2.* keeps 166 rows .* at least 167"):
        srnn_windows("h36m", h36m_clips("walking", (1500, 166)), "walking", 50, 25, 2)
    assert len(srnn_windows("h36m", h36m_clips("walking", (1500, 167)), "walking", 50, 25, 2)) == 8
    with pytest.raises(UserError, match=r"keeps 75 rows .* at least 76"):
        srnn_windows("cmu", [clip(150, "walking")], "walking", 50, 25, 2)


def test_a_window_beyond_the_clip_names_the_field():
    with pytest.raises(UserError, match=r"data\.source_length=60 .* at most 52"):
        srnn_windows("cmu", [clip(360, "walking")], "walking", 60, 25, 2)
    with pytest.raises(UserError, match=r"data\.target_length=400 .* at most"):
        srnn_windows("h36m", h36m_clips("walking", (1500, 1261)), "walking", 50, 400, 2)


@pytest.mark.parametrize(("name", "trials"), [("h36m", [1]), ("h36m", [1, 2, 3]), ("cmu", [1, 2])])
def test_another_number_of_trials_than_the_protocol_s_is_refused(name, trials):
    with pytest.raises(UserError, match=r"'walking' needs \d test clips?, found test/S5/walking_1"):
        srnn_windows(name, [clip(900, "walking", trial) for trial in trials], "walking", 50, 25, 2)


def test_a_data_set_without_a_published_selection_is_refused():
    with pytest.raises(UserError, match="data set='amass': must be one of synthetic, synthetic_people, h36m, "):
        srnn_windows("amass", [clip(900, "walking")], "walking", 50, 25, 2)
