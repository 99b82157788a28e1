"""Files of the user's: paths as they are typed, files that appear whole or not at all, records with a checksum."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from motion_jax.errors import UserError

DIGEST = "digest"
"""The field of a sealed record that holds the checksum of the others."""


def user_path(path: str | Path) -> Path:
    """A path as it was typed: `~` and `~NAME` at its start mean a home folder.

    Raises:
        UserError: it begins with `~`, and whose home that is cannot be told.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no HOME and no entry in the password database, or no such user
        raise UserError(f"{path}: whose home folder '~' means cannot be told; give the path in full") from None


def open_file(path: str | Path) -> io.BufferedReader:
    """Opens a file of the user's to be read.

    Raises:
        OSError: it cannot be, or is no file but a pipe or a device: one would wait for ever, the other never end.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return io.BufferedReader(io.FileIO(descriptor, "rb"))
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def read_file(path: str | Path) -> bytes:
    """The whole content. Raises `OSError` as `open_file`."""
    with open_file(path) as file:
        return file.read()


def check_links(path: Path) -> None:
    """Raises `UserError` where a path, or a folder above it, is a link that leads nowhere: no folder can be made so."""
    for each in (path, *path.parents):
        if each.is_symlink() and not each.exists():
            target = Path(os.path.realpath(each))
            raise UserError(f"{path}: cannot be written: {each} is a link to {target}, which is not there")


def check_writable(path: str | Path) -> None:
    """Makes the path's folder where missing; to be called before hours of work.

    Raises:
        UserError: the path is a folder, or a file cannot be written there.
    """
    path = Path(path)
    check_links(path.parent)
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
def written_atomically(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """A draft beside `path`, with its suffix: it replaces the file when the block ends well, else it is removed.

    The draft is on disk before it is renamed, so that neither a crash nor a full disk leaves half a file under `path`.
    Without `durable` it may be lost where the machine stops: for what is written again every second.

    Raises:
        UserError: the system refused to write (of the block's own exceptions only `OSError` becomes one).
    """
    path = Path(path)
    draft = _draft(path)
    try:
        yield draft
        if durable:
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
        draft.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # of a file system that has become read-only: what happened is told already
            draft.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, durable: bool = True) -> None:
    """Writes UTF-8 text whole or not at all. Raises `UserError` if it cannot be written."""
    with written_atomically(path, durable) as draft:
        draft.write_text(text, encoding="utf-8")


def sync_folder(folder: Path) -> None:
    """Puts on disk which names a folder holds, where the system can do that. Raises `OSError` of a failing disk."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Puts a folder on disk: every file and folder below it, itself, and its name. Raises `OSError`."""
    for path, _, files in os.walk(folder, topdown=False):
        for name in files:
            with (Path(path) / name).open("rb+") as file:
                os.fsync(file.fileno())
        sync_folder(Path(path))
    sync_folder(folder.parent)


def digest(fields: Any) -> str:
    """The sha256 of plain values."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def sealed(fields: dict[str, Any], indent: int | None = None) -> str:
    """A record as JSON, with a checksum of its values as the last field: what `unsealed` reads."""
    plain = json.loads(json.dumps(fields))  # tuples are lists, as they are when it is read
    return json.dumps({**plain, DIGEST: digest(plain)}, indent=indent) + "\n"


def unsealed(text: str, source: str, what: str) -> dict[str, Any]:
    """The fields of a sealed record, without the checksum.

    Args:
        text: what `sealed` made.
        source: names the file in errors.
        what: it is, in errors: "the record of a run".

    Raises:
        UserError: it is no such record, it has no checksum, or one that does not fit.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: damaged: not {what}: {error}") from None
    if not isinstance(fields, dict):
        raise UserError(f"{source}: damaged: not {what}")
    found = fields.pop(DIGEST, None)
    if found is None:
        raise UserError(
            f"{source}: has no checksum: {what} that was written by an earlier version of motion_jax, before checksums "
            f"(0.2), or is damaged; make it anew"
        )
    if found != digest(fields):
        raise UserError(f"{source}: damaged or edited: its content does not match its {DIGEST}")
    return fields


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
