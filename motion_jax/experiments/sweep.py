"""Sweeps: one experiment, changed in one respect at a time, each change trained from several seeds and scored alike.

Several workers may work on one sweep: its folder is the queue (`claims.py`). Each takes a run that is neither done nor
another's, until there is none; the one that finds all done makes the table.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
from absl import logging

from motion_jax.config import Experiment
from motion_jax.data.cache import check_source, open_dataset
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import check_names
from motion_jax.evaluation.report import Report, combine, read_json, write_json
from motion_jax.experiments.claims import claims
from motion_jax.experiments.compare import baselines, compare
from motion_jax.inference.predictor import load_predictor
from motion_jax.runtime.files import check_writable
from motion_jax.runtime.names import in_line
from motion_jax.train.forecasting import Forecasting as ForecastingTask
from motion_jax.train.forecasting import fit
from motion_jax.train.status import check_prometheus
from motion_jax.train.together import differing_field, train_together

RESERVED = ("name", "train.seed")  # what a sweep sets itself
REPORT = "report.json"  # in a run's folder: its scores, so that a sweep that goes on need not score it again


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What the `get_sweep()` of a sweep's file returns."""

    base: Experiment
    members: Mapping[str, Mapping[str, Any]]  # name of the row and of its folder -> dotted field -> value


class Run(NamedTuple):
    """One training of one member."""

    experiment: Experiment
    folder: Path


class Shard(NamedTuple):
    """Which of several workers this is: it begins with its own part of the runs, and goes on with the others'."""

    number: int = 1  # from 1
    of: int = 1


class Outcome(NamedTuple):
    """What a sweep found."""

    reports: list[Any]  # of every member, averaged over its seeds, then the baselines'; none while others train
    failed: list[Path]  # folders of runs that are not in them
    elsewhere: list[Path] = []  # noqa: RUF012 (never changed). Folders of runs that other workers are training


class Procedure(Protocol):
    """How the runs of a task are trained and scored.

    Its reports hold `config` and `data["key"]`, by which they are known again when a sweep goes on.
    """

    def data_key(self, experiment: Experiment) -> str:
        """Names the content of the data that `experiment` is about."""
        ...

    def train_and_score(self, run: Run) -> list[Any]:
        """Trains into `run.folder`, or goes on there, and scores what was trained."""
        ...

    def train_together(self, runs: Sequence[Run]) -> None:
        """Trains each into its folder, by one program (`train/together.py`), and scores nothing."""
        ...

    def baseline(self, run: Run) -> list[Any]:
        """What all members are compared with, on the data of `run`."""
        ...

    def combine(self, reports: Sequence[list[Any]], /) -> list[Any]:
        """The reports of several seeds as those of one model. Raises `UserError` where they do not average."""
        ...

    @property
    def read_json(self) -> Callable[[Path], list[Any]]:
        """Reads what `write_json` wrote."""
        ...

    @property
    def write_json(self) -> Callable[[Sequence[Any], Path], None]:
        """Writes the reports of a run."""
        ...


class Forecasting:
    """Runs of `train.forecasting`, by `compare`, beside the baselines. Each data set is opened once."""

    combine = staticmethod(combine)
    read_json = staticmethod(read_json)
    write_json = staticmethod(write_json)

    def __init__(self) -> None:
        self._open = functools.cache(open_dataset)

    def data_key(self, experiment: Experiment) -> str:
        """Of the data set."""
        return self._open(experiment.data).key

    def train_and_score(self, run: Run) -> list[Report]:
        """`fit`, and what was trained on every protocol and metric of `eval`."""
        dataset = self._open(run.experiment.data)
        fit(run.experiment, dataset, run.folder)
        return compare([load_predictor(run.folder)], dataset, baseline=False)

    def train_together(self, runs: Sequence[Run]) -> None:
        """Without scoring them."""
        first = runs[0].experiment
        task = ForecastingTask.of(first, self._open(first.data))
        train_together(task, [run.experiment for run in runs], [run.folder for run in runs])

    def baseline(self, run: Run) -> list[Report]:
        """Those of zero-velocity and constant velocity."""
        return compare(baselines(load_predictor(run.folder)), self._open(run.experiment.data))


