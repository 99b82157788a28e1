"""The command, from outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_jax.data.formats import read_motion

Convert = Callable[..., Any]


@pytest.fixture
def convert(forked: Callable[..., list[Any]], tmp_path: Path) -> Convert:
    code = "from motion_jax.commands import convert\ncli.run(convert.main)"
    return lambda *flags: forked(code, [flags], tmp_path, HOME=str(tmp_path))[0]


def test_a_file_is_reported_resampled_and_written_in_another_unit(convert: Convert, put, arm, tmp_path):
    source, output = put(arm), tmp_path / "new" / "x.npz"
    done = convert(
        f"--input={source}", f"--output={output}", "--input_fps=20", "--fps=40", "--output_unit_mm=1", "--report"
    )
    assert done.status == 0, done.complaints
    assert "body         f: 3 joints" in done.out
    assert "frames       2 at 20 per second: 0.050 s" in done.out
    assert done.out.endswith(f"wrote {output}: 3 frames at 40 per second, unit 1 mm\n")
    found = read_motion(output)
    np.testing.assert_allclose(found.frames[:, :3], [[0, 0, 0], [35, 40, 45], [70, 80, 90]])
    assert [path.name for path in output.parent.iterdir()] == ["x.npz"]


def test_the_input_stays_whatever_is_asked_for(convert: Convert, put, arm, tmp_path):
    source = put(arm)
    done = convert(f"--input={source}", f"--output={tmp_path}/../{tmp_path.name}/f.bvh", "--overwrite")
    assert done.status == 2
    assert "f.bvh is the input: it must be another file" in done.complaints
    assert source.read_text() == arm


@pytest.fixture
def folder(put, arm, tmp_path) -> Path:
    """Two good files, one below the other, a broken one, and what is passed over."""
    for name in ("in/deep", "in/.hidden", "in/__MACOSX"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a.bvh", "deep/a.bvh", "._a.bvh", ".hidden/a.bvh", "__MACOSX/a.bvh"):
        put(arm, f"in/{name}")
    put("HIERARCHY", "in/broken.bvh")
    put("hello", "in/README.md")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "in" / "deep")
    return tmp_path / "in"


def test_a_folder_is_converted_file_by_file_and_a_bad_one_is_named(convert: Convert, folder, tmp_path):
    output = tmp_path / "out"
    done = convert(f"--input={folder}", f"--output={output}", "--format=npz", "--fps=50")
    assert done.status == 2
    written = {path.relative_to(output).as_posix() for path in output.rglob("*.*")}
    assert written == {"a.npz", "deep/a.npz", "linked/a.npz"}  # as find -L lists them
    assert done.out.count("wrote ") == 3
    assert "error: " + str(folder / "broken.bvh") in done.complaints
    assert done.complaints.splitlines()[-1] == f"error: --input={folder}: 1 of 4 files failed, named above"
    assert len(read_motion(output / "a.npz").frames) == 3


def test_strict_stops_at_the_first_bad_file(convert: Convert, folder, tmp_path):
    done = convert(f"--input={folder}/broken.bvh,{folder}/a.bvh", f"--output={tmp_path}/out", "--strict")
    assert done.status == 2
    assert done.complaints.count("\n") == 1
    assert not list((tmp_path / "out").iterdir())


def test_patterns_and_lists_keep_names(convert: Convert, folder, tmp_path):
    done = convert(f"--input={folder}/a.*,{folder}/deep/*.bvh", f"--output={tmp_path}/out")
    assert done.status == 2
    assert f"out/a.bvh would be written twice, of {folder}/a.bvh and of {folder}/deep/a.bvh" in done.complaints
    acclaim = Path(__file__).parent / "samples" / "small.amc"
    done = convert(f"--input={folder}/[a]*.bvh,{acclaim}", f"--output={tmp_path}/out")
    assert done.status == 0, done.complaints
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.bvh", "small.bvh"]
    assert (tmp_path / "out" / "a.bvh").read_text().split() == (folder / "a.bvh").read_text().split()
    assert (
        f"{tmp_path}/out/a.bvh is there already"
        in convert(f"--input={folder}/[a]*.bvh", f"--output={tmp_path}/out").complaints
    )


def test_a_home_folder_is_meant_by_a_tilde(convert: Convert, put, arm, tmp_path):
    put(arm)
    done = convert("--input=~/f.bvh", "--output=~/out/g.bvh")
    assert done.status == 0, done.complaints
    assert (tmp_path / "out" / "g.bvh").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input=none/*.bvh", "--report"], "--input=none/*.bvh: no motion file there: looked for .bvh"),
        (["--input=a.bvh", "--output=b.bvh", "--input_fps=0"], "--input_fps=0: it must be a finite number"),
        (["--input=a.bvh", "--output=b", "--format=.amc"], "--format=.amc: it must be one of .bvh, .txt, .npz, "),
        (["--input=a.bvh", "--output=c.txt", "--output_unit_mm=1"], "c.txt: --output_unit_mm=1: it must not be given"),
        (
            ["--input=a.bvh", "--output=aa"],
            "aa: suffix '' is unknown: it must be one of .bvh, .txt, .npz, .motion",
        ),
        (["--input=a.bvh,b.bvh", "--output=c.bvh"], "--output: c.bvh names a file: it must be a folder for several"),
        (["--input=none.bvh", "--report"], "none.bvh: cannot be read: No such file"),
    ],
)
def test_a_mistake_is_one_line(convert: Convert, flags, message):
    done = convert(*flags)
    assert done.status == 2
    assert done.complaints.startswith(f"error: {message}")
    assert done.complaints.count("\n") == 1
