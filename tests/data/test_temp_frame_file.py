"""What is spooled comes back, and forgetting loses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.temp_frame_file import TempFrameFile, release_pages
from motion_jax.errors import UserError

FRAMES = np.arange(4000 * 7, dtype=np.float32).reshape(4000, 7)


def test_rows_come_back():
    spool = TempFrameFile(7)
    parts = (FRAMES[:3], FRAMES[:0], FRAMES[3:2000], FRAMES[2000:])
    rows = [spool.append(part) for part in parts]
    frames = spool.close()
    assert (frames.dtype, frames.flags.writeable) == (np.float32, False)
    np.testing.assert_array_equal(frames, FRAMES)
    for at, part in zip(rows, parts, strict=True):
        release_pages(frames[at])
        np.testing.assert_array_equal(frames[at], part)


def test_nothing():
    spool = TempFrameFile(7)
    assert spool.append(FRAMES[:0]) == slice(0, 0)
    assert spool.close().shape == (0, 7)


def test_forgetting_keeps_what_lies_nowhere_else(tmp_path: Path):
    np.save(tmp_path / "a.npy", FRAMES)
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[5, 2] = -1
    shown = private[4:7]
    shown.flags.writeable = False
    plain = FRAMES.copy()
    for array in (shown, plain, plain[3:], plain.T):
        release_pages(array)
    assert private[5, 2] == -1
    np.testing.assert_array_equal(plain, FRAMES)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"absent: cannot be written: No such file or directory \(TMPDIR names"):
        TempFrameFile(7)