def load_sweep(path: str) -> Sweep:
    """Runs the file, which is Python. Raises `UserError` if it cannot be read, fails, or has no `get_sweep()`."""
    try:
        made = runpy.run_path(path)["get_sweep"]()
    except UserError as error:
        raise UserError(f"--sweep={path}: {error}") from None
    except OSError as error:
        raise UserError(f"--sweep={path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # whatever the user's code raises
        raise UserError(f"--sweep={path}: {type(error).__name__}: {error}") from None
    if not isinstance(made, Sweep) or not made.members:
        raise UserError(f"--sweep={path}: its get_sweep() must return a Sweep with members; it returns {made!r}")
    return made


def plan(sweep: Sweep, changes: Mapping[str, Any], seeds: int, workdir: str | Path) -> list[Run]:
    """Every run, member after member, in folders `workdir/member/seedN`.

    Runs may go on at the same time: where `train.prometheus` is FILE.prom, each has its own, FILE-member-seedN.prom.

    Args:
        sweep: the base and its members.
        changes: dotted field -> value, of every member. Seeds count up from `train.seed`.
        seeds: runs of a member.
        workdir: the folder of all.

    Raises:
        UserError: a member has a name that is no folder's, sets what the sweep sets, or is no possible experiment;
            a change is of a field that the members differ in; or `train.prometheus` cannot be written.
    """
    _check_changes(sweep, changes)
    runs = []
    for name, fields in sweep.members.items():
        _check_member(name, fields)
        first = changes.get("train.seed", sweep.base.train.seed)
        for seed in range(first, first + seeds):
            experiment = _changed(name, sweep.base, {**fields, **changes, "name": name, "train.seed": seed})
            if told := experiment.train.prometheus:
                check_prometheus(told)
                own = Path(told).with_name(f"{Path(told).stem}-{name}-seed{seed}{Path(told).suffix}")
                experiment = experiment.changed({"train.prometheus": str(own)})
            runs.append(Run(experiment, Path(workdir) / name / f"seed{seed}"))
    return runs


def parse_shard(text: str) -> Shard:
    """`i/n`, i from 1. Raises `UserError` for anything else."""
    if found := re.fullmatch(r"(\d+)/(\d+)", text):
        number, count = int(found[1]), int(found[2])
        if 1 <= number <= count:
            return Shard(number, count)
    raise UserError(f"--shard={text}: must be i/n, i from 1 to n, such as 1/8")


def check_together(runs: Sequence[Run], together: int) -> None:
    """Raises `UserError`, naming the field, where a run has no other that one program could train with it."""
    for run in runs if together > 1 else ():
        others = [other for other in runs if other is not run]
        fields = [differing_field(run.experiment, other.experiment) for other in others]
        if None in fields:
            continue
        why = "there is no other run"
        if others:
            why = f"it and {others[0].experiment.name!r} differ in {fields[0]}, which one program cannot have"
        raise UserError(f"--together={together}: nothing can be trained together with member {run.experiment.name!r}: "
                        f"{why}; with --seeds=2 or more, the seeds of a member can")  # fmt: skip


def run_all(
    runs: list[Run], procedure: Procedure | None = None, shard: Shard | None = None, together: int = 1
) -> Outcome:
    """Trains and scores what is not yet done. A run that fails is told of at once and left out; the others go on.

    Args:
        runs: of `plan`.
        procedure: how a run is trained and scored; that of forecasting if None.
        shard: which of several workers this is; None: the only one.
        together: how many runs one program trains at most; 1: each by itself.

    Raises:
        UserError: a folder cannot be written, or locked where there are several workers; `check_together` refuses;
            or no run succeeded.
    """
    check_together(runs, together)
    for run in runs:
        check_writable(run.folder / REPORT)
    work = _Work(runs, procedure or Forecasting(), shard, together)
    work.do()
    if elsewhere := [run.folder for run in runs if not work.is_settled(run)]:
        return Outcome([], work.failed, elsewhere)
    whole = [run for run in runs if run.folder in work.scored]
    if not whole:
        raise UserError(f"sweep: none of its {len(runs)} runs could be trained and scored")
    members: dict[str, list[list[Any]]] = {}
    for run in whole:
        members.setdefault(run.experiment.name, []).append(work.scored[run.folder])
    rows = [report for reports in members.values() if reports for report in work.procedure.combine(reports)]
    return Outcome([*rows, *work.procedure.baseline(whole[0])], work.failed)


class _Work:
    """What one worker does on a sweep."""

    def __init__(self, runs: list[Run], procedure: Procedure, shard: Shard | None, together: int) -> None:
        self.procedure = procedure
        self.scored: dict[Path, list[Any]] = {}  # by folder, of this worker's runs and others'
        self.failed: list[Path] = []
        self._runs = runs
        self._several = shard is not None
        self._together = together
        number, count = shard or Shard()
        begin = (number - 1) * len(runs) // count
        self._order = [*runs[begin:], *runs[:begin]]

    def is_settled(self, run: Run) -> bool:
        """Whether the run is scored, or has failed here."""
        return run.folder in self.scored or run.folder in self.failed

    def do(self) -> None:
        """Trains and scores until every run is settled, or another worker's."""
        while found := self._next():
            held, group = found
            with held:
                if len(group) > 1:
                    names = ", ".join(f"{run.experiment.name}, seed {run.experiment.train.seed}" for run in group)
                    print(f"{len(group)} runs as one program: {names}", flush=True)
                    try:
                        self.procedure.train_together(group)
                    except UserError as error:  # whatever it is of, those concerned will tell
                        logging.warning("not as one program: %s", error)
                for run in group:
                    self._train_and_score(run)

    def _next(self) -> tuple[ExitStack, list[Run]] | None:
        """The next runs to be trained, as one program, and their claims; None where nothing is left to this worker."""
        with ExitStack() as stack:
            held = stack.enter_context(claims())
            group: list[Run] = []
            for run in self._order:
                if self.is_settled(run) or self._is_done(run):
                    continue
                if group and differing_field(group[0].experiment, run.experiment):
                    continue
                if not held.claim(run.folder, self._several):
                    continue
                if self._is_done(run):  # by another worker, between the two looks
                    held.release(run.folder)
                    continue
                group.append(run)
                if len(group) == self._together:
                    break
            return (stack.pop_all(), group) if group else None

    def _is_done(self, run: Run) -> bool:
        """Whether its scores lie in its folder, from whichever worker; then they are known from here on."""
        saved = run.folder / REPORT
        if saved.exists() and (known := _known(saved, run.experiment, self.procedure)):
            print(f"{self._name(run)}: done before: {in_line(run.folder)}", flush=True)
            self.scored[run.folder] = known
        return run.folder in self.scored

    def _train_and_score(self, run: Run) -> None:
        print(self._name(run), flush=True)
        try:
            reports = self.procedure.train_and_score(run)
            self.procedure.write_json(reports, run.folder / REPORT)
        except UserError as error:
            logging.warning("left out: %s: %s", run.folder, error)
            self.failed.append(run.folder)
            return
        self.scored[run.folder] = reports
        jax.clear_caches()  # of programs that no other run can use

    def _name(self, run: Run) -> str:
        number = self._runs.index(run) + 1
        return f"[{number}/{len(self._runs)}] {run.experiment.name}, seed {run.experiment.train.seed}"


def _known(saved: Path, experiment: Experiment, procedure: Procedure) -> list[Any]:
    """The scores that lie there, if they are of this experiment on this data; else none."""
    try:
        reports = procedure.read_json(saved)
    except UserError as error:
        logging.warning("scored again: %s", error)
        return []
    data_key = procedure.data_key(experiment)
    same = all((r.config, r.data["key"]) == (experiment.to_dict(), data_key) for r in reports)
    return reports if same else []


def _changed(name: str, base: Experiment, fields: Mapping[str, Any]) -> Experiment:
    try:
        experiment = base.changed(fields)
        check_source(experiment.data)
        check_names(experiment.eval)
    except UserError as error:
        raise UserError(f"sweep, member {name!r}: {error}") from None
    return experiment


def _check_member(name: str, fields: Mapping[str, Any]) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(
            f"sweep, member {name!r}: a name must be of letters, digits, '_', '-' and '.', and must not begin "
            f"with '-' or '.': it is a folder's"
        )
    if taken := sorted(set(fields) & set(RESERVED)):
        raise UserError(f"sweep, member {name!r}: must not set {', '.join(taken)}, which the sweep does")


def _check_changes(sweep: Sweep, changes: Mapping[str, Any]) -> None:
    if "name" in changes:
        raise UserError("--config.name: the rows of a sweep are named by its members")
    for name, field in _fields(sweep):
        if field in changes:
            raise UserError(f"--config.{field}: the members of this sweep differ in it ({name!r} sets it)")


def _fields(sweep: Sweep) -> Iterator[tuple[str, str]]:
    return ((name, field) for name, fields in sweep.members.items() for field in fields)
