"""The rate that a user tells takes the place of the file's, in every format."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.expmap import write_expmap
from motion_jax.data.formats import read_markers, read_motion, write_motion
from motion_jax.errors import UserError
from tests.data.formats.c3d_bytes import build

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(params=[".bvh", ".amc", ".htr", ".bva", ".npz", ".txt"])
def file(request, tmp_path) -> Path:
    """A small file of each format that holds motion."""
    path = tmp_path / f"small{request.param}"
    if request.param == ".npz":
        write_motion(read_motion(SAMPLES / "small.bvh"), path)
    elif request.param == ".txt":
        write_expmap(path, np.zeros((4, 117)))
    else:
        shutil.copy(SAMPLES / "small.asf", tmp_path)
        shutil.copy(SAMPLES / path.name, path)
    return path


def test_the_rate_is_the_one_told_and_frames_stay(file):
    as_it_says, told = read_motion(file), read_motion(file, fps=48)
    assert told.fps == 48.0 != as_it_says.fps
    np.testing.assert_array_equal(told.frames, as_it_says.frames)
    assert not any("per second" in note for note in told.notes)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(file, fps):
    with pytest.raises(UserError, match=rf"^fps={fps:g}: it must be a finite number"):
        read_motion(file, fps=fps)


NONSENSE = {
    "small.bvh": (r"Frame Time:.*", "Frame Time: 0"),
    "small.htr": (r"DataFrameRate.*", "DataFrameRate 0"),
    "small.bva": (r"Frame Time:.*", "Frame Time: 0"),
    "small.amc": (r":DEGREES", ":DEGREES\n:SAMPLES-PER-SECOND 0"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_rate_of_the_file_that_is_none_no_longer_matters(tmp_path, name):
    for sample in (name, "small.asf"):
        shutil.copy(SAMPLES / sample, tmp_path)
    path, (old, new) = tmp_path / name, NONSENSE[name]
    path.write_text(re.sub(old, new, path.read_text()))
    with pytest.raises(UserError, match=r"(?i)(time|rate|second).*0"):
        read_motion(path)
    assert read_motion(path, fps=30).fps == 30


def test_markers_have_the_rate_that_is_told(put):
    path = put(build(), "small.c3d")
    assert (read_markers(path).fps, read_markers(path, fps=250).fps) == (100.0, 250.0)
