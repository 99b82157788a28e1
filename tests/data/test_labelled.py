"""Labelled sequences: what is written is read, what cannot be is one line, preprocessing keeps what it must keep."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig, Experiment, LabelsConfig, TrainConfig, model_config
from motion_jax.data.cache import open_dataset
from motion_jax.data.datasets import find_dataset
from motion_jax.data.formats import Motion, write_motion
from motion_jax.data.labelled import msr_action3d, ntu, sbu
from motion_jax.data.labelled.modalities import inputs_of, label_space, raw_inputs
from motion_jax.data.labelled.one_file import is_one, read_one
from motion_jax.data.labelled.open import open_labelled, read_source
from motion_jax.data.labelled.prepared import KIND, read_labelled, write_labelled
from motion_jax.data.labelled.preprocess import STEPS, preprocess
from motion_jax.data.labelled.reading import Reading
from motion_jax.data.labelled.sequences import Component, LabelledSet, Segment, Sequence
from motion_jax.data.labelled.summary import describe_labelled
from motion_jax.data.synthetic.sessions import CLASSES, make_session
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton
from motion_jax.train.anticipation import Anticipation
from motion_jax.train.recognition import Recognition

BODY = Skeleton.from_table(
    "made",
    (Joint("Hips", None, "spine", (0, 0, 0)), Joint("Chest", "Hips", "spine", (0, 20, 0))),
    unit_mm=10,
    translation_mm=10,
)


def opened(name: str, root: Path, tmp_path: Path, labels: LabelsConfig | None = None, **data) -> LabelledSet:
    config = DataConfig(name, str(root), cache=str(tmp_path / "cache"), **data)
    return open_labelled(config, labels or LabelsConfig())


def read_all(name: str, root: Path, **labels):
    return read_source(find_dataset(name), DataConfig(name, str(root)), LabelsConfig(**labels))


# --- MSR Action3D


def msr_rows(seed: int, frames: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (frames, 20, 3)) + np.array([0, 0, 2.5])


def msr_text(places: np.ndarray, confidence: str = " 1.0") -> str:
    return "".join(f"{x:.6f} {y:.6f} {z:.6f}{confidence}\n" for x, y, z in places.reshape(-1, 3))


@pytest.fixture
def msr(tmp_path: Path) -> Path:
    root = tmp_path / "msr"
    root.mkdir()
    for action in (2, 3, 5, 6, 10, 13, 18, 20, 1):
        for subject in (1, 2, 3, 9, 10):
            name = f"a{action:02}_s{subject:02}_e01_skeleton3D.txt"
            (root / name).write_text(msr_text(msr_rows(100 * action + subject)))
    return root


def test_msr_is_read_as_it_is_written_and_split_by_people(msr: Path, tmp_path: Path):
    dataset = opened("msr_action3d", msr, tmp_path, actions="as1")
    assert len(dataset.classes) == 8
    assert dataset.classes[0] == "horizontal arm wave"
    assert dataset.skeleton is not None
    found = {split: {s.subject for s in dataset.split(split)} for split in ("train", "validation", "test")}
    assert found == {"train": {"1", "3"}, "validation": {"9"}, "test": {"2", "10"}}
    sequence = next(s for s in dataset.sequences if s.source.startswith("a03_s02"))
    assert dataset.classes[sequence.segments[0].label] == "hammer"
    places = sequence.arrays["positions"].reshape(4, 20, 3)
    rows = msr_rows(302) * 1000
    for joint, row in (("HipCenter", 7), ("Head", 20), ("LeftShoulder", 1), ("RightHand", 13), ("LeftFoot", 18)):
        np.testing.assert_allclose(places[:, dataset.skeleton.index(joint)], rows[:, row - 1], atol=1e-2)
    none = opened("msr_action3d", msr, tmp_path, validation="none", actions="hammer,bend")
    assert not none.split("validation")
    with pytest.raises(UserError, match=r"'msr_action3d': no labelled segment is in its validation split; .*=test$"):
        none.scored("validation")
    assert len(none.classes) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 1  # read once


def test_what_is_wrong_with_msr_files_is_named(msr: Path):
    places = msr_rows(0)
    places[1] = 0
    three = msr_text(places, "")
    (msr / "a01_s01_e02_skeleton.txt").write_text(three)
    (msr / "a01_s01_e03_skeleton3D.txt").write_text(msr_text(msr_rows(1))[:-10])
    (msr / "a01_s02_e02_skeleton3D.txt").write_text("")
    (msr / "a01_s02_e03_skeleton3D.txt").write_text(msr_text(msr_rows(1)).replace("1.0\n", "nought\n", 1))
    places[:3] = 0
    (msr / "a02_s02_e03_skeleton3D.txt").write_text(msr_text(places))
    reading = read_all("msr_action3d", msr)
    said = [str(finding) for finding in reading.findings]
    lengths = {sequence.source: sequence.frames for sequence in reading.dataset.sequences}
    assert lengths["a01_s01_e02_skeleton.txt"] == 3
    assert lengths["a01_s01_e03_skeleton3D.txt"] == 3
    for line in (
        "a01_s01_e02_skeleton.txt: 1 of its 4 frames are all zeros",
        "a01_s01_e03_skeleton3D.txt: is cut off: its last frame has 19 of 20 rows",
        "a01_s02_e02_skeleton3D.txt: left out: is empty",
        "a01_s02_e03_skeleton3D.txt:1: left out: 'nought' is no number",
        "a02_s02_e03_skeleton3D.txt: left out: 3 of its 4 frames are all zeros: there is no body in them",
    ):
        assert any(text.startswith(line) for text in said), line
    assert len(lengths) == 45 + 2
    table = describe_labelled(reading.dataset, reading, "cross-subject")
    assert "findings: 0 errors, " in table
    assert next(row.split()[-6:] for row in table.splitlines() if "high arm" in row)[1:4] == ["5", "0", "2"]


def test_a_class_without_training_clips_is_refused(msr: Path, tmp_path: Path):
    for path in msr.glob("a01_s0[139]*"):
        path.unlink()
    with pytest.raises(UserError, match=r"^class high arm wave of 'msr_action3d': no training clip shows it"):
        opened("msr_action3d", msr, tmp_path)
    assert len(opened("msr_action3d", msr, tmp_path, actions="as1").classes) == 8
    with pytest.raises(UserError, match=r"data.actions='as2': there is no clip of hand catch"):
        opened("msr_action3d", msr, tmp_path, actions="as2")
    with pytest.raises(UserError, match=r"unknown action 'fly'.*; or one of as1, as2, as3$"):
        opened("msr_action3d", msr, tmp_path, actions="fly")


# --- NTU and SBU


def ntu_text(frames: list[dict[str, np.ndarray]]) -> str:
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for body, places in bodies.items():
            lines += [f"{body} 0 0 0 0 0 0 0.1 0.1 2", "25"]
            lines += [" ".join(f"{value:.6f}" for value in row) + " 1 2 3 4 0 0 0 1 2" for row in places]
    return "\n".join(lines) + "\n"


def test_one_class_alone_is_refused(msr: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"^data set 'msr_action3d' shows one class alone, bend "):
        opened("msr_action3d", msr, tmp_path, actions="bend")


def test_one_file_of_a_set_is_the_sequence_that_the_whole_set_has(msr: Path, tmp_path: Path):
    name = "a03_s02_e01_skeleton3D.txt"
    whole = next(s for s in opened("msr_action3d", msr, tmp_path).sequences if s.source == name)
    assert is_one("msr_action3d", msr / name)
    assert not is_one("ntu", msr / name)
    assert not is_one("synthetic", msr / name)
    np.testing.assert_array_equal(
        read_one("msr_action3d", msr / name, 15.0).arrays["positions"], whole.arrays["positions"]
    )
    (msr / name).write_text("1 2 3\n1 x 3\n")
    with pytest.raises(UserError, match=rf"{name}:2: 'x' is no number$"):
        read_one("msr_action3d", msr / name, 15.0)
    (msr / name).write_text("")
    with pytest.raises(UserError, match=rf"{name}: is empty$"):
        read_one("msr_action3d", msr / name, 15.0)


def test_one_archive_of_features_must_have_the_rate_of_the_set(tmp_path: Path):
    np.savez(tmp_path / "a.npz", rgb=np.ones((4, 2)), fps=25)
    assert read_one("feature_arrays", tmp_path / "a.npz", 25.0).arrays["rgb"].shape == (4, 2)
    with pytest.raises(UserError, match=r"a\.npz: fps is 25: the network was trained on 30$"):
        read_one("feature_arrays", tmp_path / "a.npz", 30.0)


def test_an_archive_of_features_is_bounded_and_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("motion_jax.data.labelled.feature_arrays.MAX_BYTES", 1000)
    np.savez_compressed(tmp_path / "a.npz", rgb=np.zeros((400, 2000)))
    with pytest.raises(UserError, match=r"a\.npz: 1 arrays of 6400128 bytes: it must be 64 at most, of \d+ together"):
        read_one("feature_arrays", tmp_path / "a.npz", 30.0)
    np.savez(tmp_path / "a.npz", rgb=np.array([{}]))
    with pytest.raises(UserError, match=r"a\.npz: array 'rgb\.npy' is object: it must be numbers or text; objects are"):
        read_one("feature_arrays", tmp_path / "a.npz", 30.0)


def test_ntu_keeps_two_bodies_and_leaves_out_frames_without_one(tmp_path: Path):
    rng = np.random.default_rng(0)
    one, two, three = rng.uniform(1, 2, (3, 5, 25, 3))
    frames = [{}, {"1": one[1], "9": three[1]}, {"2": two[2], "1": one[2]}, {"1": one[3]}, {"2": two[4]}]
    text = ntu_text(frames)
    places, odd = ntu.parse_frames(text)
    shaped = places.reshape(4, 2, 25, 3)
    assert odd == [
        "1 of its 5 frames have no body and are left out",
        "3 bodies are in it: the 2 that are there longest are used",
    ]
    assert shaped.any(axis=(2, 3)).tolist() == [[True, False], [True, True], [True, False], [False, True]]
    neck = ntu.SKELETON.index("Neck")
    np.testing.assert_allclose(shaped[1, :, neck], 1000 * np.stack([one[2, 2], two[2, 2]]), rtol=1e-5)
    cut, odd = ntu.parse_frames(text[: text.rindex("\n2 0 0")])
    assert len(cut) == 3
    assert "is cut off after 4 of 5 frames" in " ".join(odd)
    root = tmp_path / "ntu"
    root.mkdir()
    for person, action in ((1, 8), (3, 8), (2, 61), (3, 61), (38, 8), (38, 61)):
        (root / f"S001C001P{person:03}R001A{action:03}.skeleton").write_text(text)
    (root / "S001C001P001R002A008.skeleton").write_text(ntu_text([{}, {}]))
    (root / "S001C001P001R003A008.skeleton").write_text("3\n1\n1 0\n24\n")
    dataset = opened("ntu", root, tmp_path)
    assert dataset.classes == ("sit down", "A061")
    assert [len(dataset.split(split)) for split in ("train", "validation", "test")] == [2, 2, 2]
    said = [str(finding) for finding in read_all("ntu", root).findings]
    assert "S001C001P001R002A008.skeleton: left out: none of its 2 frames has a body" in said
    assert "S001C001P001R003A008.skeleton:4: left out: 24 joints: there must be 25" in said


def test_sbu_is_inverted_and_has_five_folds(tmp_path: Path):
    rng = np.random.default_rng(0)
    raw = rng.uniform(0, 1, (3, 2, 15, 3))
    for pair in ("s01s02", "s02s07", "s01s03", "s02s06", "s04s02", "s07s03"):
        for action in (1, 8):
            folder = tmp_path / "sbu" / pair / f"{action:02}" / "001"
            folder.mkdir(parents=True)
            lines = (
                ",".join(f"{value:.6f}" for value in [number + 1, *frame.ravel()]) for number, frame in enumerate(raw)
            )
            (folder / "skeleton_pos.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "sbu" / "s01s02" / "08" / "001" / "skeleton_pos.txt").write_text("1,2\n")
    for fold, test in enumerate(("s01s02", "s02s07", "s01s03", "s02s06", "s04s02"), 1):
        dataset = opened("sbu", tmp_path / "sbu", tmp_path, LabelsConfig(fold=fold))
        assert {s.subject for s in dataset.split("test")} >= {test}
        assert not {s.subject for s in dataset.split("test")} & {s.subject for s in dataset.split("train")}
    assert dataset.classes == ("approaching", "punching")
    torso = dataset.sequences[0].arrays["positions"].reshape(3, 2, 15, 3)[:, :, 0]
    np.testing.assert_allclose(torso[..., 0], 1280 - 2560 * raw[:, :, 2, 0], atol=1e-2)
    np.testing.assert_allclose(torso[..., 2], 10000 * raw[:, :, 2, 2] / 7.8125, atol=1e-2)
    assert len({pair for fold in find_dataset("sbu").files.folds for pair in fold}) == 21  # pyright: ignore
    with pytest.raises(UserError, match=r"labels.fold=6: data set 'sbu' has 5 published folds"):
        opened("sbu", tmp_path / "sbu", tmp_path, LabelsConfig(fold=6))


# --- tables of segments


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    root = tmp_path / "recordings"
    for number, subject in enumerate(("anna", "bert", "cleo")):
        (root / subject).mkdir(parents=True)
        rate, frames = (100.0, 200) if subject == "bert" else (50.0, 100)
        phase = np.random.default_rng(number).uniform(0, 6, BODY.columns)
        rows = 0.5 * np.sin(2 * np.pi * np.arange(frames)[:, None] / rate + phase)
        write_motion(Motion(BODY, rows, rate, "made"), root / subject / "kitchen_1.bvh")
    return root


LABELS = """file,start,end,label
anna/kitchen_1.bvh,0,40,cut
anna/kitchen_1.bvh,50,100,stir
bert/kitchen_1,100,200,stir
bert/kitchen_1,0,80,cut
cleo/kitchen_1,10,60,cut
"""


def test_frames_of_a_table_are_those_of_the_file_and_seconds_say_the_same(recordings: Path, tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text(LABELS)
    dataset = opened("folder", recordings, tmp_path, LabelsConfig(table=str(table)))
    assert (dataset.classes, dataset.fps) == (("cut", "stir"), 50.0)
    found = {s.subject: (s.split, s.segments) for s in dataset.sequences}
    assert found["anna"] == ("train", (Segment(0, 39, 0), Segment(49, 99, 1)))  # the first frame has none before it
    assert found["bert"] == ("validation", (Segment(0, 39, 0), Segment(49, 99, 1)))
    assert found["cleo"] == ("test", (Segment(9, 59, 0),))
    rows = [line.split(",") for line in LABELS.splitlines()[1:]]
    rate = {"anna": 50, "bert": 100, "cleo": 50}
    lines = [f"{f},{int(a) / rate[f[:4]]},{int(b) / rate[f[:4]]},{name}" for f, a, b, name in rows]
    table.write_text("\n".join(["file,start_s,end_s,label", *lines]))
    seconds = opened("folder", recordings, tmp_path, LabelsConfig(table=str(table)))
    assert [s.segments for s in seconds.sequences] == [s.segments for s in dataset.sequences]
    table.write_text(
        LABELS.replace("label", "label,split").replace("cut\n", "cut,train\n").replace("stir\n", "stir,train\n")
    )
    placed = opened("folder", recordings, tmp_path, LabelsConfig(table=str(table)), validation="none")
    assert {s.split for s in placed.sequences} == {"train"}
    assert read_all("folder", recordings, table=str(table)).split == "as the table says"
    table.write_text(table.read_text().replace("60,cut,train", "60,cut,"))
    with pytest.raises(UserError, match=r"labels\.csv:6: split is empty, that of others is not"):
        read_all("folder", recordings, table=str(table))


def test_people_whom_a_table_names_are_not_in_two_splits(recordings: Path, tmp_path: Path):
    table = tmp_path / "labels.csv"
    people = {"anna": "x", "bert": "y", "cleo": "x"}  # by paths, cleo would be the test
    lines = [f"{line},{people[line[:4]]}" for line in LABELS.splitlines()[1:]]
    table.write_text("\n".join(["file,start,end,label,subject", *lines]))
    reading = read_all("folder", recordings, table=str(table))
    assert reading.split == "by subject: y"
    assert {s.subject: s.split for s in reading.dataset.sequences} == {"x": "train", "y": "test"}


BAD = {
    "cleo/kitchen_1,10,101,cut": ":6: the segment 10 to 101 lies outside 'cleo/kitchen_1', which has 100 frames",
    "anna/kitchen_1,30,45,cut": ":6: the segment 30 to 45 of 'anna/kitchen_1' overlaps 0 to 40 of {table}:2",
    "dora/kitchen_1,0,9,cut": ":6: file 'dora/kitchen_1' is not among the recordings: there are anna/kitchen_1.bvh",
    "kitchen_1,0,9,cut": ":6: file 'kitchen_1' may be anna/kitchen_1.bvh or bert/kitchen_1.bvh",
    "cleo/kitchen_1,9,9,cut": ":6: start 9, end 9: 0 <= start < end must hold",
    "cleo/kitchen_1,0.5,9,cut": ":6: start '0.5': must be a whole number of frames from 0 to 1e12; seconds",
    "cleo/kitchen_1,-5,9,cut": ":6: start '-5': must be a whole number of frames from 0 to 1e12; seconds",
    "cleo/kitchen_1,1,1e13,cut": ":6: end '1e13': must be a whole number of frames from 0 to 1e12; seconds",
    "cleo/kitchen_1,0,9,": ":6: label is empty",
    "cleo/kitchen_1,0,9": ":6: has 3 columns: there must be 4, file,start,end,label",
}


@pytest.mark.parametrize("line", BAD)
def test_what_is_wrong_with_a_table_is_one_line_with_its_place(line: str, recordings: Path, tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text(LABELS.replace("cleo/kitchen_1,10,60,cut", line))
    with pytest.raises(UserError) as error:
        opened("folder", recordings, tmp_path, LabelsConfig(table=str(table)))
    assert str(error.value).startswith(str(table) + BAD[line].format(table=table))
    assert "\n" not in str(error.value)


def test_an_empty_a_missing_or_a_nameless_table_and_an_unseen_class_are_refused(recordings: Path, tmp_path: Path):
    table = tmp_path / "labels.csv"
    labels = LabelsConfig(table=str(table))
    with pytest.raises(UserError, match=r"labels.csv: cannot be read: No such file"):
        opened("folder", recordings, tmp_path, labels)
    for text, said in (
        ("", "is empty"),
        ("file,start,end,label\n", "holds no segment"),
        ("a,b\n1,2\n", ":1: the first line"),
        ("file,start,start_s,end,label\na,1,1,2,cut\n", ":1: lacks end_s: the columns must be"),
        ("file,end_s\na,1\n", ":1: lacks start_s, label: the columns must be"),
        ("file,start,start_s,end,end_s,label\na,1,1,2,2,cut\n", ":1: names a column twice, or mixes frames"),
    ):
        table.write_text(text)
        with pytest.raises(UserError, match=said):
            opened("folder", recordings, tmp_path, labels)
    table.write_text(LABELS.replace("60,cut", "60,wave"))
    with pytest.raises(UserError, match=r"^class wave of 'folder': no training clip shows it"):
        opened("folder", recordings, tmp_path, labels)
    with pytest.raises(UserError, match=r"^data\.root='.*labels\.csv': is a file: name its folder, "):
        opened("msr_action3d", table, tmp_path, LabelsConfig())
    with pytest.raises(UserError, match=r"data.actions='fly': unknown action 'fly'"):
        opened("folder", recordings, tmp_path, labels, actions="fly")


# --- feature arrays


def test_feature_arrays_with_tables_of_verbs_and_nouns(tmp_path: Path):
    root, rng = tmp_path / "features", np.random.default_rng(0)
    root.mkdir()
    arrays = {name: {"rgb": rng.normal(size=(30, 4)), "obj": rng.normal(size=(30, 2))} for name in ("P01_01", "P02_01")}
    for name, parts in arrays.items():
        np.savez(root / f"{name}.npz", **parts)
    (tmp_path / "actions.csv").write_text("id,action,verb,noun\n7, take_pan,0,1\n12, cut_leek,3,9\n")
    train, validation = tmp_path / "training.csv", tmp_path / "validation.csv"
    train.write_text("00330, P01_01, 0000000001, 0000000010, 000, 001, 0007\n00331, P01_01, 8, 30, 003, 009, 0012\n")
    validation.write_text("00332, P02_01, 0000000011, 0000000020, 003, 009, 0012\n")
    labels = LabelsConfig(inputs="rgb,obj", table=f"{train},{validation}")
    dataset = opened("feature_arrays", root, tmp_path, labels)
    assert dataset.classes == ("cut_leek", "take_pan")
    assert dataset.components == (Component("003", "009"), Component("000", "001"))
    first, second = dataset.sequences
    assert (first.split, first.segments) == ("train", (Segment(0, 10, 1), Segment(7, 30, 0)))
    assert (second.split, second.segments) == ("validation", (Segment(10, 20, 0),))
    np.testing.assert_array_equal(first.arrays["obj"], arrays["P01_01"]["obj"].astype(np.float32))
    space = label_space(dataset, dataset.split("train"), labels)
    assert (space.widths, space.skeleton) == ((4, 2), None)
    validation.write_text("00332, P02_01, 1, 20, 003, 009, 0013\n")
    with pytest.raises(UserError, match=r"validation.csv:1: unknown class '0013': it must be an id of actions.csv"):
        opened("feature_arrays", root, tmp_path, labels)
    (root / "P02_01.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"P02_01\.npz: is empty"):
        opened("feature_arrays", root, tmp_path, labels)


def test_lmdb_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch):
    (tmp_path / "rgb").mkdir()
    (tmp_path / "rgb" / "data.mdb").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(UserError, match=r"needs the package lmdb: pip install 'motion-jax\[lmdb\]'"):
        opened("feature_arrays", tmp_path / "rgb", tmp_path)


# --- prepared sets


def test_a_prepared_set_is_what_was_written_and_damage_is_named(msr: Path, tmp_path: Path):
    reading = read_all("msr_action3d", msr)
    out = tmp_path / "out"
    write_labelled(reading, out)
    again = read_labelled(out)
    assert (again.findings, again.hashes) == (reading.findings, reading.hashes)
    assert again.dataset.classes == reading.dataset.classes
    for one, two in zip(reading.dataset.sequences, again.dataset.sequences, strict=True):
        assert (one.segments, one.subject, one.split, one.source) == (two.segments, two.subject, two.split, two.source)
        np.testing.assert_array_equal(one.arrays["positions"], two.arrays["positions"])
    assert len(opened("msr_action3d", out, tmp_path, actions="as1").classes) == 8
    with pytest.raises(UserError, match="is a prepared 'msr_action3d' data set, not 'ntu'"):
        opened("ntu", out, tmp_path)
    with pytest.raises(UserError, match=r"holds prepared labelled sequences, which .* forecasting does not"):
        open_dataset(DataConfig("folder", str(out)))
    with (out / "positions.npy").open("r+b") as file:
        file.seek(200)
        file.write(b"?")
    with pytest.raises(UserError, match=r"positions.npy: damaged or edited"):
        read_labelled(out)
    (out / "mine.txt").write_text("")
    with pytest.raises(UserError, match=r"holds 'mine\.txt'"):
        write_labelled(reading, out)


@pytest.mark.parametrize("fps", [0.0, -30.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_not_written_not_read_and_not_trained_on(tmp_path: Path, fps: float):
    one = Sequence({"sensor": np.ones((4, 2), np.float32)}, (Segment(0, 4, 0),), "S1", "train", "1.npz")
    good = Reading(LabelledSet("folder", (one,), ("walk",), 20.0, "made"), {}, (), "")
    wrong = good._replace(dataset=dataclasses.replace(good.dataset, fps=fps))
    message = f"fps={fps:g}: it must be a finite number"
    with pytest.raises(UserError, match=f"out: data set 'folder': {message}"):
        write_labelled(wrong, tmp_path / "out")
    labels, train = LabelsConfig(inputs="sensor", preprocess=""), TrainConfig(loss="cross_entropy")
    for task, model in ((Recognition, "bi_lstm"), (Anticipation, "ru_lstm")):
        experiment = Experiment(labels=labels, model=model_config(model), train=train)
        with pytest.raises(UserError, match=f"data set 'folder': {message}"):
            task.of(experiment, wrong.dataset)
    write_labelled(good, tmp_path / "out")
    manifest = tmp_path / "out" / "labelled.json"
    fields = json.loads(manifest.read_text())
    del fields["digest"]
    manifest.write_text(KIND.text(fields | {"fps": fps}))
    with pytest.raises(UserError, match=rf"labelled\.json: {message}"):
        read_labelled(tmp_path / "out")


# --- preprocessing

KINECT = msr_action3d.SKELETON
POSES = np.random.default_rng(5).normal(0, 300, (9, 1, 20, 3))


def turned(places: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return places @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def test_center_does_not_see_where_a_body_is_and_puts_the_hips_at_the_origin():
    drift = np.random.default_rng(1).normal(0, 1000, (9, 1, 1, 3))
    centred = STEPS["center"](POSES, KINECT)
    np.testing.assert_allclose(STEPS["center"](POSES + drift, KINECT), centred, atol=1e-9)
    hips = [KINECT.index(name) for name in ("HipCenter", "LeftHip", "RightHip")]
    np.testing.assert_allclose(centred[:, :, hips].mean(axis=2), 0, atol=1e-9)


def test_view_does_not_see_where_a_body_looks_and_lays_its_hips_along_x():
    seen = STEPS["view"](POSES, KINECT)
    np.testing.assert_allclose(STEPS["view"](turned(POSES, 1.9), KINECT), seen, atol=1e-9)
    across = seen[0, 0, KINECT.index("RightHip")] - seen[0, 0, KINECT.index("LeftHip")]
    assert across[0] > 0
    assert across[2] == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(seen[..., 1], POSES[..., 1])


def test_scale_does_not_see_how_large_a_body_is():
    np.testing.assert_allclose(STEPS["scale"](1.3 * POSES, KINECT), STEPS["scale"](POSES, KINECT))


def test_smooth_is_du_s_filter_and_keeps_parabolas():
    smoothed = STEPS["smooth"](POSES, KINECT)
    weights = np.array([-3, 12, 17, 12, -3]) / 35
    np.testing.assert_allclose(smoothed[4], np.tensordot(weights, POSES[2:7], 1), atol=1e-9)
    parabola = (np.arange(9.0)[:, None, None, None] - 3) ** 2 * POSES[:1]
    np.testing.assert_allclose(STEPS["smooth"](parabola, KINECT), parabola, atol=1e-7)
    np.testing.assert_array_equal(STEPS["smooth"](POSES[:4], KINECT), POSES[:4])


def test_who_is_not_there_stays_so_and_two_keep_their_distance():
    pair = np.random.default_rng(2).normal(0, 300, (8, 2, 15, 3))
    pair[3:, 1] = 0
    labels = LabelsConfig(preprocess="center,smooth,view,scale")
    done = preprocess(pair.reshape(8, -1), sbu.SKELETON, 2, labels).reshape(pair.shape)
    assert not done[3:, 1].any()
    centred = STEPS["center"](pair, sbu.SKELETON)
    np.testing.assert_allclose(centred[0, 1] - centred[0, 0], pair[0, 1] - pair[0, 0], atol=1e-9)


def test_sampling_is_slicing_and_velocities_are_of_preprocessed_places_at_the_recorded_rate():
    places = POSES.reshape(9, -1).astype(np.float32)
    sequence = Sequence({"positions": places}, (Segment(0, 9, 0),), "1", "train", "made")
    whole = LabelsConfig(inputs="positions,velocities", preprocess="center,smooth")
    sampled = dataclasses.replace(whole, frame_step=2)
    full = raw_inputs(sequence, whole, 15.0, KINECT)
    for one, two in zip(full, raw_inputs(sequence, sampled, 15.0, KINECT), strict=True):
        np.testing.assert_array_equal(one[::2], two)
    np.testing.assert_allclose(full[1][4], (full[0][5] - full[0][3]) / 2 * 15, rtol=1e-4, atol=1e-2)
    dataset = LabelledSet("made", (sequence, sequence), ("wave",), 15.0, "key", KINECT)
    space = label_space(dataset, dataset.sequences, sampled)
    assert space.fps == 7.5
    windows = [dataclasses.replace(sampled, window=window) for window in (0, 3, 100)]  # of 9 frames in all, 0.6 s
    np.testing.assert_allclose(
        [label_space(dataset, dataset.sequences, one).seconds for one in windows], [0.6, 0.4, 0.6]
    )
    normal = inputs_of(sequence, space, sampled, 15.0)
    np.testing.assert_allclose(np.std(normal[0][:, 5]), 1, rtol=1e-4)
    assert sum(map(len, space.part_columns().values())) == space.width


# --- sessions


def test_a_session_is_made_of_its_segments_and_moves_towards_what_comes():
    session = make_session(0, "S5", 1)
    assert session.split == "test"
    np.testing.assert_array_equal(session.arrays["angles"], make_session(0, "S5", 1).arrays["angles"])
    assert session.arrays["angles"].shape == (session.segments[-1].end, 99)
    assert np.isfinite(session.arrays["angles"]).all()
    for one, two in zip(session.segments, session.segments[1:], strict=False):
        assert one.start < one.end < two.start
        assert one.label != two.label
        assert 0 <= two.label < len(CLASSES)
    pose = session.arrays["angles"][:, 6:]
    gain = []
    for part in session.segments[1:]:
        apart = [np.linalg.norm(pose[part.start - back] - pose[part.start]) for back in (75, 25, 10)]
        gain.append(apart)
    far, near, nearest = np.mean(gain, axis=0)
    assert nearest < near < far
    assert np.abs(np.diff(pose, axis=0)).max() < 0.5  # rad a frame: nothing jumps where actions meet
