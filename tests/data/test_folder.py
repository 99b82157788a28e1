from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data.audit import audit_use
from motion_jax.data.cache import open_dataset
from motion_jax.data.datasets import MotionFiles
from motion_jax.data.folder import Folder, read_folder
from motion_jax.data.formats import Motion, write_motion
from motion_jax.data.motion.root_differences import differentiate_root
from motion_jax.data.motion.root_heading import to_heading
from motion_jax.data.prepared import read_manifest, write_dataset
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


def read(folder: Path, *, shortest: int = 1, strict: bool = False, actions: str = "all", **files) -> Folder:
    return read_folder(folder, MotionFiles(**files), actions=actions, shortest=shortest, strict=strict)


def test_a_folder_becomes_a_data_set_of_one_body(recordings):
    folder = read(recordings)
    dataset = folder.dataset
    assert (dataset.name, dataset.actions, dataset.fps) == ("folder", ("walk",), 50.0)
    assert dataset.skeleton.joints == BODY.joints
    assert {clip.name for clip in dataset.split("test")} == {"test/cleo/walk_1", "test/cleo/walk_2"}
    assert not folder.findings
    assert set(folder.hashes) == {f"{subject}/walk_{trial}.bvh" for subject in PEOPLE for trial in (1, 2)}
    np.testing.assert_allclose(dataset.clips[0].frames, differentiate_root(motion(1).frames)[1:], atol=1e-6)
    assert dataset.skeleton.root == "difference"


def test_a_root_of_heading_is_prepared_where_y_is_up(recordings):
    """The made body is nothing but a spine; with legs below it, y is up, and with legs beside it, it is not."""
    dataset = read(recordings, root="heading").dataset
    assert dataset.skeleton.root == "heading"
    np.testing.assert_allclose(dataset.clips[0].frames[:, :6], to_heading(motion(1).frames)[:, :6], atol=1e-5)
    assert dataset.key != read(recordings).dataset.key
    for leg, bone in {"y": (0, -40, 0), "z": (0, 0, -40), "-y": (0, 40, 0)}.items():
        table = [*TABLE, Joint("LeftLeg", TABLE[0].name, "left_leg", bone)]
        legged = Skeleton.from_table("legged", table, 10, translation_mm=10)
        for file in recordings.rglob("*.*"):
            file.unlink()
        still = motion(0, skeleton=legged)
        still.frames[:, 3:] = 0
        for subject in PEOPLE:
            write_motion(still, recordings / subject / "walk_1.bvh")
        if leg == "y":
            read(recordings, root="heading")
        else:
            with pytest.raises(UserError, match=f"--root=heading: needs .* y is up; in these {leg} is"):
                read(recordings, root="heading")


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
    with pytest.raises(UserError, match=r"--test=dora: .*: the paths name no subjects; --pattern says where"):
        read(flat(recordings, "walk"), test=("dora",))


def test_of_one_subject_the_last_trials_are_the_test(recordings):
    folder = read(recordings / "anna")
    assert {clip.source: clip.split for clip in folder.dataset.clips} == {"walk_1.bvh": "train", "walk_2.bvh": "test"}


def test_a_flat_folder_of_one_action_a_file_is_split_by_file(recordings):
    folder = read(flat(recordings, "walk", "jump", "run"))
    assert {clip.source: clip.split for clip in folder.dataset.clips} == {
        "jump.bvh": "train", "run.bvh": "train", "walk.bvh": "test"
    }  # fmt: skip
    assert folder.split.startswith("by file: walk.bvh, the last by name, whose action 'walk' is not trained on")


@pytest.mark.parametrize(("length", "parts"), [(1001, [800, 200]), (303, [151, 151])])
def test_one_recording_alone_is_split_by_time(recordings, length: int, parts: list[int]):
    root = flat(recordings, "walk", count=length)
    folder = read(root, shortest=151)
    train, test = folder.dataset.clips
    assert (train.split, test.split) == ("train", "test")
    assert [len(train.frames), len(test.frames)] == parts
    whole = differentiate_root(motion(0, length).frames)[1:]
    np.testing.assert_allclose(np.concatenate([train.frames, test.frames]), whole, atol=1e-6)
    assert (
        folder.split
        == f"by time: the last {parts[1]} frames of each recording, which share none with what is trained on"
    )


