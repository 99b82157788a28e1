"""The folder for what may be made again: parsed data sets, compiled programs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(chosen: str = "") -> Path:
    """`chosen` if it is given; else `motion_jax` below $XDG_CACHE_HOME or `~/.cache`."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "motion_jax"
    return (Path(chosen) if chosen else usual).expanduser()
