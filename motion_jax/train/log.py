"""Logs of a run: one object a line in `metrics.jsonl`, and progress lines for the terminal.

The last field of each row, `crc`, is the CRC-32 of the bytes before it. A row that does not match is left out, and a
line says so: a score with a flipped digit would choose the best checkpoint for ever.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from absl import logging

from motion_jax.errors import UserError
from motion_jax.runtime.files import read_file, write_text
from motion_jax.runtime.memory import memory_in_use
from motion_jax.runtime.names import CLEAR_LINE

END = "end"
"""The kind of the row that says that a run has ended: for what `reason` (steps, patience), best step, seconds."""


_CHECKED = re.compile(rb'(\{.*), "crc": "([0-9a-f]{8})"\}')
_OLD = re.compile(rb'\{"kind": "\w+", "step": \d+.*\}')  # how earlier versions wrote a row


class MetricsLog:
    """Appends rows to `metrics.jsonl`, each flushed; every row has its `kind` and `step`."""

    def __init__(self, path: Path, resume_step: int) -> None:
        """Drops the rows of steps that a resumed run will do again, and what a crash tore or a disk damaged.

        Where a row in the middle is damaged, the file as it was stays as `metrics-1.jsonl`.
        """
        self._path = path
        rows, damaged = _read(path)
        if damaged:
            aside = set_aside(path)
            logging.warning("%s: %s: left out; the file as it was is kept as %s", path, _named(damaged), aside.name)
        kept = [row for row in rows if row["step"] <= resume_step]
        self.rows = len(kept)
        write_text(path, "".join(map(encode_row, kept)))
        with self._refusals():
            self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """One row; null stands for what is not finite. Raises `UserError` when the disk refuses it."""
        with self._refusals():
            self._file.write(encode_row({"kind": kind, "step": step, **_finite(dict(values))}))
            self._file.flush()
        self.rows += 1

    def sync(self) -> None:
        """Puts the rows on disk; to be called before a checkpoint that stands for their steps."""
        with self._refusals():
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        with suppress(OSError):  # of a row that a full disk refused, which `write` has told
            self._file.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"{self._path}: could not be written: {error.strerror}") from None


class Progress:
    """A live line on a terminal, plain lines elsewhere, nothing if quiet."""

    def __init__(self, steps: int, stream: TextIO | None = None, quiet: bool = False, batch: int = 0) -> None:
        """`batch`: sequences that a step learns from; 0: their number is not told."""
        self._steps = steps
        self._batch = batch
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._live = self._stream.isatty()
        self._unfinished = False  # whether the cursor stands behind a live line
        self._started: tuple[float, int] | None = None  # at an update, so that compilation is not counted
        self.seconds_per_step: float | None = None  # None until there are two updates to tell it from

    def update(self, step: int, loss: float, learning_rate: float) -> None:
        """Current step and loss, speed and the time that is left, each in columns of its own."""
        width = len(str(self._steps))
        pace = self._pace(step)
        memory = f"  {told_bytes(used)}" if pace and (used := memory_in_use()) else ""
        text = f"step {step:{width}}/{self._steps}  loss {loss:<9.5f}  lr {learning_rate:<8.3g}{pace}{memory}"
        self._print(text.rstrip(), end="" if self._live else "\n")
        self._unfinished = self._live

    def status(self, text: str) -> None:
        """What is being done, on a terminal until the next line replaces it."""
        if self._live:
            self._print(text, end="")
            self._unfinished = True

    def say(self, text: str) -> None:
        """A line that stays. The pace is measured anew: what came before it, a report say, took time but no steps."""
        self._print(text, end="\n")
        self._unfinished = False
        self._started = None

    def leave_out(self, seconds: float) -> None:
        """Of the pace: they went by between two updates, and were not for steps."""
        if self._started:
            begun, first = self._started
            self._started = (begun + seconds, first)

    def close(self) -> None:
        """Ends the live line, so that what is printed next begins on its own."""
        if self._unfinished:
            self._print("", end="\n", clear=False)
        self._unfinished = False

    def _print(self, text: str, end: str, clear: bool = True) -> None:
        if not self._quiet:
            print(f"{CLEAR_LINE}{text}" if self._live and clear else text, end=end, file=self._stream, flush=True)

    def _pace(self, step: int) -> str:
        now = time.monotonic()
        if self._started is None:
            self._started = (now, step)
            return ""
        begun, first = self._started
        self.seconds_per_step = per_step = (now - begun) / max(step - first, 1)
        rate = f"  {self._batch / per_step:.0f} sequences/s" if self._batch and per_step else ""
        return f"  {1000 * per_step:7.1f} ms/step{rate}  {told_time(per_step * (self._steps - step))} left"


def told_time(seconds: float) -> str:
    """`1:37` or `12:01:37`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def told_bytes(count: int) -> str:
    """`412 MiB` or `1.9 GiB`."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def encode_row(row: Mapping[str, Any]) -> str:
    """A row as a line of `metrics.jsonl`."""
    text = json.dumps(row, allow_nan=False)[:-1]
    return f'{text}, "crc": "{zlib.crc32(text.encode()):08x}"}}\n'


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; lines that a crash tore or a disk damaged are left out, and a warning says so.

    Raises:
        UserError: the file cannot be read, or is of a version that wrote no checksums.
    """
    rows, damaged = _read(path)
    if damaged:
        logging.warning("%s: %s: left out", path, _named(damaged))
    return rows


def end_of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row that says how a run ended; None of a run that has not, or has gone on since."""
    return rows[-1] if rows and rows[-1]["kind"] == END else None


def set_aside(path: Path) -> Path:
    """Renames a log to the first free of `metrics-1.jsonl`, `metrics-2.jsonl`, ..., and tells which."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(1))
    return path.rename(next(name for name in names if not name.exists()))


def _read(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows, and which lines are none, from 1."""
    try:
        lines = read_file(path).split(b"\n")
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise UserError(f"{path}: could not be read: {error.strerror}") from None
    if not lines[-1]:  # behind the last line's end
        lines.pop()
    read = [_row(line) for line in lines]
    if lines and not any(read) and all(map(_OLD.fullmatch, lines)):
        raise UserError(f"{path}: has no checksums: it was written by an earlier version of motion_jax: train anew")
    return [row for row in read if row], [number for number, row in enumerate(read, 1) if not row]


def _row(line: bytes) -> dict[str, Any]:
    """One row; empty where the line is torn or damaged."""
    found = _CHECKED.fullmatch(line)
    if not found or f"{zlib.crc32(found[1]):08x}".encode() != found[2]:
        return {}
    row = json.loads(found[1] + b"}")
    return row if isinstance(row.get("step"), int) and isinstance(row.get("kind"), str) else {}


def _named(lines: list[int]) -> str:
    numbers = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    return f"line{'s' * (len(lines) > 1)} {numbers} of it {'are' if len(lines) > 1 else 'is'} damaged or cut short"


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
