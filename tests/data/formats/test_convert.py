"""The command, from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.formats import read_motion

ROOT = Path(__file__).parents[3]


def convert(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launch.convert", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_file_is_reported_resampled_and_written_in_another_unit(put, arm, tmp_path):
    source, output = put(arm), tmp_path / "new" / "x.npz"
    done = convert(
        f"--input={source}", f"--output={output}", "--input_fps=20", "--fps=40", "--output_unit_mm=1", "--report"
    )
    assert done.returncode == 0, done.stderr
    assert "body         f: 3 joints" in done.stdout
    assert "frames       2 at 20 per second: 0.050 s" in done.stdout
    assert done.stdout.endswith(f"wrote {output}: 3 frames at 40 per second, unit 1 mm\n")
    found = read_motion(output)
    np.testing.assert_allclose(found.frames[:, :3], [[0, 0, 0], [35, 40, 45], [70, 80, 90]])
    assert [path.name for path in output.parent.iterdir()] == ["x.npz"]


def test_the_input_stays_whatever_is_asked_for(put, arm, tmp_path):
    source = put(arm)
    done = convert(f"--input={source}", f"--output={tmp_path}/../{tmp_path.name}/f.bvh", "--overwrite")
    assert done.returncode == 2
    assert "f.bvh is the input: it must be another file" in done.stderr
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


def test_a_folder_is_converted_file_by_file_and_a_bad_one_is_named(folder, tmp_path):
    output = tmp_path / "out"
    done = convert(f"--input={folder}", f"--output={output}", "--format=npz", "--fps=50")
    assert done.returncode == 2
    written = {path.relative_to(output).as_posix() for path in output.rglob("*.*")}
    assert written == {"a.npz", "deep/a.npz", "linked/a.npz"}  # as find -L lists them
    assert done.stdout.count("wrote ") == 3
    assert "error: " + str(folder / "broken.bvh") in done.stderr
    assert done.stderr.splitlines()[-1] == f"error: --input={folder}: 1 of 4 files failed, named above"
    assert len(read_motion(output / "a.npz").frames) == 3


def test_strict_stops_at_the_first_bad_file(folder, tmp_path):
    done = convert(f"--input={folder}/broken.bvh,{folder}/a.bvh", f"--output={tmp_path}/out", "--strict")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "out").iterdir())


def test_patterns_and_lists_keep_names(folder, tmp_path):
    done = convert(f"--input={folder}/a.*,{folder}/deep/*.bvh", f"--output={tmp_path}/out")
    assert done.returncode == 2
    assert f"out/a.bvh would be written twice, of {folder}/a.bvh and of {folder}/deep/a.bvh" in done.stderr
    acclaim = Path(__file__).parent / "samples" / "small.amc"
    done = convert(f"--input={folder}/[a]*.bvh,{acclaim}", f"--output={tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.bvh", "small.bvh"]
    assert (tmp_path / "out" / "a.bvh").read_text().split() == (folder / "a.bvh").read_text().split()
    assert (
        f"{tmp_path}/out/a.bvh is there already"
        in convert(f"--input={folder}/[a]*.bvh", f"--output={tmp_path}/out").stderr
    )


def test_a_home_folder_is_meant_by_a_tilde(put, arm, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    put(arm)
    done = convert("--input=~/f.bvh", "--output=~/out/g.bvh")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "g.bvh").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input=none/*.bvh", "--report"], "--input=none/*.bvh: no motion file there: looked for .bvh"),
        (["--input=a.bvh", "--output=b.bvh", "--input_fps=0"], "--input_fps=0: it must be a finite number"),
        (["--input=a.bvh", "--output=b", "--format=.amc"], "--format=.amc: it must be one of .bvh, .txt, .npz"),
        (["--input=a.bvh", "--output=c.txt", "--output_unit_mm=1"], "c.txt: --output_unit_mm=1: it must not be given"),
        (["--input=a.bvh", "--output=aa"], "aa: suffix '' is unknown: it must be one of .bvh, .txt, .npz\n"),
        (["--input=a.bvh,b.bvh", "--output=c.bvh"], "--output: c.bvh names a file: it must be a folder for several"),
        (["--input=none.bvh", "--report"], "none.bvh: cannot be read: No such file"),
    ],
)
def test_a_mistake_is_one_line(flags, message):
    done = convert(*flags)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
