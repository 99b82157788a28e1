"""The command, from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from motion_jax.data.formats import read_motion

ROOT = Path(__file__).parents[3]


def convert(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launch.convert", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_file_is_reported_resampled_and_written_in_another_unit(put, arm, tmp_path):
    source, output = put(arm), tmp_path / "new" / "x.npz"
    done = convert(f"--input={source}", f"--output={output}", "--fps=50", "--output_unit_mm=1", "--report")
    assert done.returncode == 0, done.stderr
    assert "body         f: 3 joints" in done.stdout
    assert done.stdout.endswith(f"wrote {output}: 3 frames at 50 per second, unit 1 mm\n")
    found = read_motion(output)
    np.testing.assert_allclose(found.frames[:, :3], [[0, 0, 0], [35, 40, 45], [70, 80, 90]])
    assert [path.name for path in output.parent.iterdir()] == ["x.npz"]


def test_the_input_stays_whatever_is_asked_for(put, arm, tmp_path):
    source = put(arm)
    done = convert(f"--input={source}", f"--output={tmp_path}/../{tmp_path.name}/f.bvh", "--overwrite")
    assert done.returncode == 2
    assert "f.bvh is the input: it must be another file" in done.stderr
    assert source.read_text() == arm
