"""Arrays of numpy's files, .npz and .npy, opened by hand and without pickle.

An array's header says how much it takes before any of it is read, so that a small file cannot ask for endless memory.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.pickles import object_advice
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file

MAX_BYTES = 9 << 24  # of all arrays together: as many numbers as text may hold, and what describes them
MAX_ARRAYS = 64

_BROKEN = (
    zipfile.BadZipFile, zlib.error, ValueError, EOFError, OverflowError, NotImplementedError, RuntimeError, KeyError,
    SyntaxError, TypeError, MemoryError, UnicodeError,
)  # fmt: skip


class Header(NamedTuple):
    """What an array's header says."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool  # whether its numbers lie column by column

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """An open .npz: the names of its arrays; what they hold is read when asked for, `most` bytes at most."""

    def __init__(self, path: Path, file: zipfile.ZipFile, most: int) -> None:
        self.path, self.most = path, most
        self._file = file
        self._taken = 0
        members = file.infolist()
        if len(members) > MAX_ARRAYS:
            raise UserError(f"{path}: {_found(members)}: it must be {MAX_ARRAYS} at most, of {most} together")
        self._members = {member.filename.removesuffix(".npy"): member for member in members}
        if len(self._members) < len(members):
            names = [member.filename for member in members]
            twice = next(name for name in names if names.count(name) > 1 or f"{name}.npy" in names)
            raise UserError(f"{path}: holds array {twice[:64]!r} twice: names must be unique")

    @property
    def names(self) -> tuple[str, ...]:
        """Of its arrays, in the file's order."""
        return tuple(self._members)

    def header(self, name: str) -> Header:
        """What an array claims to be. Raises `UserError` if it is larger than the archive says, or holds no numbers."""
        with _named_errors(self.path), self._open(name) as file:
            return _checked_header(file, self._members[name].filename, self._members[name].file_size, self.path)

    def holds_objects(self, name: str) -> bool:
        """Whether an array holds objects, which only a pickle can; it is not read."""
        with _named_errors(self.path), self._open(name) as file:
            return _header(file, self._members[name].filename).dtype.kind == "O"

    def read(self, name: str) -> np.ndarray:
        """One array. Raises `UserError`."""
        member = self._members[name]
        with _named_errors(self.path), self._open(name) as file:
            header = _checked_header(file, member.filename, member.file_size, self.path)
            self._taken += header.size
            if self._taken > self.most:
                raise UserError(f"{self.path}: array {name[:64]!r}: more than {self.most} bytes of arrays together")
            return _array(file, header, member.filename, self.path)

    def read_all(self) -> dict[str, np.ndarray]:
        """Every array. Raises `UserError`, before any is read if they are too large together."""
        members = list(self._members.values())
        if sum(member.file_size for member in members) > self.most:
            raise UserError(f"{self.path}: {_found(members)}: it must be {MAX_ARRAYS} at most, of {self.most} together")
        return {name: self.read(name) for name in self._members}

    def _open(self, name: str) -> IO[bytes]:
        return self._file.open(self._members[name])


@contextmanager
def open_archive(path: Path, content: bytes | None = None, most: int | None = None) -> Iterator[Archive]:
    """Opens an .npz, or what was read of it; of its arrays `most` bytes are read at most. Raises `UserError`."""
    with _named_errors(path):
        _check_not_empty(path)
        opened = open_file(path) if content is None else io.BytesIO(content)
    with opened:
        with _named_errors(path):
            file = zipfile.ZipFile(opened)
        yield Archive(path, file, MAX_BYTES if most is None else most)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz archive, by its name. Raises `UserError`."""
    with open_archive(path) as archive:
        return archive.read_all()


def read_array_header(path: Path) -> Header:
    """What the array of an .npy file claims to be. Raises `UserError`."""
    with _named_errors(path), open_file(path) as file:
        return _checked_header(file, path.name, path.stat().st_size, path)


def read_array(path: Path) -> np.ndarray:
    """The array of an .npy file. Raises `UserError`."""
    with _named_errors(path):
        _check_not_empty(path)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: has {size} bytes: it must be at most {MAX_BYTES}")
        with open_file(path) as file:
            return _array(file, _checked_header(file, path.name, size, path), path.name, path)


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(f"{path}: is not a file of numpy's: {' '.join(str(error).split())[:200]}") from None


def _found(members: list[zipfile.ZipInfo]) -> str:
    return f"{len(members)} arrays of {sum(member.file_size for member in members)} bytes"


def _check_not_empty(path: Path) -> None:
    with open_file(path) as file:
        if not os.fstat(file.fileno()).st_size:
            raise UserError(f"{path}: the file is empty")


def _checked_header(file: IO[bytes], name: str, most: int, path: Path) -> Header:
    """The header of the array that begins here, of numbers or text that fit into `most` bytes with it."""
    header = _header(file, name)
    if header.dtype.kind == "O":
        raise UserError(f"{path}: array {name[:64]!r} is object: it must be numbers or text; {object_advice(path)}")
    if header.dtype.kind not in "biufUS" or not header.dtype.itemsize:
        raise UserError(f"{path}: array {name[:64]!r} is {header.dtype}: it must be numbers or text")
    if any(length < 0 for length in header.shape) or header.size > most:
        raise UserError(f"{path}: array {name[:64]!r} claims another size than {most} bytes")
    return header


def _array(file: IO[bytes], header: Header, name: str, path: Path) -> np.ndarray:
    """The numbers that follow a header."""
    data = file.read(header.size)
    if len(data) < header.size:
        raise UserError(
            f"{path}: array {name[:64]!r} is cut off: {list(header.shape)} {header.dtype} are {header.size} bytes"
        )
    array = np.frombuffer(data, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
    return array.astype(header.dtype.newbyteorder("="))


def _header(file: IO[bytes], name: str) -> Header:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"version {version} of an array's header")
        shape, fortran, dtype = read(file, max_header_size=4096)
    except (ValueError, SyntaxError, TypeError, KeyError, TokenError) as error:
        raise ValueError(f"array {name[:64]!r}: {error}") from None
    return Header(shape, dtype, fortran)
