"""Hours of motion: whatever number of processes reads a folder, the data set is the same; and published folders."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.datasets import find_dataset
from motion_jax.data.folder import Folder, read_folder
from motion_jax.data.formats import Motion, write_motion
from motion_jax.data.frame_cuts import read_frame_cuts
from motion_jax.data.motion.root_differences import differentiate_root
from motion_jax.data.prepared import FRAMES, MANIFEST, write_dataset
from motion_jax.data.readers import BYTES_A_READER, Readers, usual_readers
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton

BODY = Skeleton.from_table(
    "made",
    (
        Joint("Hips", None, "spine", (0, 0, 0)),
        Joint("Chest", "Hips", "spine", (0, 20, 0)),
        Joint("Head", "Chest", "spine", (0, 15, 0)),
    ),
    unit_mm=10,
    translation_mm=10,
)
PROP = Skeleton.from_table("box", (Joint("Box", None, "spine", (0, 0, 0)), Joint("Lid", "Box", "spine", (0, 9, 0))), 10,
                           translation_mm=10)  # fmt: skip


def motion(seed: int, count: int = 200, fps: float = 50.0, skeleton: Skeleton = BODY) -> Motion:
    phase = np.random.default_rng(seed).uniform(0, 6, skeleton.columns)
    return Motion(skeleton, 2.5 * np.sin(np.arange(count)[:, None] / fps + phase), fps, "made")


def put(root: Path, *names: str, count: int = 200, fps: float = 50.0) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_motion(motion(seed, count, fps), root / name)


def read(name: str, root: Path, **options) -> Folder:
    spec = find_dataset(name)
    return read_folder(root, dataclasses.replace(spec.files, **options), name=name)


@pytest.mark.slow
def test_the_number_of_readers_changes_no_byte(tmp_path: Path):
    """A prop first, a taller body, a broken file and one that is too short among them."""
    source, written = tmp_path / "source", []
    put(source, *(f"{who}/walk_{trial}.bvh" for who in ("anna", "bert") for trial in (1, 2, 3)))
    write_motion(motion(7, skeleton=PROP), source / "anna" / "a_1.bvh")
    write_motion(motion(8, count=20), source / "bert" / "jump_1.bvh")
    tall = dataclasses.replace(BODY, offsets=2 * BODY.offsets)
    write_motion(motion(9, skeleton=tall), source / "bert" / "run_1.bvh")
    for workers in (1, 2):
        folder = read_folder(source, shortest=100, workers=workers, scratch=tmp_path)
        out = tmp_path / f"out{workers}"
        write_dataset(folder.dataset, out, folder.hashes, folder.findings, folder.split)
        written.append(((out / MANIFEST).read_bytes(), (out / FRAMES).read_bytes()))
        assert len(folder.findings) == 3
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert written[0] == written[1]
    (source / "bert" / "walk_3.bvh").write_text("HIERARCHY\nbroken")
    with pytest.raises(UserError) as alone:
        read_folder(source, shortest=100)
    with pytest.raises(UserError) as together:
        read_folder(source, shortest=100, workers=2)
    assert str(together.value) == str(alone.value)


def test_small_folders_are_read_without_further_processes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
    assert [usual_readers(size * BYTES_A_READER) for size in (0, 1, 3, 90)] == [1, 1, 3, 4]
    assert list(Readers(1).map(str, [2, 1])) == ["2", "1"]


CUTS = """STYLE_NAME,FW_START,FW_STOP,ID_START,ID_STOP,TR1_START,TR1_STOP
Old,20,150,N/A,N/A,10,9000
Neutral,5,180,0,190,,
"""


def test_100style_is_one_command(tmp_path: Path):
    """Of two styles the last is the test; the frames are those that the table beside them names."""
    names = [f"{style}/{style}_{kind}.bvh" for style in ("Neutral", "Old") for kind in ("FW", "ID", "TR1")]
    put(tmp_path, *names, fps=60.0)
    (tmp_path / "Frame_Cuts.csv").write_text(CUTS)
    folder = read("100style", tmp_path)
    assert (folder.dataset.actions, folder.dataset.fps) == (("FW", "ID", "TR1"), 60.0)
    lengths = {clip.name: len(clip.frames) for clip in folder.dataset.clips}
    assert lengths == {
        "train/Neutral/FW_1": 174, "train/Neutral/ID_1": 189, "train/Neutral/TR1_1": 199,
        "test/Old/FW_1": 129, "test/Old/ID_1": 199, "test/Old/TR1_1": 189,
    }  # fmt: skip
    clip = next(clip for clip in folder.dataset.clips if clip.name == "test/Old/FW_1")
    np.testing.assert_allclose(
        clip.frames[:, 3:6], differentiate_root(motion(3, fps=60.0).frames[20:150])[1:, 3:6], atol=1e-5
    )
    assert [(item.path, item.message) for item in folder.findings] == [
        ("Neutral/Neutral_TR1.bvh", "Frame_Cuts.csv does not name it: it is read whole"),
        ("Old/Old_ID.bvh", "Frame_Cuts.csv does not name it: it is read whole"),
    ]
    (tmp_path / "Frame_Cuts.csv").write_text(CUTS.replace("20,150", "21,150"))
    assert read("100style", tmp_path).dataset.key != folder.dataset.key
    (tmp_path / "Frame_Cuts.csv").write_text(CUTS.replace("20,150", "200,250"))
    assert "names frames 200 to 250, and it has 200" in str(read("100style", tmp_path).findings)
    (tmp_path / "Frame_Cuts.csv").unlink()
    assert "is not there: recordings are read whole" in str(read("100style", tmp_path).findings[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "not a table of frame cuts"),
        ("STYLE_NAME,FW_START\nOld,1\n", "has a column FW_START and none called FW_STOP"),
        ("STYLE_NAME,FW_START,FW_STOP\nOld,9,3\n", r"cuts\.csv:2: FW of 'Old' is '9' to '3'"),
        ("STYLE_NAME,FW_START,FW_STOP\nOld,inf,3\n", r"cuts\.csv:2: FW of 'Old' is 'inf' to '3'"),
    ],
)
def test_a_table_of_cuts_that_cannot_be_read_is_told(tmp_path: Path, text: str, said: str):
    (tmp_path / "cuts.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        read_frame_cuts(tmp_path / "cuts.csv")


def test_bandai_namco_is_one_command(tmp_path: Path):
    names = [f"dataset-1_{kind}_{style}_{take:03}.bvh" for kind in ("walk", "walk-turn-left")
             for style in ("active", "tired") for take in (1, 2)]  # fmt: skip
    put(tmp_path / "dataset" / "data", *names, fps=30.0)
    folder = read("bandai_namco", tmp_path)
    assert not folder.findings
    assert (folder.dataset.actions, folder.dataset.fps) == (("walk", "walk-turn-left"), 30.0)
    assert {clip.name for clip in folder.dataset.split("test")} == {
        f"test/tired/{kind}_{take}" for kind in ("walk", "walk-turn-left") for take in (1, 2)
    }
