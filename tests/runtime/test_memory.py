"""Memory that nothing uses is given back."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from motion_jax.runtime.memory import give_back_memory

PIECES, BYTES = 1024, 64 << 10  # each too small for the allocator to map it by itself


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_pieces_between_used_ones_leave_the_process() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("another allocator than glibc's")
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    pieces = [libc.malloc(BYTES) for _ in range(PIECES)]
    for piece in pieces:
        ctypes.memset(piece, 1, BYTES)
    freed, kept = [pieces[i::2] for i in (0, 1)]
    for piece in freed:
        libc.free(piece)
    before = _resident()
    give_back_memory()
    given = before - _resident()
    for piece in kept:
        libc.free(piece)
    assert given > 0.8 * len(freed) * BYTES
