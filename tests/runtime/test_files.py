"""Files of the user's are read only where they are files, by every reader of recordings and tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_jax.data.expmap import read_expmap
from motion_jax.data.formats import read_markers, read_motion
from motion_jax.data.frame_cuts import read_frame_cuts
from motion_jax.data.frame_files import read_frames
from motion_jax.data.input_files import find_inputs
from motion_jax.data.labelled.files import read_bytes
from motion_jax.data.prepared_folder import map_rows
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file
from motion_jax.skeletons.joint_map import read_table

READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "bvh": ("a.bvh", read_motion),
    "htr": ("a.htr", read_motion),
    "text": ("a.txt", lambda path: read_expmap(path, 3)),
    "npz": ("a.npz", read_motion),
    "npy": ("a.npy", lambda path: read_frames(path, 3)),
    "c3d": ("a.c3d", read_markers),
    "labelled": ("a.skeleton", read_bytes),
    "cuts": ("a.csv", read_frame_cuts),
    "joints": ("a.csv", read_table),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_or_a_device_is_refused(reader: str, tmp_path: Path):
    """A pipe would be waited for, and the zeros of a device never end."""
    name, read = READERS[reader]
    os.mkfifo(tmp_path / name)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / name).symlink_to("/dev/zero")
    told = "it is a pipe or a device, not a file|it is a pipe, a device or a folder|has 0 bytes"
    for path in (tmp_path / name, tmp_path / "link" / name):
        with pytest.raises(UserError, match=rf"^{path}\b.*({told})"):
            read(path)


def test_a_damaged_header_of_numpy_is_told(tmp_path: Path):
    """Whatever the parser of Python's literals makes of it."""
    path, frames = tmp_path / "a.npy", np.zeros((9, 4), np.float32)
    np.save(path, frames)
    content, end = path.read_bytes(), path.stat().st_size - frames.nbytes
    told = []
    for bit in range(8 * end):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        for read in (lambda: read_frames(path, 4), lambda: map_rows(path, (9, 4), "", "manifest.json")):
            try:
                read()
            except UserError as error:
                told.append(str(error))
    assert len(told) > 8 * end
    assert [line for line in told if "\n" in line or not line.startswith(str(path))] == []


def test_whoever_looks_into_a_file_goes_on_where_it_is_none(tmp_path: Path):
    os.mkfifo(tmp_path / "a.txt")
    assert list(find_inputs(str(tmp_path / "a.txt"), (".txt",)).files) == [tmp_path / "a.txt"]  # reading tells
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)
