"""The files below a folder, as every reader of a tree lists them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from motion_jax.errors import UserError

_MACOS = "__MACOSX"  # a folder that macOS puts into archives


def walk_files(folder: Path) -> Iterator[Path]:
    """Everything below `folder` that is no folder, by name.

    Linked folders are entered as `find -L` enters them; one that leads back to a folder above itself is not. Names that
    begin with a dot and `__MACOSX`, files and folders alike, are not listed: editors, archives and systems make them.
    A link that leads nowhere is listed: whoever reads it says so.

    Raises:
        UserError: a folder cannot be read.
    """
    return _below(folder, ())


def _below(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    try:
        here = folder.stat()
        above = (*above, (here.st_dev, here.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name == _MACOS:
            continue
        if not entry.is_dir():
            yield folder / entry.name
            continue
        status = entry.stat()
        if (status.st_dev, status.st_ino) not in above:
            yield from _below(folder / entry.name, above)
