"""The training loop: K updates a dispatch, and between dispatches what the log, reports and checkpoints ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import jax
import numpy as np

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.runtime.devices import data_mesh
from motion_jax.runtime.uptime import seconds_since_start
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import MetricsLog, Progress, read_metrics, set_aside
from motion_jax.train.optimizer import learning_rate, make_optimizer
from motion_jax.train.step import StepMetrics, TrainState, TrainSteps, init_state, is_finite, make_train_steps
from motion_jax.train.stop import Interrupted, Stop, stop_on_signal
from motion_jax.train.task import SCORE, Task
from motion_jax.train.tensorboard import TENSORBOARD, TensorBoardWriter
from motion_jax.train.workdir import Workdir

Callback = Callable[[int, Mapping[str, Any]], None]
"""Called at each report with the step and the report's row of metrics.jsonl."""


def train(
    task: Task,
    experiment: Experiment,
    workdir: str | Path,
    board: bool = False,
    callback: Callback | None = None,
    quiet: bool = False,
) -> int:
    """Trains until `train.steps`, from the last good checkpoint in `workdir` if it holds one; returns the steps done.

    Args:
        task: what is trained.
        experiment: how, by its groups `train`, `optim` and `compute`, and by `model.width`; recorded whole.
        workdir: the run's folder.
        board: also write what is measured for TensorBoard, into `workdir`/tensorboard.
        callback: called at each report with the step and what was measured, a row of metrics.jsonl.
        quiet: print nothing.

    Raises:
        UserError: the workdir is taken, cannot be written or holds another run; the batch does not divide over the
            devices; the loss or the state became NaN or infinite (the last checkpoint stays).
        Interrupted: SIGTERM or SIGINT; the state was saved.
    """
    optimizer = make_optimizer(experiment.optim)
    mesh = data_mesh(experiment, task.whole_batch)
    train_steps, sharding = make_train_steps(task, optimizer, experiment, mesh)
    folder = Workdir(workdir)
    with closing(Progress(experiment.train.steps, quiet=quiet)) as progress:
        progress.status("making the first parameters ...")
        state = init_state(task, optimizer, experiment.train.seed)
        if not jax.tree.leaves(state.params):
            name = experiment.model.name
            raise UserError(f"model.name={name!r} has nothing to train: motion-jax evaluate runs it as is")
        with folder.locked(), stop_on_signal() as stop:
            # the config has proved possible: what is recorded can be resumed
            folder.begin(experiment, task.records, task.data_key)
            with _Run(task, experiment, folder, progress, stop, callback, board) as run:
                state, data = jax.device_put((state, task.data), sharding)
                run.train(train_steps, state, data, sharding)
            return run.step


