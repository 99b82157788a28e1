"""Files of the user's: paths as they are typed, and files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from motion_jax.errors import UserError


def user_path(path: str | Path) -> Path:
    """A path as it was typed: `~` and `~NAME` at its start mean a home folder.

    Raises:
        UserError: it begins with `~`, and whose home that is cannot be told.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no HOME and no entry in the password database, or no such user
        raise UserError(f"{path}: whose home folder '~' means cannot be told; give the path in full") from None


def check_writable(path: str | Path) -> None:
    """Makes the path's folder where missing; to be called before hours of work.

    Raises:
        UserError: the path is a folder, or a file cannot be written there.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the name of a file in it")
    probe = _draft(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


@contextmanager
def written_atomically(path: str | Path) -> Iterator[Path]:
    """A draft beside `path`, with its suffix: it replaces the file when the block ends well, else it is removed.

    The draft is on disk before it is renamed, so that neither a crash nor a full disk leaves half a file under `path`.

    Raises:
        UserError: the system refused to write (of the block's own exceptions only `OSError` becomes one).
    """
    path = Path(path)
    draft = _draft(path)
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text whole or not at all. Raises `UserError` if it cannot be written."""
    with written_atomically(path) as draft:
        draft.write_text(text, encoding="utf-8")


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
