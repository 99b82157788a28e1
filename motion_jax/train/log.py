"""Logs of a run: one object a line in `metrics.jsonl`, and progress lines for the terminal."""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from motion_jax.errors import UserError
from motion_jax.runtime.files import write_text

END = "end"
"""The kind of the row that says that a run has ended: for what `reason` (steps, patience), best step, seconds."""


class MetricsLog:
    """Appends rows to `metrics.jsonl`, each flushed; every row has its `kind` and `step`."""

    def __init__(self, path: Path, resume_step: int) -> None:
        """Drops the rows of steps that a resumed run will do again, and a line torn by a crash."""
        self._path = path
        kept = [line for line in _lines(path) if _row(line)["step"] <= resume_step]
        write_text(path, "".join(f"{line}\n" for line in kept))
        with self._refusals():
            self._file = path.open("a")

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """One row; null stands for what is not finite. Raises `UserError` when the disk refuses it."""
        row = {"kind": kind, "step": step, **_finite(values)}
        with self._refusals():
            self._file.write(json.dumps(row, allow_nan=False) + "\n")
            self._file.flush()

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

    def __init__(self, steps: int, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._steps = steps
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._live = self._stream.isatty()
        self._unfinished = False  # whether the cursor stands behind a live line
        self._started: tuple[float, int] | None = None  # at an update, so that compilation is not counted

    def update(self, step: int, loss: float, learning_rate: float) -> None:
        """Current step and loss, speed and the time that is left, each in columns of its own."""
        width = len(str(self._steps))
        text = f"step {step:{width}}/{self._steps}  loss {loss:<9.5f}  lr {learning_rate:<8.3g}{self._pace(step)}"
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

    def close(self) -> None:
        """Ends the live line, so that what is printed next begins on its own."""
        if self._unfinished:
            self._print("", end="\n", clear=False)
        self._unfinished = False

    def _print(self, text: str, end: str, clear: bool = True) -> None:
        if not self._quiet:
            print(f"\r\x1b[K{text}" if self._live and clear else text, end=end, file=self._stream, flush=True)

    def _pace(self, step: int) -> str:
        now = time.monotonic()
        if self._started is None:
            self._started = (now, step)
            return ""
        begun, first = self._started
        per_step = (now - begun) / max(step - first, 1)
        left = int(per_step * (self._steps - step))
        return f"  {1000 * per_step:7.1f} ms/step  {left // 60}:{left % 60:02d} left"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`, without a last line that a crash tore."""
    return [_row(line) for line in _lines(path)]


def end_of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row that says how a run ended; None of a run that has not, or has gone on since."""
    return rows[-1] if rows and rows[-1]["kind"] == END else None


def set_aside(path: Path) -> None:
    """Renames a log to the first free of `metrics-1.jsonl`, `metrics-2.jsonl`, ..."""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(1))
    path.rename(next(name for name in names if not name.exists()))


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: could not be read: {error.strerror}") from None
    return [line for line in lines if _row(line)]


def _row(line: str) -> dict[str, Any]:
    """One row; empty where the line is torn."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else {}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
