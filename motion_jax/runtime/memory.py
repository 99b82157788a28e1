"""Memory in use, for whoever watches a run."""

from __future__ import annotations

import os
from pathlib import Path

import jax


def device_memory() -> int | None:
    """Bytes in use on the first local device; on a CPU, of this process. None where that cannot be told."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_in_use" in statistics:
        return int(statistics["bytes_in_use"])
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
