"""The training loop: K updates a dispatch, and between dispatches what the log, reports and checkpoints ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any

import jax
import numpy as np

from motion_jax import __version__
from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.runtime import distributed
from motion_jax.runtime.devices import data_mesh
from motion_jax.runtime.uptime import seconds_since_start
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import END, MetricsLog, Progress, end_of, read_metrics, set_aside
from motion_jax.train.optimizer import learning_rate, make_optimizer
from motion_jax.train.step import StepMetrics, TrainState, init_state, is_finite, make_train_steps
from motion_jax.train.stop import Interrupted, Stop, stop_on_signal
from motion_jax.train.task import SCORE, Task, feed_of
from motion_jax.train.tensorboard import TENSORBOARD, TensorBoardWriter
from motion_jax.train.workdir import Workdir, flatten

Callback = Callable[[int, Mapping[str, Any]], None]
"""Called at each report with the step and the report's row of metrics.jsonl."""
Updates = Generator[tuple[TrainState, int], tuple[TrainState, StepMetrics], int]
"""Asks for K updates of a state, is sent what they made, and ends with the steps done."""


def train(
    task: Task,
    experiment: Experiment,
    workdir: str | Path,
    board: bool = False,
    callback: Callback | None = None,
    quiet: bool = False,
    seconds_before: float = 0.0,
) -> int:
    """Trains until `train.steps` or until patience is at its end; returns the steps done.

    A run that `workdir` holds goes on from its last good checkpoint; one that has ended is left as it is.

    Of several processes (`runtime/distributed.py`) all call it alike. The first one alone reads and writes `workdir`,
    prints and calls `callback`; each measures the reports for itself, and the first one's scores count.

    Args:
        task: what is trained.
        experiment: how, by its groups `train`, `optim` and `compute`, and by `model.width`; recorded whole.
        workdir: the run's folder.
        board: also write what is measured for TensorBoard, into `workdir`/tensorboard.
        callback: called at each report with the step and what was measured, a row of metrics.jsonl.
        quiet: print nothing.
        seconds_before: of training that led here and counts as this run's, for `train_seconds` in its log.

    Raises:
        UserError: `train.patience` without validation; the workdir is taken, cannot be written or holds another run;
            the batch does not divide over the devices; the loss or the state became NaN or infinite (the last
            checkpoint stays); a process of several has another config, other data or other versions.
        Interrupted: SIGTERM or SIGINT, to whichever process; the state was saved.
    """
    optimizer = make_optimizer(experiment, task.rate_scales)
    mesh = data_mesh(experiment, task.whole_batch)
    train_steps, sharding = make_train_steps(task, optimizer, experiment, mesh)
    updates = updates_of_run(task, experiment, workdir, sharding, board, callback, quiet, seconds_before)
    with ExitStack() as held:
        feeds: list[Iterator[Any]] = []  # one, opened where the run begins

        def update(state: TrainState, count: int) -> tuple[TrainState, StepMetrics]:
            if not feeds:
                config, begin = experiment.train, int(state.step)
                feeds.append(held.enter_context(feed_of(task.data, state.key, begin, config, sharding)))
            return train_steps(state, next(feeds[0]), count)

        return run_updates(updates, update)


def run_updates(updates: Updates, train_steps: Callable[[TrainState, int], tuple[TrainState, StepMetrics]]) -> int:
    """Does the updates that a run asks for, until it ends; what fails there is raised in the run."""
    with closing(updates):
        try:
            asked = next(updates)
            while True:
                try:
                    done = train_steps(*asked)
                except BaseException as error:
                    asked = updates.throw(error)
                else:
                    asked = updates.send(done)
        except StopIteration as end:
            return end.value


