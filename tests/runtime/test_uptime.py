"""The age of a process, by the clock of the one that started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motion_jax.runtime import uptime

CHILD = """
import time
first = time.monotonic()
from motion_jax.runtime.uptime import seconds_since_start
print(seconds_since_start(), first, time.monotonic())
"""
TICK = 0.02  # twice the kernel's


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when a process began")
def test_imports_count():
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).absolute().parents[2]), "JAX_PLATFORMS": "cpu"}
    begun = time.monotonic()
    said = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True)
    age, first, last = map(float, said.stdout.split())
    assert last - begun + TICK > age > last - first - TICK


def test_without_proc_it_counts_from_the_import(monkeypatch: pytest.MonkeyPatch):
    def absent(self: Path) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", absent)
    before = time.monotonic() - uptime._LOADED
    assert before <= uptime.seconds_since_start() <= time.monotonic() - uptime._LOADED
