"""How long the process has been running: what a user waits for a first step or a first prediction."""

from __future__ import annotations

import os
import time
from pathlib import Path

_LOADED = time.monotonic()
_START_TIME = 22 - 3  # of /proc/PID/stat, whose second field, the name, ends with the last ")" (proc(5))


def seconds_since_start() -> float:
    """Seconds since the process was started, its imports included.

    Linux tells it to 10 ms. Elsewhere it is counted from when this file was loaded, and what came before is missing.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[_START_TIME])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.monotonic() - _LOADED
