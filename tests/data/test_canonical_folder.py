"""Folders of any humanoid bodies on the canonical one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.datasets import MotionFiles
from motion_jax.data.folder import read_folder
from motion_jax.data.formats import write_motion
from motion_jax.data.motion.motion import Motion
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.skeleton import Skeleton

FILES = MotionFiles(body="body22", fps=25.0, root="heading", split="action")


def _walk(body: Skeleton, frames: int, seed: int) -> Motion:
    drawn = np.random.default_rng(seed).normal(scale=0.02, size=(frames, body.columns)).cumsum(axis=0)
    drawn[:, :3] *= 10
    return Motion(dataclasses.replace(body, root="absolute", translation_mm=10.0), drawn, 50.0, "made")


def test_bodies_of_two_makers_become_one_data_set(tmp_path: Path) -> None:
    for who, body in (("anna", CMU), ("ben", H36M)):
        (tmp_path / who).mkdir()
        for trial in (1, 2):
            write_motion(_walk(body, 150, trial), tmp_path / who / f"walk_{trial}.bvh")
    folder = read_folder(tmp_path, FILES, shortest=51)
    assert not folder.dataset.skeleton.mismatch(dataclasses.replace(BODY22, root="heading"))
    assert {clip.frames.shape[1] for clip in folder.dataset.clips} == {BODY22.columns}
    assert {clip.subject for clip in folder.dataset.clips} == {"anna", "ben"}


def test_a_short_recording_has_its_first_pose_held_and_no_rest_pose(tmp_path: Path) -> None:
    motion = _walk(CMU, 80, 0)
    motion.frames[0, 3:] = motion.frames[1, 3:] + 1.0
    write_motion(motion, tmp_path / "walk_1.bvh")
    write_motion(_walk(CMU, 150, 1), tmp_path / "walk_2.bvh")
    folder = read_folder(tmp_path, dataclasses.replace(FILES, split="trial"), shortest=51)
    short = next(clip for clip in folder.dataset.clips if clip.source == "walk_1.bvh")
    assert len(short.frames) == 51
    np.testing.assert_array_equal(short.frames[0], short.frames[8])
    assert np.abs(short.frames[-1] - short.frames[-2]).max() > 0
    messages = [finding.message for finding in folder.findings]
    assert any("the rest pose at its start is left out: 1 frame" in message for message in messages)
    assert any("its first pose is held for 0.48 s" in message for message in messages)


def test_a_body_that_is_no_human_is_named(tmp_path: Path) -> None:
    for number in (1, 2):
        write_motion(_walk(CMU, 150, number), tmp_path / f"walk_{number}.bvh")
    tail = Skeleton("tail", ("a", "b", "c"), (-1, 0, 1), ("spine",) * 3, np.array([[0, 0, 0], [0, 9, 0], [0, 9, 0]]))
    write_motion(_walk(tail, 150, 0), tmp_path / "tail_1.bvh")
    with pytest.raises(UserError, match=r"(?s)tail_1.bvh.*joints cannot be mapped"):
        read_folder(tmp_path, FILES, shortest=51)