def test_a_recording_cut_in_two_is_no_copy_of_itself(recordings, tmp_path: Path):
    root = flat(recordings, "walk", "jump", count=400)
    folder = read(root, split="time", shortest=151)
    config = DataConfig(name="folder", root=str(tmp_path / "out"))
    assert not audit_use(config, folder.dataset.clips, folder.hashes)
    write_dataset(folder.dataset, tmp_path / "out", folder.hashes, folder.findings, folder.split)
    assert read_manifest(tmp_path / "out").split == folder.split
    assert list(protocol_windows("srnn", open_dataset(config), 50, 25, 2)) == ["jump", "walk"]
    (root / "run.bvh").write_bytes((root / "jump.bvh").read_bytes())
    leak = read(root, split="time", shortest=151)
    assert "same content" in str(audit_use(config, leak.dataset.clips, leak.hashes)[0])


def test_one_recording_too_short_to_cut_is_refused(recordings):
    with pytest.raises(UserError, match=r"walk\.bvh: 301 frames: .* test on its end takes 302"):
        read(flat(recordings, "walk", count=302), shortest=151)


def flat(root: Path, *actions: str, count: int = 200) -> Path:
    (root / "flat").mkdir()
    for seed, action in enumerate(actions):
        write_motion(motion(seed, count), root / "flat" / f"{action}.bvh")
    return root / "flat"


PROP = Skeleton.from_table("box", (Joint("Box", None, "spine", (0, 0, 0)), Joint("Lid", "Box", "spine", (0, 9, 0))), 10,
                           translation_mm=10)  # fmt: skip


@pytest.mark.parametrize("name", ["anna/a_1.bvh", "cleo/zzz_1.bvh"])
def test_a_prop_is_left_out_wherever_it_stands(recordings, name: str):
    write_motion(motion(9, skeleton=PROP), recordings / name)
    folder = read(recordings)
    assert (len(folder.dataset.clips), folder.dataset.skeleton.joints) == (6, BODY.joints)
    assert [item.path for item in folder.findings] == [name]
    assert "left out: no joint but the root is one of skeleton" in str(folder.findings[0])
    with pytest.raises(UserError, match=rf"{name}: left out: .*\(--strict; --exclude leaves files out\)"):
        read(recordings, strict=True)
    assert not read(recordings, strict=True, exclude=(name,)).findings


def test_a_file_that_does_not_fit_the_pattern_is_left_out(recordings):
    write_motion(motion(9), recordings / "anna" / "calibration.bvh")
    folder = read(recordings, pattern="{subject}/{action}_{trial}")
    assert len(folder.dataset.clips) == 6
    assert [item.path for item in folder.findings] == ["anna/calibration.bvh"]


def test_actions_choose_what_is_read(recordings):
    write_motion(motion(9), recordings / "anna" / "jump_1.bvh")
    (recordings / "anna" / "hop_1.bvh").write_text("broken")
    folder = read(recordings, actions="walk")
    assert (folder.dataset.actions, len(folder.dataset.clips), folder.findings) == (("walk",), 6, ())
    with pytest.raises(UserError, match=r"unknown action 'fly'; it must be all, or some of hop, jump, walk"):
        read(recordings, actions="fly")


def test_a_published_order_of_actions_is_kept_and_others_are_left_out(recordings):
    for action in ("jump", "cough"):
        write_motion(motion(9), recordings / "anna" / f"{action}_1.bvh")
    folder = read_folder(recordings, MotionFiles(actions=("walk", "swim", "jump")))
    assert folder.dataset.actions == ("walk", "jump")
    assert [str(item) for item in folder.findings] == ["anna/cough_1.bvh: left out: its action is 'cough'"]


