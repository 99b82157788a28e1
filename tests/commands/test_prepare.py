"""`prepare` on folders of recordings: each flag reaches what it is for, and what is printed says what was done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from motion_jax.commands import cli
from motion_jax.config import DataConfig, Experiment, LabelsConfig
from motion_jax.data.cache import open_dataset
from motion_jax.data.formats import Motion, write_motion
from motion_jax.data.labelled.open import open_labelled
from motion_jax.data.prepared import read_manifest, read_prepared
from motion_jax.skeletons.skeleton import Joint, Skeleton

PREPARING = "from motion_jax.commands import prepare; cli.run(prepare.main)"
HIPS = Joint("Hips", None, "spine", (0, 0, 0))
BODY = Skeleton.from_table("made", (HIPS, Joint("Chest", "Hips", "spine", (0, 20, 0))), 10, translation_mm=10)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a flat folder of two long recordings and what lies beside them."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for seed, name in enumerate(("jump", "walk")):
        frames = np.sin(np.arange(400)[:, None] / 20 + np.random.default_rng(seed).uniform(0, 6, BODY.columns))
        write_motion(Motion(BODY, frames, 50.0, "made"), folder / f"{name}.bvh")
    (folder / "README.txt").write_text("Two recordings.\n")
    (folder / "._walk.bvh").write_bytes(b"\0\5\x16\7")
    return tmp_path


def prepare(forked: Callable, home: Path, *options: str) -> list:
    command = "--dataset=folder --source=~/recordings --out=~/out"
    return forked(PREPARING, [f"{command} {line}".split() for line in options], home, HOME=str(home))


def test_a_flat_folder_is_prepared_and_says_how_it_was_split(home: Path, forked):
    [done] = prepare(forked, home, "")
    assert (done.status, done.complaints) == (0, "")
    assert "warning: README.txt: passed over: its first line is not 99 or 117 numbers" in done.out
    assert "test: by file: walk.bvh, the last by name" in done.out
    assert "findings: 0 errors, 1 warnings" in done.out
    assert read_manifest(home / "out").split.startswith("by file: walk.bvh")
    assert not (home / "~").exists()


REFUSED = {
    "--strict": "README.txt: passed over: its first line is not 99 or 117 numbers, as in a motion file (--strict; ",
    "--test=lunch": "--test=lunch: no subject 'lunch': the paths name no subjects; --pattern says where",
    "--test=lunch --pattern={subject}": "--test=lunch: no subject 'lunch': it must be among jump, walk",
    "--input_fps=0": "--input_fps=0",
    "--unit_mm=1e30": "--unit_mm=1e+30: it must be a number of mm from 0.001 to 1000000",
    "--fps=-1": "--fps=-1",
    "--actions=fly": "error: --actions='fly': unknown action 'fly'; it must be all, or some of jump, walk",
    "--exclude=*.bvh": "no motion file in it",
    "--split=person": "--split=person: value should be one of <auto|subject|trial|file|time>",
}


def test_what_cannot_be_is_refused_in_a_line(home: Path, forked):
    for done, message in zip(prepare(forked, home, *REFUSED), REFUSED.values(), strict=True):
        assert done.status == 2
        assert done.complaints.startswith("error: ")
        assert done.complaints.count("\n") == 1
        assert message in done.complaints
    assert not (home / "out").exists()


def test_every_flag_reaches_what_it_is_for(home: Path, forked):
    [done] = prepare(forked, home, "--strict --exclude=*.txt,jump* --split=time --input_fps=100 --fps=100")
    assert done.status == 0, done.complaints
    assert "findings: 0 errors, 0 warnings" in done.out
    dataset = read_prepared(home / "out")
    assert (dataset.fps, dataset.actions) == (100.0, ("walk",))
    assert [(clip.split, len(clip.frames)) for clip in dataset.clips] == [("train", 248), ("test", 151)]


def test_an_older_data_set_is_replaced_only_when_told_so(home: Path, forked):
    first, refused, replaced = prepare(forked, home, "", "--exclude=jump*", "--exclude=jump* --split=time --overwrite")
    assert (first.status, refused.status, replaced.status) == (0, 2, 0)
    assert refused.complaints == (
        f"error: --out={home}/out: prepared data set 'folder' of 2 clips is there already; --overwrite replaces it\n"
    )
    assert refused.out == ""
    assert read_prepared(home / "out").actions == ("walk",)


def test_without_out_a_data_set_lies_where_its_name_finds_it(home: Path, forked, monkeypatch: pytest.MonkeyPatch):
    (home / "msr").mkdir()
    places = np.random.default_rng(0).uniform(1, 2, (2 * 20, 3))
    for action in (2, 3, 5, 6, 10, 13, 18, 20, 1, 7):  # AS1's, and two that are not of it; 7 is in the test alone
        for subject in (1, 2, 9) if action != 7 else (2,):
            rows = "".join(f"{x:.6f} {y:.6f} {z:.6f} 1.0\n" for x, y, z in places + action)
            (home / "msr" / f"a{action:02}_s{subject:02}_e01_skeleton3D.txt").write_text(rows)
    lines = ["--dataset=msr_action3d --source=msr"] * 2 + ["--dataset=folder --source=recordings"]
    caches = {"XDG_CACHE_HOME": str(home / "caches")}
    lines.append("--dataset=msr_action3d --source=msr --audit_only")
    labelled, again, clips, audited = forked(PREPARING, [line.split() for line in lines], home, **caches)
    assert "warning: msr: training would refuse this: class " in audited.out
    assert [each.status for each in (labelled, again, clips)] == [0, 2, 0], (labelled, again, clips)
    place = home / "caches" / "motion_jax" / "prepared"
    assert f"wrote {place}/msr_action3d: --config.data.name=msr_action3d finds it there\n" in labelled.out
    there = "a prepared labelled set is there already; --overwrite replaces it"
    assert again.complaints == f"error: --out={place}/msr_action3d: {there}\n"

    monkeypatch.setenv("XDG_CACHE_HOME", caches["XDG_CACHE_HOME"])
    wanted = DataConfig("msr_action3d", actions="as1")
    found = open_labelled(wanted, LabelsConfig())
    assert (len(found.classes), len(found.sequences)) == (8, 24)
    assert len(open_dataset(DataConfig("folder")).clips) == 2
    assert cli.absolute(Experiment(data=wanted)).data.root == f"{place}/msr_action3d"  # as a run's configuration says
    assert cli.absolute(Experiment(data=DataConfig("ntu"))).data.root == ""
