"""What a run says while it works: one object a line in `metrics.jsonl`, and a progress line for whoever watches."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from motion_jax.errors import UserError


class MetricsLog:
    """Appends rows to `metrics.jsonl`, each flushed; every row has its `kind` and `step`."""

    def __init__(self, path: Path, resume_step: int) -> None:
        """Drops the rows of steps that a resumed run will do again, and a line torn by a crash."""
        kept = [line for line in _lines(path) if _step(line) <= resume_step]
        draft = path.with_name(f".{path.name}.tmp")
        draft.write_text("".join(f"{line}\n" for line in kept))
        draft.replace(path)
        self._file = path.open("a")

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """One row. Raises `UserError` when the disk refuses it."""
        try:
            self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            self._file.flush()
        except OSError as error:
            raise UserError(f"{self._file.name}: could not be written: {error.strerror}") from None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Progress:
    """A live line on a terminal, plain lines elsewhere."""

    def __init__(self, steps: int, stream: TextIO | None = None) -> None:
        self._steps = steps
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._started: tuple[float, int] | None = None  # at the first update, so that compilation is not counted

    def update(self, step: int, loss: float, learning_rate: float) -> None:
        """Current step and loss, speed and the time that is left."""
        text = f"step {step}/{self._steps}  loss {loss:.5f}  lr {learning_rate:.3g}{self._pace(step)}"
        print(f"\r\x1b[K{text}" if self._live else text, end="" if self._live else "\n", file=self._stream, flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        print(f"\r\x1b[K{text}" if self._live else text, file=self._stream, flush=True)

    def _pace(self, step: int) -> str:
        now = time.monotonic()
        if self._started is None:
            self._started = (now, step)
            return ""
        begun, first = self._started
        per_step = (now - begun) / max(step - first, 1)
        left = int(per_step * (self._steps - step))
        return f"  {1000 * per_step:.1f} ms/step  {left // 60}:{left % 60:02d} left"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`, without a last line that a crash tore."""
    return [json.loads(line) for line in _lines(path)]


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text(errors="replace").splitlines()
    return [line for line in lines if _step(line) is not None]


def _step(line: str) -> Any:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row.get("step") if isinstance(row, dict) else None
