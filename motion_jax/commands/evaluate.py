"""Scores trained runs, several seeds of them, or a baseline, in both modes, beside zero-velocity and constant velocity.

Runs of recognition are scored on test segments, beside the most frequent class.

motion-jax evaluate --workdir=runs/bi_enc_50 --json=report.json --markdown=report.md
motion-jax evaluate --workdir=runs/seed0,runs/seed1,runs/seed2 --mode=free_running
motion-jax evaluate --workdir=runs --markdown=table.md --csv=table.csv --plot=table.png    (all runs below runs)
motion-jax evaluate --workdir=runs/bi_enc_50 --coverage --json=report.json    (how often radii hold)
motion-jax evaluate --config=zero_velocity --config.data.name=cmu --config.data.root=cmu_mocap
motion-jax evaluate --workdir=runs/seed0,runs/seed1,runs/seed2 --index=docs/results.json
motion-jax evaluate --workdir=runs/hbrnn --json=report.json --plot=confusion.png    (of recognition)
motion-jax evaluate --index=docs/results.json --tables=docs,BENCHMARKS.md    (pages from the index, nothing is scored)

It prints the averages over actions. Every action, and published results beside them, are in the files.

--index adds what is scored to an index of results, in place of what that has of the same model (--config.name of its
training) and data set; scores of the same weights by other protocols, metrics and modes stay. Every run must be one
that can be scored. --tables writes the index's tables between their marks in pages (docs/benchmarks/forecasting.md).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
from absl import flags, logging

from motion_jax.commands import cli
from motion_jax.commands.labelled import LABELLED_TASKS
from motion_jax.commands.outputs import check_outputs
from motion_jax.config import MODES, DataConfig, Experiment
from motion_jax.data.cache import open_dataset
from motion_jax.data.labelled.open import open_labelled
from motion_jax.data.labelled.segments import table_files
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.data.normalize import pose_space
from motion_jax.data.positions import represented
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.evaluation import report, tables
from motion_jax.evaluation.evaluate import check_names
from motion_jax.evaluation.index import merged, read_index, write_index
from motion_jax.evaluation.index_pages import pages_in, update_pages
from motion_jax.evaluation.report import Report
from motion_jax.experiments.compare import compare
from motion_jax.experiments.coverage import CoverageReport, coverage_table, measure_run
from motion_jax.experiments.index_rows import index_rows
from motion_jax.experiments.runs import is_named, open_runs, tasks_of
from motion_jax.inference.predictor import Predictor
from motion_jax.models import make
from motion_jax.runtime.distributed import is_first, on_first
from motion_jax.runtime.names import in_line
from motion_jax.types import Dataset
from motion_jax.visualize.curves import horizon_curves
from motion_jax.visualize.figures import check_drawable

_CONFIG = cli.define_config()
_WORKDIR = cli.define_paths("workdir", "", "Runs, or folders of runs, separated by commas; of one name: seeds.")
_ROOT = cli.define_path("root", "", "Folder of the data, if it has moved since training.")
_MODE = flags.DEFINE_enum("mode", "both", (*MODES, "both"), "How the model is fed.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of a run.")
_SPLIT = flags.DEFINE_enum(
    "split", "test", ("test", "validation"), "Of labelled sequences: what is scored; validation chose the checkpoint."
)
_BASELINE = flags.DEFINE_bool("baseline", True, "Score zero-velocity and constant velocity on the same windows.")
_METRICS = flags.DEFINE_string("metrics", "", "Instead of the eval.metrics that a run was trained with.")
_PROTOCOLS = flags.DEFINE_string("protocols", "", "Instead of its eval.protocols.")
_JSON = cli.define_path("json", "", "Write the reports here, in full.")
_CSV = cli.define_path("csv", "", "Write one line a number here.")
_MARKDOWN = cli.define_path("markdown", "", "Write the tables here.")
_COVERAGE = flags.DEFINE_bool("coverage", False, "Also measure how often the radii of calibrated runs hold.")
_PLOT = cli.define_path("plot", "", "Draw error against horizon here, a panel for each mode.")
_INDEX = cli.define_path("index", "", "Add what is scored to this index of results (JSON).")
_LATENCY = flags.DEFINE_bool("latency", True, "For the index, time 50 calls of each model at batch 1.")
cli.define_processes("coordinator", "num_processes", "process_id", "heartbeat_timeout")
_TABLES = cli.define_paths("tables", "", "Write the index's tables into these pages or folders of pages.")


def main(_: list[str]) -> None:
    """Checks the outputs, scores, writes."""
    pages = _pages()
    if _INDEX.value and _TABLES.value and not _WORKDIR.value and _CONFIG.value is None:
        _write_pages(pages)
        return
    covered: list[CoverageReport] = []

    def write_json(reports: list[Report], path: str) -> None:
        more = {"coverage": [found.to_dict() for found in covered]} if _COVERAGE.value else {}
        report.write_json(reports, path, **more)

    outputs = [(write_json, _JSON), (report.write_csv, _CSV), (tables.write_markdown, _MARKDOWN)]
    chosen = [(write, flag.value) for write, flag in outputs if flag.value]
    on_first(_check_outputs)
    folders = cli.split_paths(_WORKDIR.value)
    if (names := tasks_of(folders)) - {"forecasting"}:
        _evaluate_labelled(folders, names, pages)
        return
    if _SPLIT.present:
        raise UserError(f"--split={_SPLIT.value}: is for runs of recognition and anticipation")
    if bool(folders) == (_CONFIG.value is not None):
        raise UserError("give --workdir=DIR of a trained run, or --config=FILE of a model that needs no training")
    runs = open_runs(folders, _CHECKPOINT.value) if folders else [_untrained(cli.experiment(_CONFIG))]
    if _METRICS.value or _PROTOCOLS.value:
        runs = [_measured_otherwise(run) for run in runs]
    if _PLOT.value and len(names := {run.experiment.data.name for run in runs}) > 1:
        raise UserError(f"--plot={_PLOT.value}: shows one data set; these runs are of {', '.join(sorted(names))}")
    leave_out = not _INDEX.value and not all(is_named(folder) for folder in folders)
    calibrated = _calibrated(runs, leave_out) if _COVERAGE.value else []
    scored = _score(runs, leave_out)
    if not is_first():
        return
    reports = [report for _, found in scored for report in found]
    print(f"\nMean over actions\n\n{tables.averages_table(reports)}\n")
    if _COVERAGE.value:
        covered += _coverage(calibrated, leave_out)
        print(f"{coverage_table(covered)}\n")
    if _INDEX.value:
        found = [row for group, reports in scored for row in index_rows(group, reports, _LATENCY.value)]
        write_index(merged(read_index(_INDEX.value), found), _INDEX.value)
        print(f"wrote {in_line(_INDEX.value)}: {', '.join(in_line(row.model) for row in found)}")
        _write_pages(pages)
    elif not chosen:
        print("Every action, and published results beside them: --markdown=FILE; for programs --json=FILE, --csv=FILE")
    for write, path in [*chosen, *([(horizon_curves, _PLOT.value)] if _PLOT.value else [])]:
        write(reports, path)
        print(f"wrote {in_line(path)}")


def _check_outputs(read: Iterable[Path] = ()) -> None:
    check_outputs({flag.name: flag.value for flag in (_JSON, _CSV, _MARKDOWN, _PLOT, _INDEX)}, read)
    if _PLOT.value:
        check_drawable(_PLOT.value)
    if _INDEX.value:
        read_index(_INDEX.value)  # a broken one is refused before anything is computed


def _evaluate_labelled(folders: list[Path], names: set[str], pages: list[Path]) -> None:
    """Runs of a task on labelled sequences."""
    if len(names) > 1:
        raise UserError(f"--workdir={_WORKDIR.value}: holds runs of several tasks ({', '.join(sorted(names))}): name "
                        f"those of one")  # fmt: skip
    (name,) = names
    for flag in (_CONFIG, _MODE, _METRICS, _PROTOCOLS, _COVERAGE):
        if flag.present:
            raise UserError(f"--{flag.name}={flag.value}: is for runs of forecasting; these are of {name}")
    task = LABELLED_TASKS[name]
    if _PLOT.value and task.draw is None:
        raise UserError(f"--plot={_PLOT.value}: there is no picture of {name}")
    runs = open_runs(folders, _CHECKPOINT.value, task.load)
    on_first(lambda: _check_outputs([path for run in runs for path in table_files(run.experiment.labels.table)]))
    leave_out = not _INDEX.value and not all(is_named(folder) for folder in folders)
    groups: dict[str, list[Any]] = {}
    sets: dict[str, LabelledSet] = {}
    for run in runs:
        dataset = _opened_labelled(_data(run), run.experiment.labels)
        groups.setdefault(dataset.key, []).append(run)
        sets[dataset.key] = dataset
    scored = [
        (group, task.compare(group, sets[key], _BASELINE.value, leave_out, _CHECKPOINT.value, _SPLIT.value))
        for key, group in groups.items()
    ]
    reports = [report for _, found in scored for report in found]
    if not reports:
        raise UserError(f"--workdir={_WORKDIR.value}: none of its {len(runs)} runs could be scored")
    if not is_first():
        return
    print(f"\n{task.text(reports)}\n")
    if _INDEX.value:
        rows = [row for group, found in scored for row in task.index_rows(group, found, _LATENCY.value)]
        write_index(merged(read_index(_INDEX.value), rows), _INDEX.value)
        print(f"wrote {in_line(_INDEX.value)}: {', '.join(in_line(row.model) for row in rows)}")
        _write_pages(pages)
    outputs = [(task.write_json, _JSON), (task.write_csv, _CSV), (task.write_markdown, _MARKDOWN), (task.draw, _PLOT)]
    for write, flag in outputs:
        if write and flag.value:
            write(reports, flag.value)
            print(f"wrote {in_line(flag.value)}")


def _pages() -> list[Path]:
    """Of --tables, which needs an index."""
    if _TABLES.value and not _INDEX.value:
        raise UserError(f"--tables={_TABLES.value}: tables are made from an index: give --index=FILE too")
    return pages_in(cli.split_paths(_TABLES.value))


def _write_pages(pages: list[Path]) -> None:
    if not Path(_INDEX.value).is_file():
        raise UserError(f"--index={_INDEX.value}: there is no such file")
    for page in update_pages(read_index(_INDEX.value), pages):
        print(f"wrote {in_line(page)}")


def _score(runs: list[Predictor], leave_out: bool) -> list[tuple[list[Predictor], list[Report]]]:
    """Runs of one data set together, however else they differ; of each group its reports.

    One that cannot be scored is an error, or with `leave_out` (runs that were found, not named) a warning.
    """
    groups: dict[tuple, list[Predictor]] = {}
    sets: dict[tuple, Dataset] = {}
    for run in runs:
        data = run.experiment.data
        try:
            check_names(run.experiment.eval)
            dataset = _opened(_data(run))
        except UserError as error:
            if not leave_out:
                raise
            logging.warning("left out: %s, seed %d: %s", run.experiment.name, run.experiment.train.seed, error)
            continue
        same = (dataset.name, dataset.key, tuple(clip.name for clip in dataset.clips), data.skip_first_row)
        groups.setdefault(same, []).append(run)
        sets[same] = dataset
    modes = MODES if _MODE.value == "both" else (_MODE.value,)
    scored = [(group, compare(group, sets[same], modes, _BASELINE.value, leave_out)) for same, group in groups.items()]
    if not any(reports for _, reports in scored):
        raise UserError(f"--workdir={_WORKDIR.value}: none of its {len(runs)} runs could be scored")
    return scored


def _calibrated(runs: list[Predictor], leave_out: bool) -> list[Predictor]:
    """Those that have radii. One that has none is an error, or with `leave_out` a warning unless none has."""
    found, missing = [], []
    for run in runs:
        try:
            run.calibrated()
            found.append(run)
        except UserError as error:
            missing.append(error)
    if missing and (not leave_out or not found):
        raise missing[0]
    for error in missing:
        logging.warning("no coverage: %s", error)
    return found


def _coverage(runs: list[Predictor], leave_out: bool) -> list[CoverageReport]:
    """Of calibrated runs; one that cannot be measured is an error, or with `leave_out` a warning."""
    covered: list[CoverageReport] = []
    for run in runs:
        try:
            covered += measure_run(run, _opened(_data(run)))
        except UserError as error:
            if not leave_out:
                raise
            logging.warning("no coverage: %s, seed %d: %s", run.experiment.name, run.experiment.train.seed, error)
    return covered


_opened = functools.cache(open_dataset)
_opened_labelled = functools.cache(open_labelled)


def _data(run: Any) -> DataConfig:
    """What the run was trained on, where it lies now."""
    data = run.experiment.data
    return dataclasses.replace(data, root=_ROOT.value) if _ROOT.value else data


def _measured_otherwise(run: Predictor) -> Predictor:
    """By the metrics and protocols of the flags."""
    asked = {"metrics": _METRICS.value, "protocols": _PROTOCOLS.value}
    measured = dataclasses.replace(run.experiment.eval, **{name: names for name, names in asked.items() if names})
    return Predictor(
        run.params, dataclasses.replace(run.experiment, eval=measured), run.space, run.step, run.workdir, run.radii
    )


def _untrained(experiment: Experiment) -> Predictor:
    """A model without parameters, in the space that its config's training clips make."""
    dataset = represented(open_dataset(experiment.data), experiment.data)
    space = pose_space(dataset, split_clips(dataset, experiment.data).train, experiment.data)
    params = make(experiment, space).init(jax.random.key(0))
    if jax.tree.leaves(params):
        raise UserError(f"--config: model.name={experiment.model.name!r} must be trained first: give its --workdir")
    return Predictor(params, experiment, space, 0)