class _Run:
    """The host's side of a run: what has happened since the last log line, report and checkpoint."""

    def __init__(
        self,
        task: Task,
        experiment: Experiment,
        folder: Workdir,
        progress: Progress,
        stop: Stop,
        callback: Callback | None,
        board: bool,
    ) -> None:
        self.step = 0
        self._task = task
        self._experiment = experiment
        self._config = experiment.train
        self._rate = learning_rate(experiment.optim)
        self._folder = folder
        self._progress = progress
        self._stop = stop
        self._callback = callback
        self._boards = board
        self._open = ExitStack()
        self._last = self._open.enter_context(closing(Checkpoints(folder.last, experiment.train.keep_last)))
        chooses = experiment.train.keep_best and task.validates
        self._best = self._open.enter_context(closing(Checkpoints(folder.best))) if chooses else None
        self._pending: list[StepMetrics] = []  # on the device: reading them would wait for it
        self._losses: list[np.ndarray] = []  # since the last report
        self._best_score = float("inf")
        self._saved: int | None = None  # the newest checkpoint's step

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def train(self, train_steps: TrainSteps, state: TrainState, data: Any, sharding: jax.sharding.Sharding) -> None:
        """From the last good checkpoint, or the given state, to the last step."""
        state = self._resume(state, sharding)
        begun, first = time.monotonic(), self.step
        while self.step < self._config.steps:
            before = self.step
            count = min(self._config.steps_per_dispatch, self._config.steps - before)
            if before == first:
                self._progress.say(f"compiling the training step; steps {first + 1} to {first + count} follow")
            state, metrics = train_steps(state, data, count)
            if before == first:
                self._say_begun(metrics, count)
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

    def _say_begun(self, metrics: StepMetrics, count: int) -> None:
        """How long the user has waited: imports, data, compiling. It waits for the steps, once a run."""
        jax.block_until_ready(metrics)
        self._progress.say(f"first {count} steps done {seconds_since_start():.1f} s after the process began")

    def _learning_rate(self) -> float:
        """Of the update that was done last."""
        return float(np.asarray(self._rate(self.step - 1)))

    def _crosses(self, before: int, every: int) -> bool:
        return before // every != self.step // every

    def _resume(self, state: TrainState, sharding: jax.sharding.Sharding) -> TrainState:
        abstract = jax.eval_shape(lambda: state)
        aside = self._last.recover_unmarked(abstract, sharding)
        if self._best:
            self._best.recover_unmarked(abstract, sharding)
        restored = self._last.restore(abstract, sharding)
        if restored:
            self.step, state = restored
            self._saved = self.step
            self._last.set_aside_after(self.step)
            self._progress.say(f"resuming {self._folder.path} at step {self.step}")
        elif read_metrics(self._folder.metrics):
            self._progress.say(f"{self._folder.path} holds no finished checkpoint: starting again at step 0")
            if aside:  # whose steps the log covers
                set_aside(self._folder.metrics)
        self._logs: list[MetricsLog | TensorBoardWriter] = [
            self._open.enter_context(closing(MetricsLog(self._folder.metrics, self.step)))
        ]
        rows = read_metrics(self._folder.metrics)
        if self._boards:
            board = TensorBoardWriter(self._folder.path / TENSORBOARD, rows, self._experiment.eval.frame_numbers)
            self._logs.append(self._open.enter_context(closing(board)))
        scores = [row[SCORE] for row in rows if row.get(SCORE) is not None]
        self._best_score = min(scores, default=float("inf"))
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
            loss, norm = losses[bad[0]], norms[bad[0]]
            raise self._diverged(f"at step {first + int(bad[0]) + 1} the loss is {loss} and the gradient's norm {norm}")
        self._losses.append(losses)
        rate = self._learning_rate()
        row = {"loss": float(losses[-1]), "grad_norm": float(norms[-1]), "learning_rate": rate}
        self._write("train", row)
        self._progress.update(self.step, row["loss"], rate)

    def _report(self, state: TrainState, seconds: float) -> None:
        """What the thesis prints every m steps, and the validation that chooses the best checkpoint."""
        self._log()
        self._progress.status(f"step {self.step}: measuring ...")
        losses = np.concatenate(self._losses)
        row = {
            "learning_rate": self._learning_rate(),
            "ms_per_step": 1000 * seconds / len(losses),
            "mean_loss": float(losses.mean(dtype=np.float64)),
            **self._task.measure(state.params, self.step),
        }
        self._losses = []
        if self._best and row[SCORE] < self._best_score:
            self._check_finite(state)
            self._best_score = row[SCORE]
            self._best.save(self.step, state)
        self._write("report", row)
        line = (
            f"step {self.step}  learning rate {row['learning_rate']:.4g}  {row['ms_per_step']:.1f} ms/step  "
            f"mean training loss {row['mean_loss']:.5f}"
        )
        self._progress.say("\n".join(filter(None, (line, self._task.describe(row)))))
        if self._callback:
            self._callback(self.step, row)

    def _write(self, kind: str, row: dict[str, Any]) -> None:
        for log in self._logs:
            log.write(kind, self.step, row)

    def _save(self, state: TrainState) -> None:
        self._log()
        self._check_finite(state)
        self._last.save(self.step, state)
        self._saved = self.step

    def _check_finite(self, state: TrainState) -> None:
        """The losses were finite, but the last update may have overflowed; no checkpoint may hold that."""
        if not is_finite(state):
            raise self._diverged(f"the state after step {self.step} is not finite")

    def _diverged(self, what: str) -> UserError:
        saved = "No checkpoint had been saved"
        if self._saved is not None:
            saved = f"The checkpoint of step {self._saved} in {self._folder.last} is intact"
        return UserError(
            f"training stopped: {what}. {saved}. Lower optim.learning_rate (now "
            f"{self._experiment.optim.learning_rate:g}) or optim.clip_norm in a new workdir, or look at the data with "
            f"motion-jax prepare."
        )
