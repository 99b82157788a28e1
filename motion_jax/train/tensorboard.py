"""The rows of `metrics.jsonl` as curves in TensorBoard; through tensorboardX, the extra `tensorboard`."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from motion_jax.config import MODES
from motion_jax.errors import UserError
from motion_jax.train.log import END

TENSORBOARD = "tensorboard"  # the folder inside a run's

_PACKAGE = "tensorboardX"
_FLUSH_S = 10  # how late a curve may be
_NAMES = ("kind", "step", "train_seconds")  # of a row as it lies in the log: no curves
_TRAINING = ("loss", "grad_norm", "learning_rate", "mean_loss", "ms_per_step")


class TensorBoardWriter:
    """Event files in one folder, which hold every step once."""

    def __init__(self, folder: Path, rows: Sequence[Mapping[str, Any]], frames: Sequence[int]) -> None:
        """Begins anew with the rows that the log of a resumed run keeps.

        Events cannot be taken back, and steps since the last checkpoint are done again: so the files are written from
        the log, which then may also be older than the first use of a board. Their times are those of this start.

        Args:
            folder: for the files; those of an earlier start are replaced.
            rows: of `metrics.jsonl`.
            frames: which predicted frames the lists of errors in rows are of, 1-based.

        Raises:
            UserError: tensorboardX is missing, or the folder cannot be written.
        """
        check_tensorboard()
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._folder = folder
        self._frames = tuple(frames)
        self._flushed = time.monotonic()
        with self._refusals():
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            # not SummaryWriter: its thread dies of a full disk, and then the next row waits for it for ever
            self._events = EventsWriter(str(folder / "events"))
            self._events.write_event(Event(step=0, session_log=SessionLog(status=SessionLog.START)))  # forget old steps
        for row in rows:
            self.write(row["kind"], row["step"], row)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """The numbers of one row; what is not finite is left out. Raises `UserError` when the disk refuses them."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        with self._refusals():
            for tag, value in scalars(kind, values, self._frames):
                self._events.write_event(Event(wall_time=time.time(), step=step, summary=scalar(tag, value)))
            if time.monotonic() - self._flushed > _FLUSH_S:
                self._events.flush()
                self._flushed = time.monotonic()

    def close(self) -> None:
        """Writes what is pending."""
        with suppress(OSError):  # of numbers that a full disk refused, which lie in metrics.jsonl too
            self._events.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"{self._folder}: TensorBoard's files cannot be written: {error.strerror}") from None


def check_tensorboard() -> None:
    """Raises `UserError` if tensorboardX is missing."""
    if importlib.util.find_spec(_PACKAGE) is None:
        raise UserError(f"--tensorboard: needs {_PACKAGE}: pip install 'motion-jax[tensorboard]'")


def scalars(kind: str, values: Mapping[str, Any], frames: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Tag and value of each number in a row: TensorBoard groups tags by what stands before the slash.

    `train/...`, `validation/...`, and what is measured in a mode below its name: `free_running/...`, `one_step/...`.
    """
    if kind == END:
        return
    skipped = _NAMES if kind == "train" else (*_NAMES, "learning_rate")  # a report's is in the train row of its step
    for name, value in values.items():
        if name in skipped:
            continue
        tag = _tag(name)
        named = [(tag, value)]
        if isinstance(value, list):  # shorter than `frames` where a run was resumed with other eval.frames
            named = [(f"{tag}_frame_{frame:02d}", error) for frame, error in zip(frames, value, strict=False)]
        yield from ((tag, number) for tag, number in named if number is not None and math.isfinite(number))


def _tag(name: str) -> str:
    for mode in MODES:
        if name.endswith(f"_{mode}"):
            return f"{mode}/{name.removesuffix(f'_{mode}')}"
    group = "train" if name in _TRAINING else "validation"
    return f"{group}/{name.removeprefix('validation_')}"
