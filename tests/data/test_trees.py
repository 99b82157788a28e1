"""Trees -> data sets: which file becomes which clip."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.datasets import cmu, h36m
from motion_jax.data.expmap import read_expmap
from motion_jax.data.layouts import Layout, choose_actions, find_tree
from motion_jax.data.trees import content_key, hash_tree, read_cmu, read_h36m, read_tree, write_tree
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import SKELETONS

CMU_LENGTHS = {"basketball": 577, "jumping": 2086, "running": 163, "soccer": 598, "walking": 359, "washwindow": 2754}
"""Lines of the test files, as `wc -l` counts them."""

CMU_KEPT = "0-5,9-13,15-19,27-31,33-37,42-59,66-68,70-72,75-77,80,84-86,93-95,97-99,102-104,107,111-113"
"""Columns that move, LearnTrajDep's `dim_used` for CMU."""


def test_the_order_of_actions_is_the_published_one():
    assert (len(h36m.ACTIONS), len(cmu.ACTIONS)) == (15, 8)
    assert (h36m.ACTIONS[0], h36m.ACTIONS[-1], cmu.ACTIONS[1]) == ("walking", "walkingtogether", "basketball_signal")


@pytest.mark.parametrize(("layout", "files", "tests"), [(h36m.LAYOUT, 210, 30), (cmu.LAYOUT, 48, 8)])
def test_a_complete_tree_has_the_published_number_of_files(layout: Layout, files: int, tests: int):
    trials = layout.trials(layout.actions)
    assert len({trial.path for trial in trials}) == files
    assert sum(trial.split == "test" for trial in trials) == tests
    assert set(layout.halved) <= {trial.path for trial in trials if trial.split == "test"}


@pytest.mark.parametrize("below", ["", "dataset", "h3.6m/dataset"])
def test_h36m_is_found_and_read(grow, tmp_path: Path, below: str):
    grow(h36m.LAYOUT, ("eating", "walking"), frames=3, root=f"tree/{below}")
    dataset = read_h36m(tmp_path / "tree")
    assert (dataset.name, dataset.skeleton, dataset.fps) == ("h36m", SKELETONS["h36m"], 50.0)
    assert dataset.actions == ("walking", "eating")
    assert len(dataset.clips) == 28
    assert {clip.subject for clip in dataset.split("test")} == {"S5"}
    assert {clip.subject for clip in dataset.split("train")} == {"S1", "S6", "S7", "S8", "S9", "S11"}
    clip = next(clip for clip in dataset.clips if clip.name == "train/S7/eating_2")
    assert (clip.source, clip.trial, clip.frames.dtype) == ("S7/eating_2.txt", 2, np.float32)
    np.testing.assert_array_equal(clip.frames, read_expmap(tmp_path / "tree" / below / clip.source, 99))


def test_cmu_is_read(grow):
    dataset = read_cmu(grow(cmu.LAYOUT, ("walking", "soccer", "jumping"), frames=3), actions="walking, jumping")
    assert (dataset.name, dataset.skeleton, dataset.fps) == ("cmu", SKELETONS["cmu"], 120.0)
    assert dataset.actions == ("jumping", "walking")
    assert [clip.name for clip in dataset.split("test")] == ["test/jumping_1", "test/walking_1"]
    assert [clip.trial for clip in dataset.split("train")] == [1, 2, 3, 4, 5] * 2
    assert {clip.frames.shape for clip in dataset.clips} == {(3, 117)}


def test_written_trees_read_as_the_data_set_that_they_hold(grow, tmp_path: Path):
    for layout, read in ((h36m.LAYOUT, read_h36m), (cmu.LAYOUT, read_cmu)):
        dataset = read(grow(layout, layout.actions[:2], frames=2, root=layout.name))
        write_tree(layout, tmp_path / "copy", dataset)
        again = read(tmp_path / "copy")
        assert [clip.name for clip in again.clips] == [clip.name for clip in dataset.clips]
        for one, other in zip(again.clips, dataset.clips, strict=True):
            np.testing.assert_array_equal(one.frames, other.frames)
        assert again.key == dataset.key  # the same numbers in the same form are the same bytes
    with pytest.raises(UserError, match="117 columns: layout 'h36m' has 99"):
        write_tree(h36m.LAYOUT, tmp_path / "wrong", read_cmu(tmp_path / "cmu"))


