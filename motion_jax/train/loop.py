"""The training loop: K updates a dispatch, and between dispatches what the log, reports and checkpoints ask for.

The state is saved before every report, and a report that did not come to its end is made when the run goes on. What the
loop itself remembers (losses since the last report, the best score) lies in the checkpoint beside the state.
"""

from __future__ import annotations

import base64
import time
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import logging

from motion_jax import __version__
from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.runtime import distributed
from motion_jax.runtime.devices import data_mesh
from motion_jax.runtime.memory import give_back_memory
from motion_jax.runtime.uptime import seconds_since_start
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.environment import environment
from motion_jax.train.log import END, MetricsLog, Progress, end_of, read_metrics, set_aside
from motion_jax.train.optimizer import learning_rate, make_optimizer
from motion_jax.train.replay import write_batch
from motion_jax.train.status import COMPILING, ENDED, FAILED, MEASURING, SAVING, STOPPED, TRAINING, Status, StatusFile
from motion_jax.train.step import StepMetrics, TrainState, init_state, is_finite, make_train_steps
from motion_jax.train.stop import Interrupted, Stop, stop_on_signal
from motion_jax.train.task import SCORE, Task, feed_of
from motion_jax.train.tensorboard import TENSORBOARD, TensorBoardWriter
from motion_jax.train.workdir import Workdir, flatten

Callback = Callable[[int, Mapping[str, Any]], None]
"""Called at each report with the step and the report's row of metrics.jsonl."""
Updates = Generator[tuple[TrainState, int], tuple[TrainState, StepMetrics], int]
"""Asks for K updates of a state, is sent what they made, and ends with the steps done."""

_GIVE_BACK_EVERY_S = 5.0
"""At least between two times that memory is given back after a save: each takes some milliseconds."""


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
        UserError: `train.patience` without validation; the workdir is taken, cannot be written or holds another run,
            or one that was saved in another environment; the batch does not divide over the devices;
            `train.max_skipped` updates in a row had no finite loss and gradient, or the state became NaN or infinite
            (the last checkpoint stays); a process of several has another config, other data or other settings.
        Interrupted: SIGTERM, SIGINT, SIGHUP or SIGUSR1, to whichever process; the state was saved.
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
    devices: int | None = None,
) -> Updates:
    """A run as what it asks of the training step: so that one step can serve several runs (`train/together.py`).

    Args and errors as `train`, and:
        sharding: where the state lies.
        stop: what tells the run, and others, to stop; None: signals to this process.
        state: that of step 0; None: it is made.
        devices: that share a batch; None: those of `sharding`.
    """
    if experiment.train.patience and not task.validates:
        raise UserError(
            f"train.patience={experiment.train.patience}: needs validation, and nothing is held out "
            f"(data.validation={experiment.data.validation!r})"
        )
    optimizer = make_optimizer(experiment, task.rate_scales)
    settings = environment(devices or sharding.num_devices)
    distributed.check_agreement(_facts(task, experiment, settings))
    folder, quiet = Workdir(workdir), quiet or not distributed.is_first()
    with closing(Progress(experiment.train.steps, quiet=quiet, batch=experiment.train.batch)) as progress:
        progress.status("making the first parameters ...")
        state = state or init_state(task, optimizer, experiment.train.seed, experiment.train.ema > 0)
        if not jax.tree.leaves(state.params):
            name = experiment.model.name
            raise UserError(f"model.name={name!r} has nothing to train: motion-jax evaluate runs it as is")
        alone = stop is None and not distributed.joined()
        with ExitStack() as held, stop_on_signal() if stop is None else nullcontext(stop) as stop:
            distributed.on_first(lambda: held.enter_context(folder.locked()))
            # the config has proved possible: what is recorded can be resumed
            distributed.on_first(lambda: folder.begin(experiment, task.records, task.data_key, settings))
            with _Run(task, experiment, folder, progress, stop, alone, callback, board, seconds_before) as run:
                yield from run.train(distributed.place(state, sharding), sharding)
            return run.step


