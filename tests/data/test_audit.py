"""The audit finds what was planted, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data.audit import audit
from motion_jax.data.datasets import LAYOUTS, cmu, h36m
from motion_jax.data.expmap import read_expmap, write_expmap
from motion_jax.data.findings import Finding, raise_errors, sort_findings
from motion_jax.data.trees import read_tree
from motion_jax.errors import UserError


def audited(root: Path, name: str = "h36m", actions: str = "walking", **fields) -> list[str]:
    """What the audit says, as `severity path:line: message`."""
    config = DataConfig(name=name, root=str(root), actions=actions, **fields)
    return [f"{item.severity} {item}" for item in audit(read_tree(LAYOUTS[name], root, actions), config)]


def test_a_sound_tree_has_no_findings(grow):
    assert audited(grow(h36m.LAYOUT, ("walking",))) == []


def _copy(root: Path, source: str, *targets: str) -> None:
    for target in targets:
        shutil.copy(root / source, root / target)


def _edit(root: Path, path: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    frames = read_expmap(root / path, 99)
    write_expmap(root / path, change(frames))


def _fast(frames: np.ndarray) -> np.ndarray:
    frames[:, :3] = 400  # mm in 20 ms
    return frames


PLANTED = {
    "torn": (
        lambda root: (root / "S1/walking_1.txt").write_text("0.5,0.25"),
        "error S1/walking_1.txt:1: 2 columns: it must have 99 (the file ends within this line: it is torn)",
    ),
    "missing": (
        lambda root: [(root / f"S{n}/walking_2.txt").unlink() for n in (6, 5)],
        "warning S5/walking_2.txt: is missing, and so is S6/walking_2.txt",
    ),
    "unexpected": (
        lambda root: _copy(root, "S1/walking_1.txt", "S1/Walking_3.txt"),
        "warning S1/Walking_3.txt: belongs to no trial of layout 'h36m' and is not read",
    ),
    "constant": (
        lambda root: _edit(root, "S7/walking_1.txt", lambda frames: frames * 0),
        "warning S7/walking_1.txt: nothing moves: all 340 frames are equal",
    ),
    "flying": (
        lambda root: _edit(root, "S7/walking_1.txt", _fast),
        "warning S7/walking_1.txt: the body moves at 34.6 m/s in half of the frames, more than 12: columns 1-3 must be "
        "differences to the previous frame in units of 1 mm at 50 Hz",
    ),
    "no_window": (
        lambda root: _edit(root, "S1/walking_2.txt", lambda frames: frames[:148]),
        "error S1/walking_2.txt: 74 frames at data.stride=2: a window of 50+25 needs 75",
    ),
    "no_training_draw": (
        lambda root: _edit(root, "S1/walking_2.txt", lambda frames: frames[:182]),
        "warning S1/walking_2.txt: 91 frames at data.stride=2: training windows that begin at row 16 or later "
        "need 92",
    ),
    "no_test_draw": (
        lambda root: _edit(root, "S5/walking_2.txt", lambda frames: frames[:332]),
        "warning S5/walking_2.txt: 166 frames at data.stride=2: the published test windows need 167",
    ),
    "copy_within_training": (
        lambda root: _copy(root, "S6/walking_1.txt", "S8/walking_2.txt"),
        "warning S6/walking_1.txt: the train file has the same content as S8/walking_2.txt (train)",
    ),
    "copy_of_a_test_file": (
        lambda root: _copy(root, "S5/walking_1.txt", "S8/walking_2.txt"),
        "error S8/walking_2.txt: the train file has the same content as S5/walking_1.txt (test): a test file must not "
        "be trained on; data.allow_duplicates=True accepts it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANTED)
def test_what_is_planted_is_found_and_nothing_else(grow, case: str):
    plant, expected = PLANTED[case]
    root = grow(h36m.LAYOUT, ("walking",))
    plant(root)
    assert audited(root) == [expected]


def test_one_row_less_is_the_limit_of_every_length(grow):
    root = grow(h36m.LAYOUT, ("walking",))
    _edit(root, "S1/walking_2.txt", lambda frames: frames[:183])
    _edit(root, "S5/walking_2.txt", lambda frames: frames[:333])
    assert audited(root) == []
    assert len(audited(root, skip_first_row=True)) == 1  # of test clips it stays
    assert any("a window of 250+25 needs 275" in line for line in audited(root, source_length=250))


def test_accepted_duplicates_are_warned_of(grow):
    root = grow(h36m.LAYOUT, ("walking",))
    _copy(root, "S5/walking_1.txt", "S8/walking_2.txt")
    [line] = audited(root, allow_duplicates=True)
    assert line.startswith("warning S8/walking_2.txt: the train file has the same content as S5/walking_1.txt (test)")


def test_two_broken_files_are_not_duplicates_of_each_other(grow):
    root = grow(h36m.LAYOUT, ("walking",))
    for path in ("S5/walking_1.txt", "S8/walking_2.txt"):
        (root / path).write_text("")
    assert [line.split()[0] for line in audited(root)] == ["error", "error"]
    assert all("empty" in line for line in audited(root))


def test_a_down_sampled_tree_is_known_by_its_published_lengths(grow):
    root = grow(h36m.LAYOUT, ("walking",))
    for path, length in (("S5/walking_1.txt", 1500), ("S5/walking_2.txt", 1261)):
        write_expmap(root / path, np.resize(read_expmap(root / path, 99), (length, 99)))
    [line] = audited(root)
    assert line.startswith("warning S5/walking_1.txt: it has 1500 frames, as many as every second row")
    assert "data.stride must be 1" in line


def test_an_action_that_was_asked_for_must_have_files(grow):
    root = grow(cmu.LAYOUT, ("walking",))
    missing = [line for line in audited(root, "cmu", "all") if "is missing" in line]
    assert len(missing) == 7
    assert all(line.startswith("warning") for line in missing)
    [line] = audited(root, "cmu", "walking,soccer")
    assert line.startswith("error train/soccer/soccer_1.txt: is missing, and so are train/soccer/soccer_2.txt, ")
    assert line.endswith("test/soccer/soccer_1.txt")


def test_all_errors_are_raised_in_one_message(grow):
    root = grow(h36m.LAYOUT, ("walking",))
    (root / "S1/walking_1.txt").write_text("")
    (root / "S6/walking_2.txt").unlink()
    _copy(root, "S5/walking_1.txt", "S8/walking_2.txt")
    findings = audit(read_tree(h36m.LAYOUT, root), DataConfig(name="h36m", root=str(root)))
    assert findings == sort_findings(reversed(findings))
    with pytest.raises(UserError) as caught:
        raise_errors(findings, root)
    assert str(caught.value).startswith(f"2 errors: {root}/S1/walking_1.txt: the file is empty")
    assert f"| {root}/S8/walking_2.txt: the train file" in str(caught.value)
    raise_errors([Finding("warning", "f", None, "harmless")])


def test_the_real_cmu_files(shared_data: Path):
    lines = audited(shared_data, "cmu", "all")
    assert all(line.startswith("warning") for line in lines)
    missing = " ".join(line for line in lines if "missing" in line)
    assert missing.count(".txt") == 10
    short = [line for line in lines if "training windows" in line]
    assert len(short) == 4
    assert all("train/running/" in line for line in short)
    assert len(lines) == 3 + 4
