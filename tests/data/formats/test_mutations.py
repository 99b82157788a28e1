"""A few hundred broken files of every format: refused or read, in bounded time and memory; `mutate` reads thousands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_broken_files_are_refused_or_read(tmp_path: Path):
    command = [sys.executable, "-m", "tests.data.formats.mutate", "--count=400", "--seed=7", f"--samples={tmp_path}"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "400 inputs: " in ended.stdout
    assert ", 0 faults" in ended.stdout
