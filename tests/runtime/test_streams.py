"""A command whose reader has gone away does its work to the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, subprocess, sys
from motion_jax.runtime import streams
streams.survive_closed_pipes()
streams.survive_closed_pipes()
for number in range(3):
    print(number, "x" * 100_000)
    print(number, "x" * 100_000, file=sys.stderr)
streams.flush()
subprocess.run(["echo", "of a child"], check=True)
open("done", "w").close()
"""


def _run(folder: Path, stdout: int, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).absolute().parents[2])}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, env=environment, stdout=stdout, stderr=stderr, text=True
    )


def test_a_closed_pipe_is_no_fault(tmp_path: Path):
    reader, writer = os.pipe()
    os.close(reader)
    done = _run(tmp_path, writer)
    assert done.returncode == 0
    assert [line[:1] for line in done.stderr.splitlines()] == ["0", "1", "2"]
    assert (tmp_path / "done").exists()
    (tmp_path / "done").unlink()
    assert _run(tmp_path, writer, writer).returncode == 0
    assert (tmp_path / "done").exists()


def test_what_is_read_is_unchanged(tmp_path: Path):
    done = _run(tmp_path, subprocess.PIPE)
    assert (done.returncode, len(done.stderr)) == (0, 3 * 100_003)
    assert done.stdout.endswith("x\nof a child\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_told(tmp_path: Path):
    full = os.open("/dev/full", os.O_WRONLY)
    done = _run(tmp_path, full)
    os.close(full)
    assert done.returncode == 1
    assert done.stderr.endswith("UserError: standard output cannot be written: No space left on device\n")
