"""Prepared folders: a manifest in JSON and arrays `[F, D]` float32, opened without reading them into memory.

A folder appears complete or not at all (`runtime.folders.written_folder`). On opening, the size that the
manifest promises is held against each file before anything is mapped, and every byte against its sha256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple, TypeVar

import numpy as np

from motion_jax.errors import UserError
from motion_jax.runtime.files import digest, user_path
from motion_jax.runtime.folders import check_folder_writable

_DTYPE = np.dtype("<f4")

T = TypeVar("T")


class Kind(NamedTuple):
    """What a folder holds."""

    title: str  # as "data set"
    manifest: str  # its name
    format: int  # of the folder; raise it when an older reader would misread a newer folder

    def is_at(self, folder: Path | str) -> bool:
        """Whether a folder claims to be one."""
        return (user_path(folder) / self.manifest).is_file()

    def check_target(self, folder: Path | str, arrays: Callable[[str], bool]) -> None:
        """To be called before anything is read; makes the folder's parent where missing.

        Raises `UserError` where a folder to be written cannot be, or holds what is neither the manifest nor one of
        `arrays`.
        """
        try:
            names = sorted(path.name for path in user_path(folder).iterdir())
        except FileNotFoundError:
            names = []
        except OSError as error:
            raise UserError(f"{folder}: cannot become a prepared {self.title}: {error.strerror}") from None
        if foreign := [name for name in names if name != self.manifest and not arrays(name)]:
            raise UserError(f"{folder}: holds {foreign[0]!r}: it must be empty, new, or a prepared {self.title}")
        check_folder_writable(user_path(folder).absolute())

    def text(self, fields: dict[str, Any]) -> str:
        """The manifest of plain values, `format` among them, with their digest."""
        return json.dumps({**fields, "digest": digest(fields)}, indent=1) + "\n"

    def parse(self, text: str, source: str, read: Callable[[dict[str, Any]], T]) -> T:
        """What `read` makes of a manifest's fields; `source` names it in errors.

        Raises:
            UserError: it is of another version, was changed or damaged, or `read` finds a field missing or wrong.
        """
        try:
            fields = json.loads(text)
            if fields["format"] != self.format:
                raise UserError(
                    f"{source}: a prepared {self.title} of format {fields['format']!r}; this version reads "
                    f"{self.format}: run motion-jax prepare again, with --overwrite"
                )
            if fields.pop("digest") != digest(fields):
                raise UserError(f"{source}: damaged or edited: its content does not match its digest")
            return read(fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{source}: not the manifest of a prepared {self.title}: {error!r}") from None

    def read(self, folder: Path | str, read: Callable[[dict[str, Any]], T]) -> T:
        """As `parse`, of a folder's manifest. Raises `UserError` also where it cannot be read."""
        path = user_path(folder) / self.manifest
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read: {error}") from None
        return self.parse(text, str(path), read)


def write_rows(path: Path, shape: tuple[int, int], parts: Iterable[np.ndarray]) -> str:
    """Writes arrays end to end, one at a time, and returns the file's sha256.

    A mapped file would die of a full disk, not raise.
    """
    with path.open("w+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": _DTYPE.str, "fortran_order": False, "shape": shape})
        for part in parts:
            file.write(np.ascontiguousarray(part, _DTYPE).data)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def map_rows(path: Path, shape: tuple[int, int], sha256: str, manifest: str) -> np.ndarray:
    """`[F, D]`, read-only. A header may lie: size and hash are checked before numpy believes it."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0(file)
            size = file.tell() + shape[0] * shape[1] * _DTYPE.itemsize
            if version != (1, 0) or header != (shape, False, _DTYPE):
                raise UserError(f"{path}: holds {header[0]} {header[2]}, but {manifest} promises {shape} {_DTYPE}")
            if path.stat().st_size != size:
                raise UserError(f"{path}: has {path.stat().st_size} bytes: it must have {size}")
            file.seek(0)
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise UserError(f"{path}: damaged or edited: its sha256 is not the one in {manifest}")
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError, TokenError) as error:
        what = " ".join(str(error).split())[:80]  # of a damaged header, whatever numpy stumbles over
        raise UserError(f"{path}: cannot be read: damaged: {what}") from None
