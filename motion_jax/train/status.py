"""The status of a run, for whoever watches it from elsewhere: written by the run, read from another process.

`status.json` is what the run itself says, at most once a second and at every change of what it does. Whether it still
lives, the lock of its folder tells; what is saved, the checkpoints do, each of which is verified.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import logging

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, read_file, sealed, unsealed, user_path, write_text
from motion_jax.runtime.memory import memory_in_use
from motion_jax.runtime.names import in_line, printable
from motion_jax.train.checkpoint import COMMIT_MARK, is_sound, steps_in
from motion_jax.train.log import end_of, read_metrics, told_bytes, told_time
from motion_jax.train.task import SCORE
from motion_jax.train.workdir import Workdir

COMPILING, TRAINING, MEASURING, SAVING, STOPPED, ENDED, FAILED = (
    "compiling", "training", "measuring", "saving", "stopped", "ended", "failed"
)  # fmt: skip
"""What a run does, or how it ended by its own account; `DIED` by nobody's."""
DIED = "died"

_EVERY_S = 1.0


@dataclasses.dataclass
class Status:
    """What a run says of itself."""

    name: str  # of the experiment
    steps: int  # of the whole run
    phase: str = COMPILING
    step: int = 0
    loss: float | None = None
    grad_norm: float | None = None
    learning_rate: float | None = None
    skipped: int = 0  # updates, for want of finite numbers
    seconds_per_step: float | None = None
    train_seconds: float = 0.0
    memory_bytes: int | None = None
    saved_step: int | None = None  # of the newest checkpoint
    saved_time: float | None = None  # seconds since 1970, as all times
    best_step: int | None = None
    best_score: float | None = None
    started: float = dataclasses.field(default_factory=time.time)
    updated: float = 0.0
    pid: int = dataclasses.field(default_factory=os.getpid)
    host: str = dataclasses.field(default_factory=socket.gethostname)

    @property
    def seconds_left(self) -> float | None:
        """Until the last step, at the current pace."""
        if self.seconds_per_step is None or self.phase in (STOPPED, ENDED, FAILED, DIED):
            return None
        return self.seconds_per_step * (self.steps - self.step)


def check_prometheus(prometheus: str) -> None:
    """To be called before anything is computed.

    Raises:
        UserError: `train.prometheus` is no name of a file, or lies in a folder that is not there or cannot be written.
    """
    if not prometheus:
        return
    path, field = user_path(prometheus), f"train.prometheus={prometheus}"
    if path.is_dir() or prometheus.endswith(("/", "/.", "/..")):
        raise UserError(f"{field}: is a folder: it must be a file in one, such as run.prom")
    if path.exists() and not path.is_file():
        raise UserError(f"{field}: is a pipe or a device: it must be a file, such as run.prom")
    if not path.parent.is_dir():
        raise UserError(f"{field}: its folder {path.parent} is not there: make it, or name a file in another")
    try:
        check_writable(path)
    except UserError as error:
        raise UserError(f"{field}: {str(error).removeprefix(f'{path}: ')}") from None


class StatusFile:
    """Writes `status.json` and, where asked, a text file for Prometheus. What cannot be written is warned of once."""

    def __init__(self, folder: Workdir, status: Status, prometheus: str) -> None:
        """Raises `UserError` as `check_prometheus`."""
        check_prometheus(prometheus)
        self.status = status
        self._folder = folder
        self._prometheus = user_path(prometheus) if prometheus else None
        self._written = float("-inf")
        self._warned = False

    def tell(self, phase: str, **changes: Any) -> None:
        """Changes fields, and writes them unless only numbers changed and the last time is less than a second ago."""
        urgent = phase != self.status.phase
        self.status.phase = phase
        for name, value in changes.items():
            setattr(self.status, name, value)
        now = time.monotonic()
        if urgent or now - self._written >= _EVERY_S:
            self._written = now
            self.status.updated, self.status.memory_bytes = time.time(), memory_in_use()
            try:
                write_text(self._folder.status, sealed(dataclasses.asdict(self.status)), durable=False)
                if self._prometheus:
                    text = prometheus_text(self.status, str(self._folder.path.absolute()))
                    write_text(self._prometheus, text, durable=False)
            except UserError as error:
                if not self._warned:
                    logging.warning("%s; training goes on", error)
                self._warned = True


