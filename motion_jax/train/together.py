"""Several runs as one program: seeds of an experiment, or experiments that differ in the rate of learning alone.

The updates of all are one program over their states (`vmap` of the training step where that is faster), so that small
networks fill a device; devices share the runs. Everything else is each run's own: its folder, its draws (from its own
seed), its log, its reports, its checkpoints and its end. Afterwards each folder is a run like any other.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding, PartitionSpec

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.runtime.backend import compiler_options
from motion_jax.runtime.devices import DATA, mesh_of, num_microbatches
from motion_jax.train.loop import Updates, updates_of_run
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import StepMetrics, TrainState, first_state, train_step
from motion_jax.train.stop import Interrupted, Stop, stop_on_signal
from motion_jax.train.task import Stream, Task
from motion_jax.train.workdir import flatten
from motion_jax.types import Array

MAY_DIFFER = ("name", "train.seed", "train.prometheus")
_RATE = "optim.learning_rate"  # updates are proportional to it

Together = Callable[[Sequence[TrainState], Any, int], list[tuple[TrainState, StepMetrics]]]
"""(states of M runs, data, K) -> the state and the metrics of each after K updates."""
Done = list[tuple[TrainState, StepMetrics]]
Steps = Callable[[Sequence[TrainState], int], Done]
"""`Together` with its data."""


def differing_field(one: Experiment, other: Experiment) -> str | None:
    """The first field by which two experiments need two programs; None where one serves both."""
    fields, others = flatten(one.to_dict()), flatten(other.to_dict())
    free = {*MAY_DIFFER}
    if not (one.optim.name == "rmsprop" and one.optim.momentum):  # whose state holds what the rate has multiplied
        free.add(_RATE)
    differ = (name for name in sorted(fields | others) if fields.get(name) != others.get(name) and name not in free)
    return next(differ, None)


def train_together(
    task: Task, experiments: Sequence[Experiment], workdirs: Sequence[str | Path], quiet: bool = False
) -> list[UserError | None]:
    """Trains every run until its end, going on with those that are there; of each, what stopped it before, or None.

    Args:
        task: of the first experiment, a dataclass with a field `experiment`.
        experiments: of the runs.
        workdirs: their folders.
        quiet: print nothing; else the first run's progress.

    Raises:
        UserError: two experiments differ in what one program cannot have, which is named; two have the same
            `train.prometheus`; or `train.refit`.
        Interrupted: SIGTERM or SIGINT; the state of each run was saved.
    """
    first = experiments[0]
    for other in experiments[1:]:
        if field := differing_field(first, other):
            raise UserError(f"{first.name!r} and {other.name!r} differ in {field}: one program cannot train both")
    written = [experiment.train.prometheus for experiment in experiments if experiment.train.prometheus]
    if twice := next((path for path in written if written.count(path) > 1), None):
        raise UserError(f"train.prometheus={twice}: runs that are trained together must each have a file of their own")
    if first.train.refit:
        raise UserError("train.refit=True: runs that are trained together cannot be refitted: each would have its own "
                        "number of steps")  # fmt: skip
    if isinstance(task.data, Stream):
        raise UserError("data.in_memory: runs that are trained together need their frames in memory: "
                        "data.in_memory=yes")  # fmt: skip
    optimizer = make_optimizer(first, task.rate_scales)
    devices = next(n for n in range(min(jax.local_device_count(), len(experiments)), 0, -1) if not len(experiments) % n)
    train_steps, sharding = make_steps_together(task, optimizer, experiments, devices)
    data = jax.device_put(task.data, sharding)
    begin = jax.jit(functools.partial(first_state, task, optimizer, ema=first.train.ema > 0))
    with stop_on_signal() as stop:
        runs = [
            updates_of_run(_of_member(task, experiment), experiment, workdir, sharding, quiet=quiet or number > 0,
                           stop=stop, state=begin(jax.random.key(experiment.train.seed)), devices=1)
            for number, (experiment, workdir) in enumerate(zip(experiments, workdirs, strict=True))
        ]  # fmt: skip
        return _Runs(runs, stop).train(lambda states, count: train_steps(states, data, count))


class _Runs:
    """Runs in step: each asks for updates, and is sent its own of what one program computed for all."""

    def __init__(self, runs: Sequence[Updates], stop: Stop) -> None:
        self._runs = runs
        self._stop = stop
        self._begun = False
        self._asked: dict[int, tuple[TrainState, int]] = {}
        self._failed: list[UserError | None] = [None] * len(runs)
        self._interrupted: Interrupted | None = None

    def train(self, train_steps: Steps) -> list[UserError | None]:
        try:
            for number in range(len(self._runs)):
                self._go_on(number, None)
            while self._asked:
                count = next(iter(self._asked.values()))[1]  # others, that were resumed elsewhere, may need another
                alike = [number for number, asked in self._asked.items() if asked[1] == count]
                filling = self._asked[alike[0]][0]  # in place of runs that have ended
                states = [self._asked[number][0] if number in alike else filling for number in range(len(self._runs))]
                done = self._update(train_steps, states, count)
                for number in alike:
                    del self._asked[number]
                    self._go_on(number, done[number])
        finally:
            for run in self._runs:
                run.close()
        if self._interrupted:
            raise self._interrupted
        return self._failed

    def _update(self, train_steps: Steps, states: Sequence[TrainState], count: int) -> Done:
        """What fails there is raised in the runs too. The first time, when all that has been done is on disk, a signal
        need not wait.
        """
        try:
            with nullcontext() if self._begun else self._stop.at_once(lambda: None):
                done = train_steps(states, count)
                if not self._begun:
                    jax.block_until_ready(done)
        except BaseException as error:
            for number in self._asked:
                with suppress(BaseException):
                    self._runs[number].throw(error)
            raise
        self._begun = True
        return done

    def _go_on(self, number: int, done: tuple[TrainState, StepMetrics] | None) -> None:
        run = self._runs[number]
        try:
            self._asked[number] = next(run) if done is None else run.send(done)
        except StopIteration:
            pass
        except UserError as error:
            self._failed[number] = error
        except Interrupted as error:
            self._interrupted = error


def make_steps_together(
    task: Task,
    optimizer: optax.GradientTransformation,
    experiments: Sequence[Experiment],
    devices: int,
    vectorised: bool | None = None,
) -> tuple[Together, NamedSharding]:
    """The compiled updates of M runs, and the sharding of their states and data.

    Args:
        task: of the first.
        optimizer: of the first.
        experiments: of all.
        devices: which share the runs; their number divides that of the runs.
        vectorised: whether a device computes its runs at once, by `vmap`, or one after another in the same program;
            None: at once except on a CPU, which multiplies by many small matrices more slowly than by one after
            another (docs/many_hosts.md).
    """
    if vectorised is None:
        vectorised = jax.default_backend() != "cpu"
    first = experiments[0]
    num_parts = num_microbatches(first.train.batch, first)
    mesh = mesh_of(devices)
    everywhere, divided = PartitionSpec(), PartitionSpec(DATA)
    rates = [experiment.optim.learning_rate / first.optim.learning_rate for experiment in experiments]

    def of_one(state: TrainState, rate: Array, data: Any, count: int) -> tuple[TrainState, StepMetrics]:
        own = optimizer if len(set(rates)) == 1 else _scaled(optimizer, rate)

        def step(state: TrainState, _: None) -> tuple[TrainState, StepMetrics]:
            return train_step(state, data, task, own, None, num_parts, first.train.ema)

        return jax.lax.scan(step, state, length=count)

    @functools.partial(
        jax.jit,
        static_argnums=2,
        out_shardings=NamedSharding(mesh, everywhere),
        compiler_options=compiler_options(first.compute),
    )
    def train_steps(states: Sequence[TrainState], data: Any, count: int) -> list[tuple[TrainState, StepMetrics]]:
        def of_device(states: TrainState, rates: Array, data: Any) -> tuple[TrainState, StepMetrics]:
            if vectorised:
                return jax.vmap(lambda state, rate: of_one(state, rate, data, count))(states, rates)
            return jax.lax.map(lambda run: of_one(run[0], run[1], data, count), (states, rates))

        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        specs = (divided, divided, everywhere)
        of_all = jax.shard_map(of_device, mesh=mesh, in_specs=specs, out_specs=divided, check_vma=False)
        done = (of_all if devices > 1 else of_device)(stacked, jnp.asarray(rates, jnp.float32), data)
        return [jax.tree.map(lambda leaf, number=number: leaf[number], done) for number in range(len(states))]

    return train_steps, NamedSharding(mesh, everywhere)


def _scaled(optimizer: optax.GradientTransformation, rate: Array) -> optax.GradientTransformation:
    """Of another rate of learning, `rate` times the optimiser's own."""

    def update(updates: Any, state: optax.OptState, params: Any = None) -> tuple[Any, optax.OptState]:
        updates, state = optimizer.update(updates, state, params)
        return jax.tree.map(lambda leaf: leaf * rate.astype(leaf.dtype), updates), state

    return optax.GradientTransformation(optimizer.init, update)


def _of_member(task: Any, experiment: Experiment) -> Any:
    """The task of another run, which measures with the same compiled functions."""
    member = dataclasses.replace(task, experiment=experiment)
    vars(member).update({name: getattr(task, name) for name in getattr(task, "PROGRAMS", ())})
    return member
