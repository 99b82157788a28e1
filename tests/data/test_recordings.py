"""Files below a folder: all that are motion are found, and no other is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from motion_jax.data.datasets import cmu
from motion_jax.data.recordings import find_recordings
from motion_jax.data.trees import read_tree
from motion_jax.data.walk import walk_files
from motion_jax.errors import UserError


def put(root: Path, *paths: str, text: str = "HIERARCHY\n") -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def found(root: Path, *exclude: str, strict: bool = False) -> tuple[list[str], list[str]]:
    paths, findings = find_recordings(root, exclude, strict)
    return paths, [f"{item.severity} {item}" for item in findings]


def test_linked_folders_are_entered_and_circles_end(tmp_path: Path):
    store = put(tmp_path / "store", "S3/walk_1.bvh")
    root = put(tmp_path / "recordings", "S1/walk_1.bvh")
    (root / "S3").symlink_to(store / "S3")
    (root / "S1" / "again").symlink_to(root)
    (store / "S3" / "self").symlink_to(".")
    assert [path.relative_to(root).as_posix() for path in walk_files(root)] == ["S1/walk_1.bvh", "S3/walk_1.bvh"]
    assert found(root) == (["S1/walk_1.bvh", "S3/walk_1.bvh"], [])


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path):
    put(tmp_path, "S1/walk_1.bvh")
    (tmp_path / "S2").symlink_to(tmp_path / "gone")
    assert found(tmp_path)[1] == ["warning S2: passed over: a link that leads nowhere"]


def test_what_systems_and_editors_leave_behind_is_not_seen(tmp_path: Path):
    put(tmp_path, "S1/walk_1.bvh", "S1/._walk_1.bvh", "__MACOSX/S1/._walk_1.bvh", "__MACOSX/S1/walk_1.bvh",
        "S1/.ipynb_checkpoints/walk_1-checkpoint.bvh", ".DS_Store")  # fmt: skip
    assert found(tmp_path, strict=True) == (["S1/walk_1.bvh"], [])


def test_neither_are_they_in_a_published_tree(grow):
    root = grow(cmu.LAYOUT, ("walking",), frames=2)
    put(root, "train/walking/._walking_1.txt", "train/.ipynb_checkpoints/a.txt", "test/__MACOSX/b.txt", "train/c.txt")
    assert read_tree(cmu.LAYOUT, root, "walking").extra == ("train/c.txt",)


def test_a_linked_folder_of_a_published_tree_is_read(grow, tmp_path: Path):
    root = grow(cmu.LAYOUT, ("walking",), frames=2)
    (root / "train" / "walking").rename(tmp_path / "elsewhere")
    put(tmp_path / "elsewhere", "notes.txt")
    (root / "train" / "walking").symlink_to(tmp_path / "elsewhere")
    tree = read_tree(cmu.LAYOUT, root, "walking")
    assert (len(tree.recordings), tree.extra) == (6, ("train/walking/notes.txt",))


def test_other_files_are_passed_over_and_named_by_kind(tmp_path: Path):
    put(tmp_path, "S1/walk_1.bvh", "S1/walk_1.wav", "S1/walk_1.fbx", "S1/marks.c3d", "01.asf")
    put(tmp_path, "README.txt", text="Four recordings.\n")
    put(tmp_path, "S1/walk_1.txt", text="hello, world\n")
    put(tmp_path, "S1/rows.txt", text="\n" + ",".join(["0"] * 99) + "\n")
    (tmp_path / "shape.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    paths, findings = found(tmp_path)
    assert paths == ["S1/rows.txt", "S1/walk_1.bvh"]
    assert sorted(findings) == [
        "warning README.txt: passed over: its first line is not 99 or 117 numbers, as in a motion file; so is "
        "S1/walk_1.txt",
        "warning S1/marks.c3d: passed over: C3D holds no rotations of joints",
        "warning S1/walk_1.fbx: passed over: no motion file; so is S1/walk_1.wav",
        "warning shape.npz: passed over: it holds no motion (no body, SMPL parameters or positions of a known body)",
    ]
    assert all(line.startswith("error ") for line in found(tmp_path, strict=True)[1])


def test_a_long_list_is_counted(tmp_path: Path):
    put(tmp_path, "a.bvh", *(f"{number}.wav" for number in range(9)))
    assert found(tmp_path)[1] == [
        "warning 0.wav: passed over: no motion file; so are 1.wav, 2.wav, 3.wav, 4.wav, 5.wav and 3 more"
    ]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [("*_2.bvh", ["S1/walk_1.bvh", "old/run_1.bvh"]), ("old", ["S1/walk_1.bvh", "S1/walk_2.bvh"]),
     ("S1/*", ["old/run_1.bvh"]), ("walk_[12].bvh", ["old/run_1.bvh"])],
)  # fmt: skip
def test_names_and_paths_are_left_out(tmp_path: Path, pattern: str, left: list[str]):
    put(tmp_path, "S1/walk_1.bvh", "S1/walk_2.bvh", "old/run_1.bvh")
    assert found(tmp_path, pattern, strict=True) == (left, [])


def test_a_pattern_that_leaves_nothing_out_is_warned_of(tmp_path: Path):
    assert "--exclude=*.BVH leaves nothing out" in found(put(tmp_path, "a.bvh"), "*.BVH")[1][0]


def test_no_motion_at_all_says_what_was_there(tmp_path: Path):
    with pytest.raises(UserError, match=r"looked for \.bvh.*; notes\.md: passed over: no motion file"):
        found(put(tmp_path, "notes.md"))
