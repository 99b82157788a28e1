"""Folders that appear whole or not at all, and folders for a while. What a killed process leaves, the next removes.

Each is locked while its process lives: so a dead one's can be told. Its name also says which machine made it, because
locks on a shared file system need not be seen from other machines, whose folders are left alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_links, sync_folder, sync_tree

try:
    import fcntl
except ImportError:  # Windows, which cannot open folders either
    fcntl = None

_ATTEMPTS = 8  # each failure means that another process has just been there


@contextmanager
def written_folder(folder: Path, replace: bool = True) -> Iterator[Path]:
    """A draft beside `folder`: it takes its place, on disk, when the block ends well, else it is removed.

    Args:
        folder: what is written; its parents are made where missing. Where it is a link to a folder, that one is
            written, and the link stays.
        replace: whether a folder that is there and not empty is replaced. Whoever comes last wins; readers keep what
            they have opened.

    Raises:
        UserError: the system refused to write (of the block's own exceptions only `OSError` becomes one); the block's
            own then name `folder` in place of the draft.
    """
    try:
        place = _place(folder)
        with temporary_folder_in(place.parent, f".{place.name}") as draft:
            try:
                yield draft
            except UserError as error:
                raise UserError(str(error).replace(str(draft), str(folder))) from None
            sync_tree(draft)
            _put_in_place(draft, place, replace)
            sync_folder(place.parent)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def check_folder_writable(folder: Path) -> None:
    """Makes the folder's parent where missing; to be called before hours of work.

    Raises:
        UserError: it is a file, is or lies below a link that leads nowhere, or cannot be written.
    """
    try:
        place = _place(folder)
        with temporary_folder_in(place.parent, f".{place.name}"):
            pass
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _place(folder: Path) -> Path:
    """Where a folder is written, with links followed; its parent is made. Raises `UserError` and `OSError`."""
    check_links(folder)
    place = folder.resolve() if folder.is_symlink() else folder
    if place.exists() and not place.is_dir():
        raise UserError(f"{folder}: cannot be written: it is a file, not a folder")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


@contextmanager
def temporary_folder_in(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder whose name begins with `prefix`, removed at the end of the block.

    What processes of this machine that were killed have left under such names is removed first, where folders can be
    locked.

    Raises:
        OSError: it cannot be made.
    """
    _remove_abandoned(parent, prefix)
    path, lock = _made(parent, prefix)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _made(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """A new folder and the open, locked file of it; another process may have taken it for an abandoned one."""
    for _ in range(_ATTEMPTS):
        path = _unique(parent, prefix)
        path.mkdir()
        try:
            lock = _lock(path)
        except (BlockingIOError, FileNotFoundError):
            continue
        if lock is None or path.is_dir():
            return path, lock
        os.close(lock)
    raise OSError(errno.EAGAIN, "another process removes what is made there", str(parent))


def _unique(parent: Path, prefix: str) -> Path:
    """A new name: 8 digits of the machine, 24 of chance."""
    return parent / f"{prefix}.{_machine()}{uuid.uuid4().hex[:24]}"


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _lock(path: Path) -> int | None:
    """An open file that holds the folder's lock until it is closed; None where the system cannot lock it.

    Raises `BlockingIOError` where another one holds it, `FileNotFoundError` where there is no such folder.
    """
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None


def _remove_abandoned(parent: Path, prefix: str) -> None:
    pattern = re.compile(rf"{re.escape(prefix)}\.{_machine()}[0-9a-f]{{24}}")
    found: list[Path] = []
    with suppress(OSError):
        found = [path for path in parent.iterdir() if pattern.fullmatch(path.name)]
    for path in found:
        with suppress(OSError):  # a live process's, or gone
            if (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _put_in_place(finished: Path, folder: Path, replace: bool) -> None:
    aside: list[Path] = []
    try:
        for _ in range(_ATTEMPTS):
            try:
                finished.replace(folder)  # at once, and only onto nothing or an empty folder
                return
            except OSError as error:
                if not replace or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            aside.append(_unique(folder.parent, f".{folder.name}"))
            with suppress(FileNotFoundError):  # another process has moved it first
                folder.replace(aside[-1])
        finished.replace(folder)
    finally:
        for path in aside:
            shutil.rmtree(path, ignore_errors=True)