_GAUGES = {
    "step": ("step", "Updates done."),
    "steps": ("steps", "Updates that the run is for."),
    "loss": ("loss", "Training loss of the last update that was logged."),
    "grad_norm": ("gradient_norm", "Global L2 norm of its gradient, before clipping."),
    "learning_rate": ("learning_rate", "Learning rate of that update."),
    "skipped": ("skipped_updates", "Updates left out because loss or gradient were not finite."),
    "seconds_per_step": ("seconds_per_step", "Seconds an update takes, reports and saves not counted."),
    "seconds_left": ("seconds_left", "Seconds until the last update at that pace."),
    "memory_bytes": ("memory_bytes", "Memory in use on the first device; of a CPU, of the process."),
    "saved_step": ("saved_step", "Update of the newest checkpoint."),
    "saved_time": ("saved_timestamp_seconds", "When it was saved."),
    "best_step": ("best_step", "Update of the best validation score."),
    "best_score": ("best_score", "The best validation score; lower is better."),
    "updated": ("updated_timestamp_seconds", "When these numbers were written."),
}
"""Of `Status`, by field: the metric's name behind `motion_jax_`, and its help."""


def prometheus_text(status: Status, workdir: str) -> str:
    """The status in Prometheus' text format, labelled with the run's name and folder; what is not known is left out."""
    labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in (("run", status.name), ("workdir", workdir)))
    lines = []
    for field, (name, explained) in _GAUGES.items():
        value = getattr(status, field)
        if value is not None:
            metric = f"motion_jax_{name}"
            lines += [f"# HELP {metric} {explained}", f"# TYPE {metric} gauge", f"{metric}{{{labels}}} {value!r}"]
    running = status.phase not in (STOPPED, ENDED, FAILED)
    lines += ["# HELP motion_jax_running Whether the run says that it goes on.", "# TYPE motion_jax_running gauge",
              f"motion_jax_running{{{labels}}} {int(running)}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    """As the format wants it; bytes of a name that are no text, which the file cannot hold, are written by number."""
    return printable(label).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclasses.dataclass(frozen=True)
class SavedState:
    """One checkpoint."""

    kind: str  # last or best
    step: int
    sound: bool | None  # None: a save that goes on, or was cut off
    time: float


@dataclasses.dataclass(frozen=True)
class Watched:
    """What can be told of a run from outside."""

    workdir: str
    task: str
    model: str
    phase: str  # one of the phases, or `DIED`
    alive: bool | None  # None: this file system has no locks
    status: Status
    checkpoints: tuple[SavedState, ...]
    set_aside: tuple[str, ...]  # names of checkpoints that were found damaged or unfinished
    reason: str  # how an ended run ended: steps or patience

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        status = dataclasses.asdict(self.status) | {"seconds_left": self.status.seconds_left}
        status.pop("phase")
        rest = {name: getattr(self, name) for name in ("workdir", "task", "model", "phase", "alive", "reason")}
        saved = [dataclasses.asdict(checkpoint) for checkpoint in self.checkpoints]
        return {**rest, **status, "checkpoints": saved, "set_aside": list(self.set_aside)}


def read_status(workdir: str | Path, verify: bool = True) -> Watched:
    """The status of a run, whether it goes on or not. Changes nothing.

    Args:
        workdir: of a run; of one with `train.refit` that is still choosing, its selection is told of.
        verify: read each checkpoint and compare it with its checksums.

    Raises:
        UserError: the folder holds no run, or its record is damaged.
    """
    folder = Workdir(user_path(workdir))
    if folder.selection.is_dir() and not folder.config.exists():
        folder = Workdir(folder.selection)
    experiment = folder.read_experiment()
    alive = folder.is_locked()
    rows = read_metrics(folder.metrics)
    status = _said(folder) or Status(experiment.name, experiment.train.steps, phase=TRAINING, started=0, pid=0, host="")
    for row in rows:  # newer than what was said a second ago; the only source where status.json is gone
        if row["step"] >= status.step:
            known = {field.name for field in dataclasses.fields(Status)} & row.keys()
            status = dataclasses.replace(status, **{name: row[name] for name in known})
        if row.get(SCORE) is not None and (status.best_score is None or row[SCORE] < status.best_score):
            status.best_score, status.best_step = row[SCORE], row["step"]
    end = end_of(rows)
    phase = status.phase
    if end and alive is not True:
        phase = ENDED
    elif alive is False and phase not in (STOPPED, FAILED):
        phase = DIED
    status.phase = phase  # so that no time is left
    return Watched(
        workdir=str(folder.path),
        task=experiment.model.TASK,
        model=experiment.model.name,
        phase=phase,
        alive=alive,
        status=status,
        checkpoints=tuple(_checkpoints(folder, verify, alive is True)),
        set_aside=tuple(sorted(
            f"{kind.name}/{path.name}" for kind in (folder.last, folder.best) if kind.is_dir()
            for path in kind.iterdir() if path.name.startswith(("damaged-", "unfinished-"))
        )),
        reason=str(end["reason"]) if end else "",
    )  # fmt: skip


def describe(watched: Watched) -> str:
    """The status in a few lines."""
    status, now = watched.status, time.time()
    head = f"{status.name} ({watched.model}, {watched.task}) in {watched.workdir}"
    alive = {
        True: f"running (process {status.pid} on {status.host})",
        False: "not running",
        None: "may be running: no locks here",
    }
    how = {ENDED: f"ended: {watched.reason or 'steps'}", STOPPED: "stopped by a signal", FAILED: "stopped by an error",
           DIED: "it was killed, or its machine stopped"}  # fmt: skip
    lines = [head, f"  {alive[watched.alive]}, {how.get(watched.phase, watched.phase)}"]
    if status.updated:
        lines[-1] += f"; last heard {told_time(max(0, now - status.updated))} ago"
    parts = [f"step {status.step} of {status.steps} ({100 * status.step / status.steps:.0f}%)"]
    if status.loss is not None:
        parts.append(f"loss {status.loss:.5f}")
    if status.seconds_per_step:
        parts.append(f"{1 / status.seconds_per_step:.1f} steps/s")
    if status.seconds_left is not None:
        parts.append(f"{told_time(status.seconds_left)} left")
    if status.memory_bytes and watched.alive:
        parts.append(told_bytes(status.memory_bytes))
    if status.skipped:
        parts.append(f"{status.skipped} updates skipped: not finite")
    lines.append(f"  {', '.join(parts)}")
    if status.best_step is not None:
        lines.append(f"  best validation score {status.best_score:.5f}, at step {status.best_step}")
    words = {True: "sound", False: "DAMAGED", None: "unfinished"}
    for saved in watched.checkpoints:
        ago = told_time(max(0, now - saved.time))
        lines.append(f"  checkpoint {saved.kind}/{saved.step}: {words[saved.sound]}, saved {ago} ago")
    if not watched.checkpoints:
        lines.append("  no checkpoint yet")
    if watched.set_aside:
        lines.append(f"  set aside: {', '.join(watched.set_aside)}")
    return "\n".join(map(in_line, lines))


def _said(folder: Workdir) -> Status | None:
    try:
        fields = unsealed(read_file(folder.status).decode(), str(folder.status), "the status of a run")
        return Status(**fields)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, TypeError, UserError) as error:
        logging.warning("%s: passed over: %s", folder.status, error)
        return None


def _checkpoints(folder: Workdir, verify: bool, alive: bool) -> Iterator[SavedState]:
    for place in (folder.last, folder.best):
        for step in steps_in(place):
            path = place / str(step)
            try:
                at = path.stat().st_mtime
                finished = (path / COMMIT_MARK).exists()
            except OSError:  # replaced by a newer one just now
                continue
            if finished:
                sound = is_sound(path) if verify else True
            else:  # of a save that goes on, or one that was cut off, unless a copy has lost the mark
                sound = True if verify and not alive and is_sound(path) else None
            if path.exists():
                yield SavedState(place.name, step, sound, at)


def to_json(watched: Watched) -> str:
    """For programs."""
    return json.dumps(watched.to_dict(), indent=2)