def updates_of_run(
    task: Task,
    experiment: Experiment,
    workdir: str | Path,
    sharding: jax.sharding.Sharding,
    board: bool = False,
    callback: Callback | None = None,
    quiet: bool = False,
    seconds_before: float = 0.0,
    stop: Stop | None = None,
    state: TrainState | None = None,
) -> Updates:
    """A run as what it asks of the training step: so that one step can serve several runs (`train/together.py`).

    Args and errors as `train`, and:
        sharding: where the state lies.
        stop: what tells the run to stop; None: signals to this process.
        state: that of step 0; None: it is made.
    """
    if experiment.train.patience and not task.validates:
        raise UserError(
            f"train.patience={experiment.train.patience}: needs validation, and nothing is held out "
            f"(data.validation={experiment.data.validation!r})"
        )
    optimizer = make_optimizer(experiment, task.rate_scales)
    distributed.check_agreement(_facts(task, experiment))
    folder = Workdir(workdir)
    with closing(Progress(experiment.train.steps, quiet=quiet or not distributed.is_first())) as progress:
        progress.status("making the first parameters ...")
        state = state or init_state(task, optimizer, experiment.train.seed, experiment.train.ema > 0)
        if not jax.tree.leaves(state.params):
            name = experiment.model.name
            raise UserError(f"model.name={name!r} has nothing to train: motion-jax evaluate runs it as is")
        with ExitStack() as held, stop_on_signal() if stop is None else nullcontext(stop) as stop:
            distributed.on_first(lambda: held.enter_context(folder.locked()))
            # the config has proved possible: what is recorded can be resumed
            distributed.on_first(lambda: folder.begin(experiment, task.records, task.data_key))
            with _Run(task, experiment, folder, progress, stop, callback, board, seconds_before) as run:
                yield from run.train(distributed.place(state, sharding), sharding)
            return run.step


