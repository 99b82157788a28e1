from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data.cache import open_dataset
from motion_jax.data.folder import Folder, FolderConfig, read_folder
from motion_jax.data.formats import Motion, write_motion
from motion_jax.data.motion.root_differences import differentiate_root
from motion_jax.data.prepared import write_dataset
from motion_jax.data.protocols import protocol_windows
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton

TABLE = (
    Joint("Hips", None, "spine", (0, 0, 0)),
    Joint("Chest", "Hips", "spine", (0, 20, 0)),
    Joint("Head", "Chest", "spine", (0, 15, 0)),
)
BODY = Skeleton.from_table("made", TABLE, unit_mm=10, translation_mm=10)
PEOPLE = ("anna", "bert", "cleo")


def motion(seed: int, count: int = 200, fps: float = 50.0, skeleton: Skeleton = BODY) -> Motion:
    phase = np.random.default_rng(seed).uniform(0, 6, skeleton.columns)
    frames = 0.5 * np.sin(2 * np.pi * np.arange(count)[:, None] / fps + phase)
    return Motion(skeleton, frames, fps, "made")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for person, subject in enumerate(PEOPLE):
        (tmp_path / subject).mkdir()
        for trial in (1, 2):
            write_motion(motion(2 * person + trial), tmp_path / subject / f"walk_{trial}.bvh")
    return tmp_path


def read(root: Path, **options) -> Folder:
    return read_folder(FolderConfig(str(root), **options))


def test_a_folder_becomes_a_data_set_of_one_body(recordings):
    folder = read(recordings)
    dataset = folder.dataset
    assert (dataset.name, dataset.actions, dataset.fps) == ("folder", ("walk",), 50.0)
    assert dataset.skeleton.joints == BODY.joints
    assert {clip.name for clip in dataset.split("test")} == {"test/cleo/walk_1", "test/cleo/walk_2"}
    assert not folder.findings
    assert set(folder.hashes) == {f"{subject}/walk_{trial}.bvh" for subject in PEOPLE for trial in (1, 2)}
    np.testing.assert_allclose(dataset.clips[0].frames, differentiate_root(motion(1).frames)[1:], atol=1e-6)
    assert dataset.skeleton.root_is_difference


def test_files_of_other_rates_and_bodies_join(recordings):
    tall = Skeleton.from_table(
        "tall", [row._replace(offset=tuple(2 * x for x in row.offset)) for row in TABLE], 10, translation_mm=10
    )
    fast = motion(0, count=400, fps=100.0)
    write_motion(dataclasses.replace(fast, skeleton=tall), recordings / "anna" / "walk_1.npz")
    (recordings / "anna" / "walk_1.bvh").unlink()
    folder = read(recordings, skeleton=str(recordings / "bert" / "walk_1.bvh"))
    clip = folder.dataset.clips[0]
    assert clip.source == "anna/walk_1.npz"
    expected = fast.frames[::2] / np.array([2, 2, 2, *[1] * (BODY.columns - 3)])
    np.testing.assert_allclose(clip.frames, differentiate_root(expected)[1:], atol=1e-6)
    assert "turned onto skeleton" in str(folder.findings[0])


def test_subjects_to_test_on_are_chosen(recordings):
    clips = read(recordings, test=("anna", "bert")).dataset.split("train")
    assert {clip.subject for clip in clips} == {"cleo"}
    with pytest.raises(UserError, match=r"--test=dora: no subject 'dora': it must be among anna, bert, cleo"):
        read(recordings, test=("dora",))


def test_of_one_subject_the_last_trials_are_the_test(recordings):
    folder = read(recordings / "anna")
    assert {clip.source: clip.split for clip in folder.dataset.clips} == {"walk_1.bvh": "train", "walk_2.bvh": "test"}


def test_one_motion_alone_is_refused(recordings):
    (recordings / "anna" / "walk_2.bvh").unlink()
    with pytest.raises(UserError, match="two subjects, or two trials of an action"):
        read(recordings / "anna")


def test_every_faulty_file_is_named(recordings):
    (recordings / "anna" / "walk_1.bvh").write_text("HIERARCHY\nnonsense")
    (recordings / "cleo" / "walk_2.bvh").write_bytes(b"")
    with pytest.raises(UserError, match=r"(?s)2 errors: .*anna/walk_1\.bvh.*cleo/walk_2\.bvh"):
        read(recordings)


def test_short_files_are_left_out_and_named(recordings):
    write_motion(motion(0, count=40), recordings / "bert" / "walk_1.bvh")
    folder = read(recordings, shortest=150)
    assert len(folder.dataset.clips) == 5
    assert "bert/walk_1.bvh: left out: 39 frames at 50 per second: 150 are needed" in str(folder.findings[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda root: root / "absent", "no such folder"),
     (lambda root: root, r"no motion file in it: looked for \.bvh")],
)  # fmt: skip
def test_a_folder_without_motion_is_refused(tmp_path, make, message):
    with pytest.raises(UserError, match=message):
        read(make(tmp_path))


def test_it_is_prepared_split_and_judged_like_any_other(recordings, tmp_path):
    folder = read(recordings)
    write_dataset(folder.dataset, tmp_path / "out", folder.hashes, folder.findings)
    config = DataConfig(name="folder", root=str(tmp_path / "out"))
    dataset = open_dataset(config)
    assert not folder.dataset.skeleton.mismatch(dataset.skeleton)
    splits = split_clips(dataset, config)
    held = [{clip.subject for clip in part} for part in (splits.train, splits.validation, splits.test)]
    assert held == [{"anna"}, {"bert"}, {"cleo"}]
    windows = protocol_windows("srnn", dataset, source=50, target=25, stride=2)["walk"]
    assert [dataset.clips[window.clip].trial for window in windows] == [1, 2] * 4
    assert max(window.start for window in windows) + 75 <= 100