def test_the_key_names_the_content_and_nothing_else(grow):
    one = grow(cmu.LAYOUT, ("walking",), frames=3)
    other = grow(cmu.LAYOUT, ("walking",), frames=3, root="elsewhere")
    assert read_cmu(one).key == read_cmu(other).key
    hashes = hash_tree(cmu.LAYOUT, one)
    assert hashes == read_tree(cmu.LAYOUT, one).hashes
    keys = {content_key(cmu.LAYOUT, actions, hashes) for actions in (("walking",), cmu.ACTIONS)}
    changed = content_key(cmu.LAYOUT, cmu.ACTIONS, hashes | {"train/walking/walking_1.txt": "0"})
    layout = content_key(dataclasses.replace(cmu.LAYOUT, fps=60.0), cmu.ACTIONS, hashes)
    assert len(keys | {changed, layout}) == 4
    (other / "test/walking/walking_1.txt").write_text("0\n")
    assert hash_tree(cmu.LAYOUT, one) != hash_tree(cmu.LAYOUT, other)


def test_every_faulty_file_is_named_at_once(grow):
    root = grow(h36m.LAYOUT, ("walking",), frames=2)
    (root / "S6/walking_1.txt").write_text("")
    (root / "S9/walking_2.txt").write_text("1,2\n")
    (root / "S1/walking_1.txt").unlink()
    (root / "S1/walking_1.txt").mkdir()
    with pytest.raises(UserError) as caught:
        read_h36m(root)
    message = str(caught.value)
    assert message.startswith("3 errors: ")
    for piece in (
        "S6/walking_1.txt: the file is empty",
        "S9/walking_2.txt:1: 2 columns",
        "S1/walking_1.txt: cannot be",
    ):
        assert f"{root}/{piece}" in message


def test_long_lists_of_errors_are_cut(grow):
    root = grow(cmu.LAYOUT, cmu.ACTIONS[:4], frames=2)
    for path in root.rglob("*.txt"):
        path.write_text("1\n")
    with pytest.raises(UserError) as caught:
        read_cmu(root)
    assert str(caught.value).count(".txt:1: 1 columns") == 20
    assert str(caught.value).startswith("24 errors: ")
    assert str(caught.value).endswith("| and 4 more")


def test_folders_and_actions_that_are_not_there(tmp_path: Path, grow):
    with pytest.raises(UserError, match=r"data\.root='.*nowhere': no such folder"):
        read_h36m(tmp_path / "nowhere")
    with pytest.raises(
        UserError, match=r"no 'h36m' tree: it must hold folders like S1, .* below dataset or h3\.6m/dat"
    ):
        read_h36m(tmp_path)
    with pytest.raises(UserError, match=r"data\.actions='walking,flying': unknown action 'flying'; .*washwindow"):
        read_cmu(grow(cmu.LAYOUT, ("walking",), frames=2), actions="walking,flying")
    with pytest.raises(UserError, match="no action"):
        choose_actions(" , ", cmu.ACTIONS)


def test_the_real_cmu_files(shared_data: Path):
    assert find_tree(cmu.LAYOUT, shared_data) == shared_data / "cmu_mocap"
    dataset = read_cmu(shared_data)
    assert (len(dataset.clips), len(dataset.split("train")), len(dataset.split("test"))) == (38, 32, 6)
    assert dataset.actions == cmu.ACTIONS
    assert {clip.action: len(clip.frames) for clip in dataset.split("test")} == CMU_LENGTHS
    assert sum(len(clip.frames) for clip in dataset.clips) == 40331
    halved = {clip.source: -(-len(clip.frames) // 2) for clip in dataset.split("test")}
    assert halved == cmu.LAYOUT.halved  # the golden lengths of the published test windows


def test_the_real_cmu_columns_that_move(shared_data: Path):
    train = read_cmu(shared_data).split("train")
    kept = [column for part in CMU_KEPT.split(",") for column in _span(part)]
    assert len(kept) == 70
    assert _moving([clip.frames for clip in train]) == kept
    assert set(kept) - set(_moving([clip.frames[1:] for clip in train])) == {80, 107}  # they move in the T-pose alone


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _moving(parts: list[np.ndarray]) -> list[int]:
    return np.flatnonzero(np.concatenate(parts).astype(np.float64).std(axis=0) > 1e-4).tolist()
