"""Claims: which of several workers trains a run. The folder of a sweep is the queue, a lock in a run's the claim.

The system gives a lock up when its holder dies, however it dies: so what a killed worker had claimed is free again, and
nothing has to be cleaned up. The run's own lock (`train/workdir.py`) is another file: it guards the writing alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from motion_jax.errors import UserError
from motion_jax.train.workdir import CANNOT_LOCK

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

CLAIM = ".claim"  # in a run's folder


@contextmanager
def claims() -> Iterator[Claims]:
    """The claims of this worker, given up at the end of the block."""
    held = Claims()
    try:
        yield held
    finally:
        for folder in list(held.folders):
            held.release(folder)


class Claims:
    """What this worker has claimed."""

    def __init__(self) -> None:
        self.folders: dict[Path, IO[str] | None] = {}  # with the open file that is locked

    def claim(self, folder: Path, needed: bool) -> bool:
        """Whether this worker has claimed the run in `folder` now; False where another one holds it.

        Args:
            folder: of the run; made where missing.
            needed: whether there are other workers: where the system cannot lock, a single one goes on without.

        Raises:
            UserError: the folder cannot be written, or cannot be locked and `needed`.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / CLAIM).open("w")
        except OSError as error:
            raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
        reason = "this system has no flock"
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.folders[folder] = file
                return True
            except BlockingIOError:
                file.close()
                return False
            except OSError as error:
                reason = error.strerror or str(error)
                if error.errno not in CANNOT_LOCK:
                    needed = True
        file.close()
        if needed:
            raise UserError(f"{folder}: cannot be locked ({reason}): several workers cannot share this folder")
        self.folders[folder] = None
        return True

    def release(self, folder: Path) -> None:
        """Gives the claim on `folder` up."""
        if file := self.folders.pop(folder):
            file.close()
