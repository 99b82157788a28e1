"""Files that readers of labelled data share: which there are, and their text."""

from __future__ import annotations

import fnmatch
import hashlib
from pathlib import Path

from motion_jax.data.walk import walk_files
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file


def find_files(root: Path, pattern: str) -> list[str]:
    """Paths below `root`, with slashes, of the files whose name `pattern` (with * and ?) matches, by name.

    Raises:
        UserError: no file is called so, or a folder cannot be read.
    """
    found = [path for path in walk_files(root) if fnmatch.fnmatchcase(path.name.lower(), pattern.lower())]
    if not found:
        raise UserError(f"{root}: no file in it is called like {pattern!r}")
    return [path.relative_to(root).as_posix() for path in found]


def read_bytes(path: Path) -> tuple[bytes, str]:
    """The content of a file and its sha256. Raises `UserError` if it cannot be read."""
    try:
        with open_file(path) as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    return content, hashlib.sha256(content).hexdigest()
