"""Frames that are read and not yet written: on disk, so that a tree of any size takes the memory of one file."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path

import numpy as np

from motion_jax.errors import UserError


class TempFrameFile:
    """A temporary file of `[*, D]` float32 rows; it has no name, so nothing is left of it when the process ends.

    It lies in `folder`, else where the system keeps temporary files, which on some machines is memory.
    """

    def __init__(self, columns: int, folder: Path | None = None) -> None:
        self._shape = (0, columns)
        self._folder = folder
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the object
        except OSError as error:
            raise unwritable(error, folder) from None

    def append(self, frames: np.ndarray) -> slice:
        """Keeps `[F, D]`; returns where its rows lie. Raises `UserError` where the disk is full."""
        begin = self._shape[0]
        self._shape = (begin + len(frames), self._shape[1])
        try:
            self._file.write(np.ascontiguousarray(frames, np.float32).data)
        except OSError as error:
            raise unwritable(error, self._folder) from None
        return slice(begin, self._shape[0])

    def __del__(self) -> None:
        if hasattr(self, "_file"):  # it could be opened
            self._file.close()

    def close(self) -> np.ndarray:
        """All rows `[F, D]`, mapped and read-only."""
        try:
            self._file.flush()
        except OSError as error:
            raise unwritable(error, self._folder) from None
        with self._file:
            if not self._shape[0]:  # nothing cannot be mapped
                return np.zeros(self._shape, np.float32)
            return np.memmap(self._file, np.float32, "r", shape=self._shape)


def release_pages(frames: np.ndarray) -> None:
    """Gives the pages of a mapped file back; they are read again where they are wanted again.

    What a process has read of a mapped file counts as its memory. Whoever walks over many clips says here that it is
    done with one. Of an array that is not mapped nothing is lost.
    """
    while isinstance(frames.base, np.ndarray):
        frames = frames.base
    mapped, shared = frames.base, not frames.flags.writeable  # a private page that was written lies nowhere else
    if isinstance(mapped, mmap.mmap) and shared and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def unwritable(error: OSError, folder: Path | None = None) -> UserError:
    """What is said of a temporary file that cannot be written, in `folder` or where the system keeps them."""
    if folder is not None:
        return UserError(f"{folder}: cannot be written: {error.strerror}")
    place = tempfile.gettempdir()
    return UserError(f"{place}: cannot be written: {error.strerror} (TMPDIR names another place for temporary files)")
