"""Memory: how much of it this process may still take, how much it has, and how it gives back what it does not use."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

import jax

_GROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", "total_inactive_file"),
)
"""Of control groups, the second version and the first: limit, use, and what of the use is copies of files."""
_ROOT = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes that the process may still take: what the machine has free, or its control group; None where neither can be
    told. Memory that holds copies of files counts as free.
    """
    found = [value for value in (_of_machine(), *map(_of_group, _group_folders())) if value is not None]
    return min(found, default=None)


def device_memory() -> int | None:
    """Bytes that JAX may take of a device; None of a CPU, whose memory is the machine's."""
    statistics = jax.local_devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    return (statistics or {}).get("bytes_limit")


def memory_in_use() -> int | None:
    """Bytes in use on the first local device; on a CPU, of this process. None where that cannot be told."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "bytes_in_use" in statistics:
        return int(statistics["bytes_in_use"])
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def give_back_memory() -> None:
    """Returns to the system what the allocator holds and nothing uses; takes some milliseconds.

    The allocator of glibc keeps freed pieces between used ones, in an arena for each of some threads: compiling leaves
    a hundred megabytes of them, and each save may add a page where its pieces fit nowhere. Others need no telling.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # of another C library
            ctypes.CDLL(None).malloc_trim(0)


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:  # other systems do not say what is free: half of what there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 if sys.platform != "win32" else None
    except (OSError, ValueError):
        return None


def _group_folders() -> list[Path]:
    """Of the process's group and those above it: any of them may set a limit."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = _ROOT / controllers
        here = top / path.lstrip("/")
        folders += [folder for folder in (here, *here.parents) if folder == top or top in folder.parents]
    return folders


def _of_group(folder: Path) -> int | None:
    for limit, use, statistics, cache in _GROUPS:
        try:
            most, used = int((folder / limit).read_text()), int((folder / use).read_text())
            lines = (line.split() for line in (folder / statistics).read_text().splitlines())
            return max(0, most - used + next((int(value) for name, value in lines if name == cache), 0))
        except (OSError, ValueError):  # not this version's, or no limit ("max")
            continue
    return None
