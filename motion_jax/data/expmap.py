"""Exponential maps as text: one frame a line, numbers separated by commas, no header.

This is the form in which Human3.6M and CMU circulate (Jain 2016, Martinez 2017, Li 2018). numpy reads a sound file at
once; only a file that it refuses, or whose result looks odd, is read again line by line to say what is wrong where.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from motion_jax.data.findings import Finding, raise_errors
from motion_jax.data.text_files import MAX_NUMBERS, plain_lines, read_bytes
from motion_jax.errors import UserError
from motion_jax.runtime.files import written_atomically

PARSER_VERSION = 1  # raise it when the same bytes come to mean other frames: caches are keyed by it

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NAMED = 5  # faulty lines that are named one by one; the rest are counted
_NEIGHBOURS = 100  # lines before the last that show how its numbers are written
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_expmap(path: Path | str, columns: int | None = None) -> np.ndarray:
    """The frames of one file.

    Args:
        path: a text file.
        columns: D, how many numbers a line must hold; None: as many as the first line that is not blank.

    Returns:
        `[F, D]` float32: angles in radians, lengths in the unit of the file.

    Raises:
        UserError: the file cannot be read, or not every line is D finite numbers; it names file and line.
    """
    return load_expmap(path, columns)[0]


def load_expmap(path: Path | str, columns: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """What `read_expmap` returns, and what is odd about the file without being an error. Raises as it does."""
    try:
        data = read_bytes(Path(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    frames, findings = parse_expmap(data, columns, str(path))
    raise_errors(findings)
    return frames, tuple(f"line {item.line}: {item.message}" for item in findings)


def parse_expmap(data: bytes, columns: int | None, name: str) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Frames `[F, D]` float32 and what was found; no frames where a finding is an error. `name` leads the findings."""
    data = plain_lines(data)
    if columns is None and not data.strip():
        empty = Finding("error", name, None, "the file is empty: it must hold lines of numbers")
        return np.zeros((0, 1), np.float32), (empty,)
    if columns is None:
        columns = (data.lstrip().partition(b"\n")[0]).count(b",") + 1
    if data.count(b",") + data.count(b"\n") > MAX_NUMBERS:
        much = Finding("error", name, None, f"more than {MAX_NUMBERS} numbers: the file must be cut into several")
        return np.zeros((0, columns), np.float32), (much,)
    frames = _load(data, columns)
    faults = _diagnose(data, columns) if frames is None else _tail_faults(data)
    findings = tuple(Finding(severity, name, line or None, message) for severity, line, message in faults)
    if frames is None or any(item.severity == "error" for item in findings):
        return np.zeros((0, columns), np.float32), findings
    return frames, findings


def write_expmap(path: Path | str, frames: np.ndarray) -> None:
    """Writes frames `[F, D]` such that `read_expmap` returns the same float32 values, bit for bit.

    Raises:
        UserError: `frames` is not a table, is empty, or holds NaN or Inf; or the file cannot be written.
    """
    if frames.ndim != 2 or not frames.size:
        raise UserError(f"{path}: frames of shape {frames.shape} cannot be written: it must be [F, D], not empty")
    if not np.isfinite(frames).all():
        row, column = np.argwhere(~np.isfinite(frames))[0]
        raise UserError(f"{path}: frame {row}, column {column} is {frames[row, column]}: it must be finite")
    with written_atomically(path) as draft:
        np.savetxt(draft, frames.astype(np.float32), fmt="%.9g", delimiter=",")  # 9 digits identify a float32


_Fault = tuple[str, int, str]  # severity, line (0: the whole file), message


def _load(data: bytes, columns: int) -> np.ndarray | None:
    """What numpy reads, `[F, D]`; None where that is not exactly one row of finite numbers a line."""
    body = data.rstrip()
    if not body or not body.isascii():  # numpy only warns of an empty file, and reads bytes as Latin-1
        return None
    try:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is looked for below
            # comments=None: no character starts a comment in these files
            frames = np.loadtxt(io.BytesIO(body), np.float32, comments=None, delimiter=",", ndmin=2)
    except ValueError:
        return None
    lines = body.count(b"\n") + 1  # numpy skips blank lines
    return frames if frames.shape == (lines, columns) and np.isfinite(frames).all() else None


def _diagnose(data: bytes, columns: int) -> Iterator[_Fault]:
    """What is wrong with a file that is not sound; at least one error."""
    strange = re.search(rb"[\0\x80-\xff]", data)
    if not data.strip():
        yield "error", 0, f"the file is empty: it must hold lines of {columns} numbers"
    elif data.startswith(_UTF16_MARKS):
        yield "error", 1, "begins with the byte order mark of UTF-16: the file must be plain ASCII text"
    elif strange is not None:
        line = data.count(b"\n", 0, strange.start()) + 1
        yield "error", line, f"byte 0x{strange[0].hex()} is not text: the file must be plain ASCII text"
    else:
        yield from _line_faults(data, columns)


def _line_faults(data: bytes, columns: int) -> Iterator[_Fault]:
    lines = data.decode("ascii").rstrip().split("\n")
    faults = [(number, fault) for number, line in enumerate(lines, 1) if (fault := _line_fault(line, columns))]
    torn = not data.endswith(b"\n")
    for number, fault in faults[:_NAMED]:
        cut = torn and number == len(lines)
        yield "error", number, fault + " (the file ends within this line: it is torn)" * cut
    if len(faults) > _NAMED:
        yield "error", faults[_NAMED][0], f"this and {len(faults) - _NAMED - 1} later lines are faulty too"
    if not faults:  # numpy is stricter than the rules below, and it has the last word
        yield "error", 0, f"not readable as lines of {columns} numbers separated by commas"


def _line_fault(line: str, columns: int) -> str | None:
    if not line.strip():
        return f"a blank line: it must hold {columns} numbers"
    words = line.split()
    if len(words) > 1 and all(_NUMBER.fullmatch(word) for word in words):
        return f"numbers separated by white space: {columns} numbers must be separated by commas"
    cells = [cell.strip() for cell in line.split(",")]
    if not cells[-1] and len(cells) > 1:
        return f"ends with a comma after {len(cells) - 1} cells: it must end with the last of {columns} numbers"
    for column, cell in enumerate(cells, 1):
        if fault := _cell_fault(cell):
            return f"column {column} is {cell[:32]!r}: {fault}"
    return None if len(cells) == columns else f"{len(cells)} columns: it must have {columns}"


def _cell_fault(cell: str) -> str | None:
    if re.fullmatch(r"[+-]?(nan|inf|infinity)", cell, re.IGNORECASE):
        return "it must be a finite number"
    if not _NUMBER.fullmatch(cell):
        return "it must be a decimal number"
    return None if abs(float(cell)) <= float(np.finfo(np.float32).max) else "it must fit into float32"


def _tail_faults(data: bytes) -> Iterator[_Fault]:
    """A file without a newline at its end may have lost the end of its last number; other numbers can show it."""
    *before, last = [line.rpartition(b",")[2] for line in data.rstrip().split(b"\n")[-_NEIGHBOURS:]]
    if data.endswith(b"\n"):
        return
    line = data.count(b"\n") + 1
    widths = {len(cell.strip().partition(b".")[2]) for cell in before}  # of a fixed format they are all one
    width = len(last.partition(b".")[2])
    if len(widths) != 1 or widths == {0}:
        yield "warning", line, f"no newline at the end of the file: its last number {last.decode()!r} may be cut short"
    elif width not in widths:
        yield (
            "error",
            line,
            f"the last number {last.decode()!r} has {width} characters after its point and is cut "
            f"short: it must have {widths.pop()} like those above it",
        )
