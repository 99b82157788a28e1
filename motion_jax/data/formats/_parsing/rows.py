"""Files of text: their bytes, and the rows of numbers in them, read fast and refused by line.

A file may hold anything. Its size, the length of a line and the count of numbers are bounded before memory is taken.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from motion_jax.data.finite import LARGEST
from motion_jax.data.text_files import MAX_NUMBERS, plain_lines, read_bytes
from motion_jax.errors import UserError

_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LINES = 1024  # parsed at once
_TAIL_BYTES = 1 << 16
_NUMBER_BYTES = 64  # no number is written longer
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")


def fail(source: Path | str, line: int, message: str) -> NoReturn:
    """Raises `UserError` at a line, counted from 1."""
    raise UserError(f"{source}:{line}: {message}")


def read_lines(path: Path) -> bytes:
    """A text file's content as `plain_lines` has it. Raises `UserError`."""
    try:
        data = read_bytes(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        fail(path, 1, "begins with the mark of UTF-16: it must be ASCII or UTF-8")
    return plain_lines(data)


def decode(data: bytes, path: Path) -> tuple[str, str]:
    """Text of the first lines of a file, and its encoding: UTF-8, or else Latin-1, which reads names byte by byte.

    Raises `UserError` with the line of a control character.
    """
    strange = _CONTROL.search(data)
    if strange:
        fail(path, data.count(b"\n", 0, strange.start()) + 1, f"byte 0x{strange[0].hex()} is not text")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def decode_name(data: bytes) -> str:
    """A name as text: of UTF-8, or else of Latin-1, byte by byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def decimal_comma(word: bytes) -> str:
    """What to add to an error where a number has a comma for its point."""
    return (
        "; with a decimal point, not a comma" if b"," in word and _NUMBER.fullmatch(word.replace(b",", b".", 1)) else ""
    )


def read_rows(
    body: bytes, first_line: int, columns: int, source: Path | str, width: int = 0, names: Sequence[str] = ()
) -> np.ndarray:
    """Rows of `columns` numbers that motion can have, one a line: `[F, columns]` float64, F may be 0.

    White space parts them. Blank lines are passed over. `first_line` is the number of the body's first. A row counts as
    `width` numbers, if it will become more than its columns. `names` are the columns'. Raises `UserError` with the line
    and the column.
    """
    longest = _NUMBER_BYTES * (columns + 4)
    reader, line = io.BytesIO(body), first_line
    blocks, numbers, width = [np.empty((0, columns))], 0, max(width, columns)
    while lines := list(itertools.islice(iter(lambda: reader.readline(longest + 1), b""), _LINES)):
        for number, content in enumerate(lines, line):
            if len(content) > longest:
                fail(source, number, f"a line of more than {longest} bytes: it must hold {columns} numbers")
        blocks.append(_rows(lines, line, columns, source, names))
        line, numbers = line + len(lines), numbers + len(blocks[-1]) * width
        if numbers > MAX_NUMBERS:
            fail(source, line, f"more than {MAX_NUMBERS} numbers: the file must be cut into several")
    if not body.endswith(b"\n"):
        _check_tail(body, line - 1, source)
    return np.concatenate(blocks)


def _check_tail(body: bytes, line: int, source: Path | str) -> None:
    """A file that ends without a newline may have lost the end of its last number; the numbers above it can show it."""
    rows = [row.split()[-1] for row in body[-_TAIL_BYTES:].split(b"\n") if row.strip()]
    widths = {len(number.partition(b".")[2]) for number in rows[:-1]}  # of a fixed format they are all one
    if len(widths) == 1 and widths != {0} and len(rows[-1].partition(b".")[2]) < min(widths):
        found = f"the last number, {rows[-1][:32].decode('ascii', 'backslashreplace')!r}, is cut short"
        fail(source, line, f"{found}: it must have {min(widths)} characters after its point like those above it")


def _rows(lines: list[bytes], first_line: int, columns: int, source: Path | str, names: Sequence[str]) -> np.ndarray:
    """What numpy reads of a few lines; where that is not what it must be, the first faulty line is named."""
    full = [line for line in lines if not line.isspace()]
    try:
        if not full:
            return np.empty((0, columns))
        rows = np.loadtxt([line.decode("ascii") for line in full], np.float64, comments=None, ndmin=2)
    except ValueError:  # UnicodeDecodeError is one
        rows = np.empty((0, 0))
    if rows.shape != (len(full), columns) or not (np.abs(rows) <= LARGEST).all():
        _name_fault(lines, first_line, columns, source, names)
    return rows


def _name_fault(
    lines: list[bytes], first_line: int, columns: int, source: Path | str, names: Sequence[str]
) -> NoReturn:
    for number, line in enumerate(lines, first_line):
        words = line.split()
        for column, word in enumerate(words, 1):
            if not _NUMBER.fullmatch(word) or abs(float(word)) > LARGEST:
                shown = word[:32].decode("ascii", "backslashreplace")
                allowed = f"it must be a decimal number within ±{LARGEST:.0f}{decimal_comma(word)}"
                name = f" ({names[column - 1]})" if column <= len(names) else ""
                fail(source, number, f"number {column}{name} is {shown!r}: {allowed}")
        if words and len(words) != columns:
            fail(source, number, f"{len(words)} numbers: it must have {columns}, one for each channel")
    fail(source, first_line, f"this line or one of the next {len(lines)} is not {columns} numbers")
