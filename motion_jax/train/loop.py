"""The loop: K updates a dispatch, and between dispatches what the log, the validation and the checkpoints ask for."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import jax
import numpy as np

from motion_jax.config import Experiment
from motion_jax.data.bank import Bank, make_bank
from motion_jax.data.normalize import pose_space
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.models import make
from motion_jax.optim import learning_rate, make_optimizer
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import MetricsLog, Progress, read_metrics
from motion_jax.train.monitor import Monitor
from motion_jax.train.state import TrainState, init_state
from motion_jax.train.step import Chunk, StepMetrics, data_mesh, make_chunk
from motion_jax.train.workdir import Workdir
from motion_jax.types import Dataset

ERROR = "validation_error_rad"


class Interrupted(SystemExit):
    """The run was asked to stop, saved its state and did; the exit status is 128 + the signal's number."""


def fit(experiment: Experiment, dataset: Dataset, workdir: str | Path) -> int:
    """Trains until `train.steps`, from the last good checkpoint in `workdir` if it holds one; returns the steps done.

    Raises:
        UserError: the workdir is taken, cannot be written or holds another run; the batch does not divide over the
            devices; a clip is too short; the loss became NaN or infinite (the last checkpoint stays as it was).
        Interrupted: SIGTERM or SIGINT; the state was saved.
    """
    mesh = data_mesh(experiment.train.batch)
    splits = split_clips(dataset, experiment.data)
    space = pose_space(dataset, splits.train, experiment.data)
    bank = make_bank(splits.train, space, experiment.data)
    folder = Workdir(workdir)
    with folder.locked(), _stop_on_signal() as stop:
        folder.begin(experiment, space, dataset.key)
        model, optimizer = make(experiment, space), make_optimizer(experiment.optim)
        chunk, sharding = make_chunk(model, optimizer, experiment, mesh)
        state = init_state(model, optimizer, experiment.train.seed)
        if not jax.tree.leaves(state.params):
            raise UserError(f"model.name={experiment.model.name!r} has nothing to train: launch.evaluate runs it as is")
        run = _Run(experiment, folder, Monitor(experiment, dataset, splits, space, model), stop)
        with run:
            state, bank = jax.device_put((state, bank), sharding)
            run.train(chunk, state, bank, sharding)
        return run.step


class _Stop:
    """Set by a signal, read between dispatches."""

    signal: int | None = None


@contextmanager
def _stop_on_signal() -> Iterator[_Stop]:
    """The first SIGTERM or SIGINT asks the loop to save and stop; the second ends the process at once."""
    stop = _Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        stop.signal = number
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """The host's side of a run: what has happened since the last log line, report and checkpoint."""

    def __init__(self, experiment: Experiment, folder: Workdir, monitor: Monitor, stop: _Stop) -> None:
        self.step = 0
        self._experiment = experiment
        self._config = experiment.train
        self._rate = learning_rate(experiment.optim)
        self._folder = folder
        self._monitor = monitor
        self._stop = stop
        self._last = Checkpoints(folder.last, experiment.train.keep_last)
        self._best = Checkpoints(folder.best) if experiment.train.keep_best and monitor.validates else None
        self._progress = Progress(experiment.train.steps)
        self._pending: list[StepMetrics] = []  # on the device: reading them would wait for it
        self._losses: list[np.ndarray] = []  # since the last report
        self._best_error = float("inf")
        self._saved = -1

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._last.close()
        if self._best:
            self._best.close()

    def train(self, chunk: Chunk, state: TrainState, bank: Bank, sharding: jax.sharding.Sharding) -> None:
        """From the last good checkpoint, or the given state, to the last step."""
        state = self._resume(state, sharding)
        begun = time.monotonic()
        while self.step < self._config.steps:
            before = self.step
            count = min(self._config.steps_per_dispatch, self._config.steps - before)
            state, metrics = chunk(state, bank, count)
            self._pending.append(metrics)
            self.step += count
            done = self.step == self._config.steps
            if self._crosses(before, self._config.log_every) or done or self._stop.signal:
                self._log()
            if self._crosses(before, self._config.report_every) or done:
                self._report(state, time.monotonic() - begun)
                begun = time.monotonic()
            if self._crosses(before, self._config.checkpoint_every) or done or self._stop.signal:
                self._save(state)
            if self._stop.signal:
                self._progress.say(f"stopped at step {self.step}, saved in {self._folder.path}")
                raise Interrupted(128 + self._stop.signal)
        self._log_file.close()

    def _learning_rate(self) -> float:
        """Of the update that was done last."""
        return float(np.asarray(self._rate(self.step - 1)))

    def _crosses(self, before: int, every: int) -> bool:
        return before // every != self.step // every

    def _resume(self, state: TrainState, sharding: jax.sharding.Sharding) -> TrainState:
        restored = self._last.restore(jax.eval_shape(lambda: state), sharding)
        if restored:
            self.step, state = restored
            self._last.set_aside_after(self.step)
            self._progress.say(f"resuming {self._folder.path} at step {self.step}")
        self._log_file = MetricsLog(self._folder.metrics, self.step)
        errors = [row[ERROR] for row in read_metrics(self._folder.metrics) if row.get(ERROR) is not None]
        self._best_error = min(errors, default=float("inf"))
        return state

    def _log(self) -> None:
        """Reads the pending metrics, refuses what is not finite, and says the current loss."""
        if not self._pending:
            return
        fetched = [jax.device_get(metrics) for metrics in self._pending]
        losses = np.concatenate([metrics.loss for metrics in fetched])
        norms = np.concatenate([metrics.grad_norm for metrics in fetched])
        self._pending = []
        first = self.step - len(losses)
        bad = np.flatnonzero(~(np.isfinite(losses) & np.isfinite(norms)))
        if len(bad):
            raise UserError(self._diverged(first + int(bad[0]) + 1, float(losses[bad[0]]), float(norms[bad[0]])))
        self._losses.append(losses)
        rate = self._learning_rate()
        row = {"loss": float(losses[-1]), "grad_norm": float(norms[-1]), "learning_rate": rate}
        self._log_file.write("train", self.step, row)
        self._progress.update(self.step, row["loss"], rate)

    def _report(self, state: TrainState, seconds: float) -> None:
        """What the thesis prints every m steps, and the validation that chooses the best checkpoint."""
        self._log()
        losses = np.concatenate(self._losses)
        row = {
            "learning_rate": self._learning_rate(),
            "ms_per_step": 1000 * seconds / len(losses),
            "mean_loss": float(losses.mean(dtype=np.float64)),
            **self._monitor.measure(state.params, self.step),
        }
        self._losses = []
        if self._best and row[ERROR] < self._best_error:
            self._best_error = row[ERROR]
            self._best.save(self.step, state)
        self._log_file.write("report", self.step, row)
        self._progress.say(self._monitor.describe(self.step, row))

    def _save(self, state: TrainState) -> None:
        self._log()
        self._last.save(self.step, state)
        self._saved = self.step

    def _diverged(self, step: int, loss: float, norm: float) -> str:
        where = f"step {self._saved}" if self._saved >= 0 else "none of this session"
        return (
            f"training stopped: at step {step} the loss is {loss} and the gradient's norm {norm}. The last checkpoint "
            f"in {self._folder.last} ({where}) is intact. Lower optim.learning_rate (now "
            f"{self._experiment.optim.learning_rate:g}) or optim.clip_norm, or look at the data with launch.prepare."
        )