def _facts(task: Task, experiment: Experiment) -> dict[str, Any]:
    """What processes that train together must have alike; where their data lie is their own affair."""
    fields = flatten(experiment.to_dict())
    return {
        **{key: value for key, value in fields.items() if key not in ("data.root", "data.cache")},
        "the data set's content": task.data_key,
        "motion_jax": __version__,
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "jax_enable_x64": jax.config.values["jax_enable_x64"],
        "jax_default_prng_impl": jax.config.values["jax_default_prng_impl"],
    }


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
        seconds_before: float,
    ) -> None:
        self.step = 0
        self._task = task
        self._experiment = experiment
        self._config = experiment.train
        self._rate = learning_rate(experiment)
        self._folder = folder
        self._progress = progress
        self._stop = distributed.AgreedSignal(lambda: stop.signal)
        self._callback = callback
        self._boards = board
        self._open = ExitStack()
        self._logs: list[MetricsLog | TensorBoardWriter] = []  # of the first process; of others none, as here
        self._last = self._best = None
        distributed.on_first(self._open_checkpoints)
        self._pending: list[StepMetrics] = []  # on the device: reading them would wait for it
        self._losses: list[np.ndarray] = []  # since the last report
        self._best_score = float("inf")
        self._best_step: int | None = None
        self._waited = 0  # reports since the best
        self._ended: int | None = None  # the step at which the log says that the run has ended
        self._begun = time.monotonic()
        self._seconds_before = seconds_before
        self._saved: int | None = None  # the newest checkpoint's step

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _open_checkpoints(self) -> None:
        self._last = self._open.enter_context(closing(Checkpoints(self._folder.last, self._config.keep_last)))
        if self._config.keep_best and self._task.validates:
            self._best = self._open.enter_context(closing(Checkpoints(self._folder.best)))

    def train(
        self, state: TrainState, sharding: jax.sharding.Sharding
    ) -> Generator[tuple[TrainState, int], tuple[TrainState, StepMetrics], None]:
        """From the last good checkpoint, or the given state, to the last step; asks for the updates."""
        state = self._resume_all(state, sharding)
        begun, first = time.monotonic(), self.step
        while self.step < self._config.steps and not self._exhausted:
            before = self.step
            count = min(self._config.steps_per_dispatch, self._config.steps - before)
            if before == first:
                self._progress.say(f"compiling the training step; steps {first + 1} to {first + count} follow")
            state, metrics = yield state, count
            if before == first:
                self._say_begun(metrics, count)
            self._pending.append(metrics)
            self.step += count
            self._stop.vote()
            done = self.step == self._config.steps
            if self._crosses(before, self._config.log_every) or done or self._stop.signal:
                self._log()
            if self._crosses(before, self._config.report_every) or done:
                self._report(state, time.monotonic() - begun)
                begun = time.monotonic()
            if self._crosses(before, self._config.checkpoint_every) or done or self._stop.signal or self._exhausted:
                self._save(state)
            if self._stop.signal:
                self._progress.say(f"stopped at step {self.step}, saved in {self._folder.path}")
                raise Interrupted(128 + self._stop.signal)
        self._end()

    @property
    def _exhausted(self) -> bool:
        return 0 < self._config.patience <= self._waited

    @property
    def _seconds(self) -> float:
        """Of training, over all resumptions."""
        return round(self._seconds_before + time.monotonic() - self._begun, 3)

    def _end(self) -> None:
        """How the run ended: for whoever reads the log, and for whoever starts it once more."""
        if self._exhausted:
            self._progress.say(
                f"step {self.step}: training has ended: no better validation score in {self._waited} reports "
                f"(train.patience={self._config.patience}); the best was that of step {self._best_step}"
            )
        if self._ended != self.step:
            reason = "patience" if self._exhausted else "steps"
            self._write(END, {"reason": reason, "best_step": self._best_step, "train_seconds": self._seconds})

    def _say_begun(self, metrics: StepMetrics, count: int) -> None:
        """How long the user has waited: imports, data, compiling. It waits for the steps, once a run."""
        jax.block_until_ready(metrics)
        self._progress.say(f"first {count} steps done {seconds_since_start():.1f} s after the process began")

    def _learning_rate(self) -> float:
        """Of the update that was done last."""
        return float(np.asarray(self._rate(self.step - 1)))

    def _crosses(self, before: int, every: int) -> bool:
        return before // every != self.step // every

    def _resume_all(self, state: TrainState, sharding: jax.sharding.Sharding) -> TrainState:
        """`_resume` by the first process; the others take its state, and where the run stands, from it."""
        if not distributed.joined():
            return self._resume(state, sharding)
        local = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        state = distributed.on_first(lambda: self._resume(distributed.on_this_process(state), local)) or state
        names = ("step", "_saved", "_ended", "_best_step", "_best_score", "_waited")
        vars(self).update(distributed.share_json({name: getattr(self, name) for name in names}))
        return distributed.place(distributed.share_arrays(distributed.on_this_process(state)), sharding)

    def _resume(self, state: TrainState, sharding: jax.sharding.Sharding) -> TrainState:
        assert self._last
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
        self._logs = [self._open.enter_context(closing(MetricsLog(self._folder.metrics, self.step)))]
        rows = read_metrics(self._folder.metrics)
        if self._boards:
            board = TensorBoardWriter(self._folder.path / TENSORBOARD, rows, self._experiment.eval.frame_numbers)
            self._logs.append(self._open.enter_context(closing(board)))
        for row in rows:
            if SCORE in row:
                self._is_best(row["step"], row[SCORE])
        if end := end_of(rows):
            self._ended = end["step"]
        self._seconds_before = max([self._seconds_before, *(row.get("train_seconds", 0.0) for row in rows)])
        return state

    def _is_best(self, step: int, score: float | None) -> bool:
        """Whether a report's score is the best so far; None or nan is not."""
        if score is not None and score < self._best_score:
            self._best_score, self._best_step, self._waited = score, step, 0
            return True
        self._waited += 1
        return False

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
        row = {
            "loss": float(losses[-1]),
            "grad_norm": float(norms[-1]),
            "learning_rate": rate,
            "train_seconds": self._seconds,
        }
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
            **self._task.measure(distributed.on_this_process(state.averaged), self.step),
        }
        self._losses = []
        if SCORE in row:
            row[SCORE] = distributed.share_json(row[SCORE])
        if SCORE in row and self._is_best(self.step, row[SCORE]) and self._config.keep_best:
            self._check_finite(state)
            if self._best:
                self._best.save(self.step, state)
        self._write("report", row)
        line = (
            f"step {self.step}  learning rate {row['learning_rate']:.4g}  {row['ms_per_step']:.1f} ms/step  "
            f"mean training loss {row['mean_loss']:.5f}"
        )
        self._progress.say("\n".join(filter(None, (line, self._task.describe(row)))))
        if self._callback and distributed.is_first():
            self._callback(self.step, row)

    def _write(self, kind: str, row: dict[str, Any]) -> None:
        for log in self._logs:
            log.write(kind, self.step, row)

    def _save(self, state: TrainState) -> None:
        self._log()
        self._check_finite(state)
        if self._last:
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
