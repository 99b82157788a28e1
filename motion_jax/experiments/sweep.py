"""Sweeps: one experiment, changed in one respect at a time, each change trained from several seeds and scored alike."""

from __future__ import annotations

import dataclasses
import functools
import re
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
from absl import logging

from motion_jax.config import Experiment
from motion_jax.data.cache import check_source, open_dataset
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import check_names
from motion_jax.evaluation.report import Report, combine, read_json, write_json
from motion_jax.experiments.compare import baselines, compare
from motion_jax.inference.predictor import load_predictor
from motion_jax.runtime.files import check_writable
from motion_jax.train.forecasting import fit

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


class Outcome(NamedTuple):
    """What a sweep found."""

    reports: list[Any]  # of every member, averaged over its seeds, then the baselines'
    failed: list[Path]  # folders of runs that are not in them


class Procedure(Protocol):
    """How the runs of a task are trained and scored.

    Its reports hold `config` and `data["key"]`, by which they are known again when a sweep goes on.
    """

    def data_key(self, experiment: Experiment) -> str:
        """Names the content of the data that `experiment` is about."""
        ...

    def train_and_score(self, run: Run) -> list[Any]:
        """Trains into `run.folder` and scores what was trained."""
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

    Args:
        sweep: the base and its members.
        changes: dotted field -> value, of every member. Seeds count up from `train.seed`.
        seeds: runs of a member.
        workdir: the folder of all.

    Raises:
        UserError: a member has a name that is no folder's, sets what the sweep sets, or is no possible experiment; or
            a change is of a field that the members differ in.
    """
    _check_changes(sweep, changes)
    runs = []
    for name, fields in sweep.members.items():
        _check_member(name, fields)
        first = changes.get("train.seed", sweep.base.train.seed)
        for seed in range(first, first + seeds):
            experiment = _changed(name, sweep.base, {**fields, **changes, "name": name, "train.seed": seed})
            runs.append(Run(experiment, Path(workdir) / name / f"seed{seed}"))
    return runs


def run_all(runs: list[Run], procedure: Procedure | None = None) -> Outcome:
    """Trains and scores what is not yet done. A run that fails is told of at once and left out; the others go on.

    Args:
        runs: of `plan`.
        procedure: how a run is trained and scored; that of forecasting if None.

    Raises:
        UserError: a folder cannot be written, or no run succeeded.
    """
    procedure = procedure or Forecasting()
    for run in runs:
        check_writable(run.folder / REPORT)
    scored: dict[str, list[list[Any]]] = {}
    failed = []
    for number, run in enumerate(runs, start=1):
        name, seed = run.experiment.name, run.experiment.train.seed
        print(f"[{number}/{len(runs)}] {name}, seed {seed}", flush=True)
        try:
            scored.setdefault(name, []).append(_reports(run, procedure))
        except UserError as error:
            logging.warning("left out: %s: %s", run.folder, error)
            failed.append(run.folder)
    whole = [run for run in runs if run.folder not in failed]
    if not whole:
        raise UserError(f"sweep: none of its {len(runs)} runs could be trained and scored")
    rows = [report for reports in scored.values() if reports for report in procedure.combine(reports)]
    return Outcome([*rows, *procedure.baseline(whole[0])], failed)


def _reports(run: Run, procedure: Procedure) -> list[Any]:
    """Of a run that is trained here, or was before."""
    saved = run.folder / REPORT
    if saved.exists() and (known := _known(saved, run.experiment, procedure)):
        print(f"  done before: {run.folder}", flush=True)
        return known
    reports = procedure.train_and_score(run)
    procedure.write_json(reports, saved)
    jax.clear_caches()  # of programs that no other run can use
    return reports


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
            f"sweep, member {name!r}: a name must be of letters, digits, '_', '-' and '.': it is a folder's"
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