def _facts(task: Task, experiment: Experiment, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What processes that train together must have alike; where their data lie is their own affair."""
    fields = flatten(experiment.to_dict())
    return {
        **{key: value for key, value in fields.items() if key not in ("data.root", "data.cache", "train.prometheus")},
        **settings,
        "the data set's content": task.data_key,
        "motion_jax": __version__,
    }


class _Run:
    """The host's side of a run: what has happened since the last log line, report and checkpoint.

    Of several processes each has one, and all of them decide alike; the first one alone writes.
    """

    def __init__(
        self,
        task: Task,
        experiment: Experiment,
        folder: Workdir,
        progress: Progress,
        stop: Stop,
        alone: bool,
        callback: Callback | None,
        board: bool,
        seconds_before: float,
    ) -> None:
        """`alone`: whether `stop` concerns no other run or process, so that this one need not wait for them."""
        self.step = 0
        self._task = task
        self._experiment = experiment
        self._config = experiment.train
        self._rate = learning_rate(experiment)
        self._folder = folder
        self._progress = progress
        self._signals = stop
        self._stop = distributed.AgreedSignal(lambda: stop.signal)
        self._alone = alone
        self._callback = callback
        self._boards = board
        self._open = ExitStack()
        self._metrics: MetricsLog | None = None
        self._logs: list[MetricsLog | TensorBoardWriter] = []  # of the first process; of others none, as here
        self._last = self._best = self._status = None
        distributed.on_first(self._open_folder)
        self._pending: list[StepMetrics] = []  # on the device: reading them would wait for it
        self._losses = array("f")  # since the last report; nan where the update was skipped
        self._skipped = 0  # updates
        self._in_a_row = 0  # of them, up to now
        self._best_score = float("inf")
        self._best_step: int | None = None
        self._waited = 0  # reports since the best
        self._report_due = False  # at this step
        self._ended: int | None = None  # the step at which the log says that the run has ended
        self._begun = self._reported = time.monotonic()
        self._seconds_before = seconds_before
        self._saved: int | None = None  # the newest checkpoint's step
        self._gave_back = float("-inf")  # when memory was given back to the system

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        phase = ENDED if kind is None else STOPPED if issubclass(kind, Interrupted) else FAILED
        self._tell(phase, step=self.step)
        self._open.close()

    def _open_folder(self) -> None:
        run = self._folder.run_key()
        self._last = self._open.enter_context(closing(Checkpoints(self._folder.last, self._config.keep_last, run)))
        if self._config.keep_best and self._task.validates:
            self._best = self._open.enter_context(closing(Checkpoints(self._folder.best, run=run)))
        status = Status(self._experiment.name, self._config.steps)
        self._status = StatusFile(self._folder, status, self._config.prometheus)

    def train(
        self, state: TrainState, sharding: jax.sharding.Sharding
    ) -> Generator[tuple[TrainState, int], tuple[TrainState, StepMetrics], None]:
        """From the last good checkpoint, or the given state, to the last step; asks for the updates."""
        state = self._resume_all(state, sharding)
        first = self.step
        if self._report_due:
            self._report(state)
        while self.step < self._config.steps and not self._exhausted:
            before = self.step
            count = min(self._config.steps_per_dispatch, self._config.steps - before)
            if before == first:
                self._progress.say(f"compiling the training step; steps {first + 1} to {first + count} follow")
                self._tell(COMPILING, step=first)
                compiling = time.monotonic()
                with self._at_once():  # nothing has been done that is not on disk
                    state, metrics = yield state, count
                self._say_begun(metrics, count)
                self._reported += time.monotonic() - compiling
            else:
                state, metrics = yield state, count
            self._pending.append(metrics)
            self.step += count
            self._stop.vote()
            done = self.step == self._config.steps
            self._report_due = self._crosses(before, self._config.report_every) or done
            if self._crosses(before, self._config.log_every):
                self._log(state)
            if self._crosses(before, self._config.checkpoint_every) or self._report_due:
                self._save(state)
            if asked := self._stop.signal:  # it may come at any time: also before the report, which then waits
                self._save(state)
                self._say_stopped()
                raise Interrupted(128 + asked)
            if self._report_due:
                self._report(state)
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

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """Around what a signal need not wait for; it does where others depend on this run."""
        if self._alone:
            with self._signals.at_once(self._say_stopped):
                yield
            return
        try:
            yield
        except Interrupted:  # by whoever does the updates of several runs
            self._say_stopped()
            raise

    def _say_stopped(self) -> None:
        saved = f"saved in {self._folder.path}" if self._saved is not None else "with nothing yet to save"
        self._progress.say(f"stopped at step {self.step}, {saved}")
        self._tell(STOPPED, step=self.step)

    def _tell(self, phase: str, **changes: Any) -> None:
        if self._status:
            self._status.tell(phase, **changes)

    def _resume_all(self, state: TrainState, sharding: jax.sharding.Sharding) -> TrainState:
        """`_resume` by the first process; the others take its state, and what it remembers, from it."""
        if not distributed.joined():
            return self._resume(state, sharding)
        local = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        state = distributed.on_first(lambda: self._resume(distributed.on_this_process(state), local)) or state
        self.step, self._saved, self._ended, host = distributed.share_json(
            (self.step, self._saved, self._ended, self._remembered())
        )
        if not distributed.is_first():
            self._recall(host)
        return distributed.place(distributed.share_arrays(distributed.on_this_process(state)), sharding)

    def _resume(self, state: TrainState, sharding: jax.sharding.Sharding) -> TrainState:
        assert self._last
        abstract = jax.eval_shape(lambda: state)
        aside, host = self._last.recover_unmarked(abstract, sharding), {}
        restored = self._last.restore(abstract, sharding)
        if restored:
            self.step, state = restored
            host = self._last.host_of(self.step)
            self._saved = self.step
            self._last.set_aside_after(self.step)
            self._progress.say(f"resuming {self._folder.path} at step {self.step}")
        elif read_metrics(self._folder.metrics):
            self._progress.say(f"{self._folder.path} holds no finished checkpoint: starting again at step 0")
            if aside:  # whose steps the log covers
                set_aside(self._folder.metrics)
        self._metrics = self._open.enter_context(closing(MetricsLog(self._folder.metrics, self.step)))
        self._logs = [self._metrics]
        rows = read_metrics(self._folder.metrics)
        if self._boards:
            board = TensorBoardWriter(self._folder.path / TENSORBOARD, rows, self._experiment.eval.frame_numbers)
            self._logs.append(self._open.enter_context(closing(board)))
        if len(rows) < host.get("rows", 0):
            logging.warning("%s: has %d rows up to step %d, of %d that were written: the others are lost",
                            self._folder.metrics, len(rows), self.step, host["rows"])  # fmt: skip
        if host:
            self._recall(host)
            self._recall_report(rows)
        if end := end_of(rows):
            self._ended = end["step"]
        self._seconds_before = max([self._seconds_before, *(row.get("train_seconds", 0.0) for row in rows)])
        if self._best:
            self._check_best(self._best, state, abstract, sharding)
        return state

    def _remembered(self) -> dict[str, Any]:
        """What the loop remembers beside the state, in plain values."""
        return {
            "losses": base64.b64encode(self._losses).decode(),
            "seconds": time.monotonic() - self._reported,
            "report_due": self._report_due,
            "skipped": self._skipped,
            "skipped_in_a_row": self._in_a_row,
            "best_step": self._best_step,
            "best_score": None if self._best_step is None else self._best_score,
            "waited": self._waited,
        }

    def _recall(self, host: Mapping[str, Any]) -> None:
        """Takes over what `_remembered` told."""
        self._losses = array("f", base64.b64decode(host["losses"]))
        self._skipped, self._in_a_row = host["skipped"], host["skipped_in_a_row"]
        self._best_step, self._waited = host["best_step"], host["waited"]
        self._best_score = float("inf") if host["best_score"] is None else host["best_score"]
        self._reported = time.monotonic() - host["seconds"]
        self._report_due = host["report_due"]

    def _recall_report(self, rows: list[dict[str, Any]]) -> None:
        """The report that was due when the state was saved, if it came to its end afterwards."""
        for row in rows if self._report_due else ():
            if row["kind"] == "report" and row["step"] == self.step:
                self._report_due, self._losses, self._reported = False, array("f"), time.monotonic()
                if SCORE in row:
                    self._is_best(row["step"], row[SCORE])

    def _check_best(self, best: Checkpoints, state: TrainState, abstract: Any, sharding: jax.sharding.Sharding) -> None:
        """Sets a damaged best checkpoint aside; what can be made of the newest state is, else a report chooses anew."""
        best.recover_unmarked(abstract, sharding)
        found = None
        with suppress(UserError):  # none can be read
            found = best.restore(abstract, sharding)
        best.set_aside_after(-1 if found is None else found[0])
        if self._best_step is None or (found and found[0] >= self._best_step):
            return
        if self._best_step == self.step:
            best.save(self.step, state)
        else:
            logging.warning("%s: the checkpoint of step %d, the best so far, is damaged or missing: reports to come "
                            "choose another", self._folder.best, self._best_step)  # fmt: skip
            self._best_score, self._best_step = float("inf"), None

    def _is_best(self, step: int, score: float | None) -> bool:
        """Whether a report's score is the best so far; None or nan is not."""
        if score is not None and score < self._best_score:
            self._best_score, self._best_step, self._waited = score, step, 0
            return True
        self._waited += 1
        return False

    def _log(self, state: TrainState) -> None:
        """Reads the pending metrics, counts what was skipped, and says the current loss."""
        if not self._pending:
            return
        loss, norm, skipped = (np.concatenate(parts) for parts in zip(*jax.device_get(self._pending), strict=True))
        self._pending = []
        self._losses.frombytes(np.where(skipped, np.nan, loss).astype(np.float32).tobytes())
        self._skipped += int(skipped.sum())
        good = np.flatnonzero(~skipped)
        self._in_a_row = len(skipped) - 1 - int(good[-1]) if len(good) else self._in_a_row + len(skipped)
        if skipped.any():
            first = int(np.flatnonzero(skipped)[0])
            step, row_of = self.step - len(loss) + first + 1, self.step - self._in_a_row + 1
            what = f"at step {step} the loss is {loss[first]} and the gradient's norm {norm[first]}"
            if self._in_a_row > self._config.max_skipped:
                what = f"{what}; {self._in_a_row} updates in a row were skipped, from step {row_of} on"
                raise self._diverged(what, state)
            self._progress.say(
                f"{what}: skipped {int(skipped.sum())} of {len(skipped)} updates, {self._skipped} so far"
            )
        rate = self._learning_rate()
        row: dict[str, Any] = {
            "loss": float(loss[-1]),
            "grad_norm": float(norm[-1]),
            "learning_rate": rate,
            "train_seconds": self._seconds,
        }
        if self._skipped:
            row["skipped"] = self._skipped
        self._write("train", row)
        self._progress.update(self.step, row["loss"], rate)
        finite = {name: value if np.isfinite(value) else None for name, value in row.items()}
        self._tell(TRAINING, step=self.step, seconds_per_step=self._progress.seconds_per_step, **finite)

    def _report(self, state: TrainState) -> None:
        """What the thesis prints every m steps, and the validation that chooses the best checkpoint."""
        self._progress.status(f"step {self.step}: measuring ...")
        self._tell(MEASURING)
        seconds = time.monotonic() - self._reported
        losses = np.array(self._losses)
        learned = losses[~np.isnan(losses)]
        with self._at_once():  # the state is saved, and whoever resumes makes the report
            measured = self._task.measure(distributed.on_this_process(state.averaged), self.step)
        row = {
            "learning_rate": self._learning_rate(),
            "ms_per_step": 1000 * seconds / len(losses),
            "mean_loss": float(learned.mean(dtype=np.float64)) if len(learned) else float("nan"),
            **measured,
        }
        self._losses = array("f")
        if SCORE in row:
            row[SCORE] = distributed.share_json(row[SCORE])
        if SCORE in row and self._is_best(self.step, row[SCORE]):
            distributed.on_first(lambda: self._best.save(self.step, state) if self._best else None)
        self._write("report", row)
        line = (
            f"step {self.step}  learning rate {row['learning_rate']:.4g}  {row['ms_per_step']:.1f} ms/step  "
            f"mean training loss {row['mean_loss']:.5f}"
        )
        self._progress.say("\n".join(filter(None, (line, self._task.describe(row)))))
        score = self._best_score if self._best_step is not None else None
        self._tell(TRAINING, best_step=self._best_step, best_score=score)
        self._report_due, self._reported = False, time.monotonic()
        if self._callback and distributed.is_first():
            self._callback(self.step, row)

    def _write(self, kind: str, row: dict[str, Any]) -> None:
        for log in self._logs:
            log.write(kind, self.step, row)

    def _save(self, state: TrainState) -> None:
        """The state, which is finite, and what the loop remembers; the rows of its steps are on disk before."""
        self._log(state)
        if self._saved == self.step:
            return
        begun = time.monotonic()
        if not is_finite(state):  # the gradients were, but the last update may have overflowed
            raise self._diverged(f"the state after step {self.step} is not finite")
        self._tell(SAVING)
        distributed.on_first(lambda: self._write_checkpoint(state))
        self._saved = self.step
        self._tell(TRAINING, saved_step=self.step, saved_time=time.time())
        if time.monotonic() - self._gave_back >= _GIVE_BACK_EVERY_S:
            give_back_memory()
            self._gave_back = time.monotonic()
        took = time.monotonic() - begun
        self._reported += took
        self._progress.leave_out(took)

    def _write_checkpoint(self, state: TrainState) -> None:
        assert self._last
        assert self._metrics
        self._metrics.sync()
        self._last.save(self.step, state, {"rows": self._metrics.rows, **self._remembered()})

    def _diverged(self, what: str, state: TrainState | None = None) -> UserError:
        """Of a state that no update has changed since numbers went wrong, the batch of the first is written out."""
        saved = "No checkpoint had been saved"
        if self._saved is not None:
            saved = f"The checkpoint of step {self._saved} in {self._folder.last} is intact"
        replay = ""
        if state is not None:
            update = self.step - self._in_a_row
            path = distributed.on_first(lambda: write_batch(self._folder, self._task, state, update))
            replay = (
                f" The batch is in {path}: motion-jax train --workdir={self._folder.path} --replay={path} tells more."
                if path
                else " The first process has written the batch."
            )
        return UserError(
            f"training stopped: {what}. {saved}.{replay} Lower optim.learning_rate (now "
            f"{self._experiment.optim.learning_rate:g}) or optim.clip_norm in a new workdir, or look at the data with "
            f"motion-jax prepare."
        )
