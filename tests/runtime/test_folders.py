"""Folders appear whole or not at all; the next process removes what a killed one left, never what a live one makes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable
from motion_jax.runtime.folders import check_folder_writable, temporary_folder_in, written_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from motion_jax.runtime.folders import written_folder
with written_folder(Path(sys.argv[1])) as draft:
    (draft / "half").write_text("of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_makes_stays(tmp_path: Path):
    folder = tmp_path / "data"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], env=environment)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".data.")
    other_machine = tmp_path / f".data.{'0' * 32}"
    for foreign in (other_machine, tmp_path / ".data.mine"):
        foreign.mkdir()
    with written_folder(folder) as live:
        assert not left.exists()
        with written_folder(folder) as second:
            (second / "text").write_text("second")
        assert live.is_dir()
        (live / "text").write_text("live")
    assert (folder / "text").read_text() == "live"
    assert sorted(path.name for path in tmp_path.iterdir()) == [other_machine.name, ".data.mine", "data"]


def test_a_folder_that_fails_leaves_what_was_there(tmp_path: Path):
    folder = tmp_path / "data"
    with written_folder(folder) as draft:
        (draft / "text").write_text("first")
    with pytest.raises(UserError, match=r"data: cannot be written: No space left on device"):
        _write(folder, lambda draft: OSError(28, "No space left on device"))
    with pytest.raises(UserError, match=rf"^{folder}/text: 3 columns$"):
        _write(folder, lambda draft: UserError(f"{draft}/text: 3 columns"))
    with pytest.raises(UserError, match=r"data: cannot be written: Directory not empty"), written_folder(folder, False):
        pass
    assert (folder / "text").read_text() == "first"
    with temporary_folder_in(tmp_path, ".parts") as parts:
        assert parts.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_link_is_followed_and_stays_and_one_that_leads_nowhere_is_refused_at_once(tmp_path: Path):
    disk, link = tmp_path / "disk" / "data", tmp_path / "link"
    disk.mkdir(parents=True)
    link.symlink_to(disk)
    for text in ("first", "second"):
        check_folder_writable(link)
        with written_folder(link) as draft:
            assert draft.parent == disk.parent  # of another disk it could not be moved
            (draft / "text").write_text(text)
        assert (link.is_symlink(), (disk / "text").read_text()) == (True, text)
    (tmp_path / "dangling").symlink_to("gone/data")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "to_file").symlink_to("file")
    nowhere = rf"dangling: cannot be written: \S+/dangling is a link to {tmp_path}/gone/data, which is not there$"
    for name, told in (
        ("dangling", nowhere),
        ("dangling/below/x", nowhere.replace("dangling:", "dangling/below/x:", 1)),
        ("loop", "loop is a link to"),
        ("to_file", "to_file: cannot be written: it is a file, not a folder"),
        ("file", "file: cannot be written: it is a file, not a folder"),
    ):
        for refuse in (check_folder_writable, lambda folder: _write(folder, lambda draft: AssertionError())):
            with pytest.raises(UserError, match=told):
                refuse(tmp_path / name)
    with pytest.raises(UserError, match="dangling is a link to"):
        check_writable(tmp_path / "dangling" / "card.json")
    assert not (tmp_path / "gone").exists()
    assert (tmp_path / "file").read_text() == "kept"


def _write(folder: Path, fail: Callable[[Path], Exception]) -> None:
    with written_folder(folder) as draft:
        (draft / "text").write_text("second")
        raise fail(draft)
