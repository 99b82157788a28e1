"""Splits are disjoint and complete, and hold out what they were asked to."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data.splits import hold_out_test, split_clips
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


@pytest.mark.parametrize("name", ["folder", "made in Python"])
def test_auto_holds_out_the_last_subject_of_a_folder_or_its_last_trial_or_nothing(name: str):
    def held(*people: tuple[str, int]) -> list[str]:
        chosen = split(dataset(name, (clip(subject, "walking", trial) for subject, trial in people)))
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
    assert {c.subject for c in split(H36M, "S6, S1").validation} == {"S1", "S6"}
    with pytest.raises(UserError, match=r"data\.validation='S6,S5' holds out 'S5'"):
        split(H36M, "S6,S5")


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


def recordings(*rows: tuple[str, str, int]) -> list[Clip]:
    return [
        Clip(np.zeros((400, 3), np.float32), subject, action, trial, "train", f"{subject}{action}{trial}.bvh")
        for subject, action, trial in rows
    ]


TWO_PEOPLE = recordings(("a", "walk", 1), ("a", "walk", 2), ("b", "walk", 1), ("b", "walk", 2), ("b", "run", 1))


@pytest.mark.parametrize(
    ("clips", "by", "test", "how"),
    [(TWO_PEOPLE, "auto", "b", "by subject: b"),
     (TWO_PEOPLE, "trial", "awalk2 bwalk2", "by trial: the last of every action that has several (2 of 5 recordings)"),
     (TWO_PEOPLE, "file", "bwalk2", "by file: bwalk2.bvh, the last by name"),
     (TWO_PEOPLE[:2], "auto", "awalk2", "by trial: the last of every action that has several (1 of 2 recordings)")],
)  # fmt: skip
def test_the_test_of_recordings_is_chosen(clips, by, test, how):
    placed, told = hold_out_test(clips, by=by)
    held = [clip.source.removesuffix(".bvh") for clip in placed if clip.split == "test"]
    assert all(any(name.startswith(wanted) for wanted in test.split()) for name in held)
    assert len(held) == (3 if test == "b" else len(test.split()))
    assert len(placed) == len(clips)
    assert told == how


@pytest.mark.parametrize(
    ("clips", "options", "message"),
    [(TWO_PEOPLE, {"subjects": ("a", "b")}, "--split=subject: of 5 recordings .* 5 would be the test"),
     (TWO_PEOPLE[:1], {"by": "subject"}, "--split=subject: of 1 recordings .* 1 would be the test"),
     (TWO_PEOPLE[3:], {"by": "trial"}, "--split=trial: of 2 recordings .* 0 would be the test"),
     (TWO_PEOPLE, {"subjects": ("a",), "by": "time"}, "--test=a: names subjects, so --split=time"),
     (TWO_PEOPLE, {"by": "time", "shortest": 201}, "400 frames: .* takes 402")],
)  # fmt: skip
def test_a_test_that_cannot_be_chosen_so_is_refused(clips, options, message):
    with pytest.raises(UserError, match=message):
        hold_out_test(clips, **options)


def test_a_recording_too_short_to_cut_trains_beside_those_that_are_cut():
    short = dataclasses.replace(TWO_PEOPLE[0], frames=np.zeros((201, 3), np.float32))
    placed, how = hold_out_test([short, TWO_PEOPLE[1]], by="time", shortest=120)
    assert [(clip.split, len(clip.frames)) for clip in placed] == [("train", 201), ("train", 280), ("test", 120)]
    assert how.endswith("; too short to cut, and trained on whole: 1 of 2")
