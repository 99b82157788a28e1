"""Splits are disjoint and complete, and hold out what they were asked to."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from motion_jax.config import DATASETS, DataConfig
from motion_jax.data.splits import VALIDATION, split_clips
from motion_jax.errors import UserError
from motion_jax.skeletons import bodies
from motion_jax.types import Clip, Dataset


def clip(subject: str, action: str, trial: int, split: str = "train") -> Clip:
    return Clip(np.zeros((1, 3), np.float32), subject, action, trial, split, "")


def dataset(name: str, clips) -> Dataset:
    return Dataset(name, tuple(clips), ("walking", "eating"), bodies.H36M, 50.0, "key")


ACTIONS = ("walking", "eating")
H36M = dataset("h36m", itertools.chain(
    (clip(s, a, t) for s in ("S1", "S6", "S11") for a in ACTIONS for t in (1, 2)),
    (clip("S5", a, t, "test") for a in ACTIONS for t in (1, 2)),
))  # fmt: skip
CMU = dataset("cmu", itertools.chain(
    (clip("", a, t) for a in ACTIONS for t in range(1, 6)), (clip("", a, 1, "test") for a in ACTIONS)
))  # fmt: skip


def split(data: Dataset, validation: str = "auto"):
    return split_clips(data, DataConfig(validation=validation))


@pytest.mark.parametrize("data", [H36M, CMU])
@pytest.mark.parametrize("validation", ["auto", "none"])
def test_every_clip_is_in_exactly_one_split(data, validation):
    splits = split(data, validation)
    parts = [*splits.train, *splits.validation, *splits.test]
    assert len(parts) == len(data.clips)
    assert set(map(id, parts)) == set(map(id, data.clips))
    assert splits.test == data.split("test")


def test_every_data_set_has_a_rule():
    assert set(VALIDATION) == set(DATASETS) - {"folder"}


def test_auto_holds_out_the_last_subject_of_a_folder_or_its_last_trial_or_nothing():
    def held(*people: tuple[str, int]) -> list[str]:
        chosen = split(dataset("folder", (clip(subject, "walking", trial) for subject, trial in people)))
        return [held.name for held in chosen.validation]

    assert held(("bert", 1), ("anna", 2)) == ["train/bert/walking_1"]
    assert held(("", 1), ("", 2)) == ["train/walking_2"]
    assert held(("anna", 1)) == []


def test_auto_holds_out_a_subject_of_human36m_and_a_trial_of_cmu():
    assert {c.subject for c in split(H36M).validation} == {"S11"}
    assert {c.subject for c in split(H36M).train} == {"S1", "S6"}
    assert [(c.action, c.trial) for c in split(CMU).validation] == [("walking", 5), ("eating", 5)]


def test_a_named_subject_or_trial_is_held_out():
    assert {c.subject for c in split(H36M, "S6").validation} == {"S6"}
    assert {c.trial for c in split(CMU, "trial 2").validation} == {2}


def test_none_holds_nothing_out():
    splits = split(H36M, "none")
    assert splits.validation == ()
    assert splits.train == H36M.split("train")


def test_test_clips_choose_no_checkpoint():
    """Not even when their subject, or their trial's number, is asked for."""
    with pytest.raises(UserError, match=r"data\.validation='S5' .*must be none or one of S1, S11, S6"):
        split(H36M, "S5")
    assert all(c.split == "train" for c in split(CMU, "trial 1").validation)


def test_what_auto_lacks_is_named():
    without = dataclasses.replace(H36M, clips=tuple(c for c in H36M.clips if c.subject != "S11"))
    with pytest.raises(UserError, match=r"data\.validation='auto' holds out 'S11', which no training clip of 'h36m'"):
        split(without)


def test_something_must_remain_to_train_on():
    alone = dataclasses.replace(H36M, clips=tuple(c for c in H36M.clips if c.subject in ("S11", "S5")))
    with pytest.raises(UserError, match="leaves no clip of 'h36m' to train on"):
        split(alone)


def test_a_data_set_without_training_clips_is_named():
    clip = Clip(np.zeros((200, 99), np.float32), "S5", "walking", 1, "test", "walking_1.txt")
    dataset = Dataset("synthetic", (clip,), ("walking",), "h36m", 50.0, "key")
    with pytest.raises(UserError, match="'synthetic' has no training clips"):
        split_clips(dataset, DataConfig())
