"""Arrays of numpy's files, .npz and .npy, opened by hand and without pickle.

An array's header says how much it takes before any of it is read, so that a small file cannot ask for endless memory.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from motion_jax.errors import UserError

MAX_BYTES = 9 << 24  # of all arrays together: as many numbers as text may hold, and what describes them

_BROKEN = (
    zipfile.BadZipFile, zlib.error, ValueError, EOFError, OverflowError, NotImplementedError, RuntimeError, KeyError,
    SyntaxError, TypeError, MemoryError, UnicodeError,
)  # fmt: skip


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz archive, by its name. Raises `UserError`."""
    try:
        _check_not_empty(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            declared = sum(member.file_size for member in members)
            if len(members) > 64 or declared > MAX_BYTES:
                found = f"{len(members)} arrays of {declared} bytes"
                raise UserError(f"{path}: {found}: it must be 64 at most, of {MAX_BYTES} together")
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    name = member.filename
                    arrays[name.removesuffix(".npy")] = _array(file, name, member.file_size, path)
            return arrays
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(f"{path}: is not a file of numpy's: {str(error)[:200]}") from None


def read_array(path: Path) -> np.ndarray:
    """The array of an .npy file. Raises `UserError`."""
    try:
        _check_not_empty(path)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: has {size} bytes: it must be at most {MAX_BYTES}")
        with path.open("rb") as file:
            return _array(file, path.name, size, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(f"{path}: is not a file of numpy's: {str(error)[:200]}") from None


def _check_not_empty(path: Path) -> None:
    if not path.stat().st_size:
        raise UserError(f"{path}: the file is empty")


def _array(file: IO[bytes], name: str, most: int, path: Path) -> np.ndarray:
    """The array that begins here, of at most `most` bytes with its header."""
    shape, dtype, fortran = _header(file)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biufU" or not dtype.itemsize:
        raise UserError(f"{path}: array {name[:64]!r} is {dtype}: it must be numbers or text")
    if any(length < 0 for length in shape) or size > most:
        raise UserError(f"{path}: {name[:64]!r} claims another size than {most} bytes")
    data = file.read(size)
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, bool]:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of an array's header")
    shape, fortran, dtype = read(file, max_header_size=4096)
    return shape, dtype, fortran