def test_the_rate_of_the_input_can_be_told(recordings):
    for path in recordings.rglob("*.bvh"):
        path.write_text(path.read_text().replace("Frame Time: 0.02", "Frame Time: 0.0333333"))
    dataset = read(recordings, input_fps=100.0).dataset
    expected = differentiate_root(motion(1).frames[::2])[1:]
    np.testing.assert_allclose(dataset.clips[0].frames, expected, atol=1e-6)


def test_a_number_that_no_motion_has_is_named_with_its_file(recordings):
    path = recordings / "bert" / "walk_1.bvh"
    head, _, rows = path.read_text().partition("Frame Time:")
    first, *rest = rows.splitlines()
    rest[4] = "1e30 " + rest[4].partition(" ")[2]
    path.write_text("\n".join([head + "Frame Time:" + first, *rest]) + "\n")
    with pytest.raises(UserError, match=r"bert/walk_1\.bvh:\d+: number 1 \(.*\) is '1e30': it must be"):
        read(recordings)


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


def test_it_is_prepared_split_and_audited_like_any_other(recordings, tmp_path):
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


def places_file(path: Path, offset: float) -> None:
    """A body whose joints' places stand in the channels of every row, whatever its OFFSET says; 0.1 units a step."""
    rows = [f"{0.1 * frame:.6f} 90 0 0 0 {frame % 20} 0 20 0 0 {frame % 30} 0" for frame in range(202)]
    channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"HIERARCHY\nROOT Hips\n{{\nOFFSET 0 0 0\n{channels}\nJOINT Spine\n{{\nOFFSET 0 {offset} 0\n{channels}\n"
        f"End Site\n{{\nOFFSET 0 15 0\n}}\n}}\n}}\nMOTION\n"
        + "\n".join([f"Frames: {len(rows)}", "Frame Time: 0.02", *rows, ""])
    )


@pytest.mark.parametrize("offsets", [(0, 0), (20, 20), (20, 0), (0, 20)])
def test_places_in_channels_are_the_body(tmp_path: Path, offsets: tuple[float, float]):
    """Whether OFFSET repeats them, is 0, or differs from file to file: no scaling, and nothing to warn of."""
    for subject, offset in zip("ab", offsets, strict=True):
        places_file(tmp_path / subject / "walk_1.bvh", offset)
    folder = read(tmp_path)
    assert not folder.findings
    np.testing.assert_allclose(folder.dataset.skeleton.offsets[1], [0, 200, 0])
    for clip in folder.dataset.clips:
        np.testing.assert_allclose(np.linalg.norm(clip.frames[:, :3], axis=1), 0.1, atol=1e-5)


def test_a_root_that_stands_still_does_not_lose_the_path(tmp_path: Path):
    """The hips below it walk: the two are one root, whose columns hold the path."""
    places_file(tmp_path / "a" / "walk_1.bvh", 20)
    text = (tmp_path / "a" / "walk_1.bvh").read_text()
    text = text.replace("ROOT Hips", "ROOT Armature\n{\nOFFSET 0 0 0\nCHANNELS 0\nJOINT Hips")
    (tmp_path / "a" / "walk_1.bvh").write_text(text.replace("}\nMOTION", "}\n}\nMOTION"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "walk_1.bvh").write_bytes((tmp_path / "a" / "walk_1.bvh").read_bytes())
    folder = read(tmp_path)
    assert not folder.findings
    assert folder.dataset.skeleton.joints == ("Hips", "Spine", "Spine.Site")
    for clip in folder.dataset.clips:
        np.testing.assert_allclose(np.linalg.norm(clip.frames[:, :3], axis=1), 0.1, atol=1e-5)


def test_a_broken_file_is_named_once(recordings):
    (recordings / "anna" / "hop_1.bvh").write_text("broken")
    with pytest.raises(UserError) as caught:
        read(recordings)
    assert str(caught.value).startswith(f"{recordings}/anna/hop_1.bvh:1: ")
    assert str(caught.value).count("hop_1.bvh") == 1
