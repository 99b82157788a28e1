"""What a user names as input: files, folders, patterns, and what is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from motion_jax.data.input_files import find_inputs
from motion_jax.errors import UserError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("S1/a.bvh", "S1/b.BVH", "S2/a.bvh", "S2/notes.md", "S2/._a.bvh", "__MACOSX/a.bvh", "c,d.bvh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "S2" / "again").symlink_to(tmp_path / "S1")
    (tmp_path / "S1" / "round").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


CASES = {
    "S1/a.bvh": (["a.bvh"], False),
    "absent.bvh": (["absent.bvh"], False),
    "S2/notes.md": (["notes.md"], False),
    "c,d.bvh": (["c,d.bvh"], False),
    "S1/a.bvh, S1/b.BVH": (["a.bvh", "b.BVH"], True),
    "S1/*": (["a.bvh", "b.BVH"], True),
    "S?/a.bvh": (["S1/a.bvh", "S2/a.bvh"], True),
    "~/S?/a.bvh": (["S1/a.bvh", "S2/a.bvh"], True),
    "S2": (["a.bvh", "again/a.bvh", "again/b.BVH", "again/round/c,d.bvh"], True),
}


@pytest.mark.parametrize("value", CASES)
@pytest.mark.usefixtures("tree")
def test_what_is_named_is_found(value: str):
    found = find_inputs(value, (".bvh",))
    assert (sorted(map(str, found.files.values())), found.several) == CASES[value]
    assert all(path.name == name.name for path, name in found.files.items())


@pytest.mark.usefixtures("tree")
def test_nothing_found_is_told():
    for value in ("*.amc", "__MACOSX/*.amc"):
        with pytest.raises(UserError, match=r"--input=.*: no motion file there: looked for .amc, .htr"):
            find_inputs(value, (".amc", ".htr"))
    with pytest.raises(UserError, match="--input is empty"):
        find_inputs(" ,", (".bvh",))


def test_texts_beside_recordings_are_passed_over_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name, text in {"walk.txt": "0.5,1,2\n", "notes.txt": "Take 3, knee brace\n", "empty.txt": ""}.items():
        (tmp_path / name).write_text(text)
    for value in (str(tmp_path), str(tmp_path / "*.txt")):
        assert [path.name for path in find_inputs(value, (".txt",)).files] == ["empty.txt", "walk.txt"]
    assert "notes.txt: passed over" in caplog.text
    assert list(find_inputs(str(tmp_path / "notes.txt"), (".txt",)).files) == [tmp_path / "notes.txt"]
