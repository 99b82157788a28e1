"""Rows of the index of results: the scores of runs with what their logs, their weights and this machine tell."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from motion_jax import __version__
from motion_jax.config import Experiment, model_config
from motion_jax.evaluation.index import IndexedRun, Row, rounded, score_of
from motion_jax.evaluation.report import Report
from motion_jax.experiments.compare import MAY_DIFFER, baselines
from motion_jax.inference.predictor import Predictor
from motion_jax.runtime import timing
from motion_jax.runtime.timing import commit, interleave
from motion_jax.train.checkpoint import params_hash
from motion_jax.train.log import end_of, read_metrics
from motion_jax.train.workdir import Workdir, flatten
from motion_jax.types import Running

CALLS = 50  # of which a latency is the median
DIGITS = 16  # of a hash
_MACHINE = ("processor", "cores", "devices", "system", "python", "versions", "matmul_precision", "xla_flags",
            "omp_num_threads")  # fmt: skip
_OF_BASELINES = ("data.name", "data.stride", "data.skip_first_row", "data.representation")


def index_rows(runs: Sequence[Predictor], reports: Sequence[Report], latency: bool = True) -> list[Row]:
    """A row for each model of `reports`.

    Args:
        runs: what was scored, on one data set; those of one name are the seeds of one row.
        reports: of `compare`, which left none of the runs out.
        latency: measure a call of each row's first run at batch 1; else, and of models without parameters, it is None.
    """
    code, machine = here()
    rows = []
    for name in dict.fromkeys(report.model for report in reports):
        seeds = [run for run in [*runs, *baselines(runs[0])] if run.experiment.name == name]
        seeds = [run for run in seeds if run in runs] or seeds
        seeds = sorted(seeds, key=lambda run: run.experiment.train.seed)
        found = [report for report in reports if report.model == name]
        data = seeds[0].experiment.data
        parameters = count_parameters(seeds[0].params)
        rows.append(
            Row(
                model=name,
                data={**found[0].data, "stride": data.stride, "skip_first_row": data.skip_first_row},
                config=config_of(seeds[0].experiment, trained=bool(parameters)),
                runs=[indexed_run(run) for run in seeds] if parameters else [],
                parameters=parameters,
                latency_ms=round(measure_latency(seeds[0]), 3) if latency and parameters else None,
                machine=machine,
                scores=[score_of(report, code) for report in found],
            )
        )
    return rows


def here() -> tuple[str, dict[str, Any]]:
    """The commit that scores (outside a checkout the version), and the machine."""
    code = commit()
    return f"version {__version__}" if code == "unknown" else code, _machine()


def indexed_run(run: Any) -> IndexedRun:
    """What the folder of a run tells of its training."""
    folder = None if run.workdir is None else Workdir(run.workdir)
    rows = [] if folder is None else read_metrics(folder.metrics)
    refit = folder is not None and folder.selection.is_dir()
    chooser = read_metrics(Workdir(folder.selection).metrics) if folder is not None and refit else rows
    end, chosen = end_of(rows) or {}, end_of(chooser) or {}
    return IndexedRun(
        seed=run.experiment.train.seed,
        weights=params_hash(run.params)[:DIGITS],
        step=run.step,
        train_steps=end.get("step"),
        selection_steps=chosen.get("step") if refit else None,
        validated_step=chosen.get("best_step"),
        ended=chosen.get("reason"),
        train_seconds=end.get("train_seconds"),
        test_minimum=_test_minimum(rows),
    )


def count_parameters(params: Any) -> int:
    """Numbers that training moves by gradients: without the running statistics of normalisation."""
    leaves = jax.tree.leaves(params, is_leaf=lambda leaf: isinstance(leaf, Running))
    return sum(np.size(leaf) for leaf in leaves if not isinstance(leaf, Running))


def measure_latency(run: Predictor) -> float:
    """Median ms of `CALLS` calls for one sequence, from raw frames to raw frames; compiling is not counted."""
    history = np.zeros((run.source_length, run.space.columns), np.float32)
    samples = interleave({"call": lambda: run.continue_rows(history)}, {"call": 1}, seconds=0, least=CALLS)
    return samples["call"].summary()["median_ms"]


def _machine() -> dict[str, Any]:
    """What a benchmark records of the machine, without what belongs to one call."""
    found = timing.machine()
    versions = {name: version for name, version in found["versions"].items() if version and name != "torch"}
    return {**{name: found[name] for name in _MACHINE}, "versions": versions}


def config_of(experiment: Experiment, trained: bool) -> dict[str, Any]:
    """A hash of what decided the run, but for seed and paths; and of that what differs from the model's defaults.

    What is measured (`eval`) is told by the scores. Of a model without parameters nothing counts that is of training.
    """
    flat = {name: value for name, value in flatten(experiment.to_dict()).items()
            if name not in (*MAY_DIFFER, "name") and not name.startswith("eval.")}  # fmt: skip
    if not trained:
        flat = {name: value for name, value in flat.items() if name.startswith("model.") or name in _OF_BASELINES}
    model = {**dataclasses.asdict(model_config(experiment.model.name)), "name": None}  # which model is always told
    usual = flatten({**dataclasses.asdict(Experiment()), "model": model})
    return {
        "hash": hashlib.sha256(json.dumps(flat, sort_keys=True).encode()).hexdigest()[:DIGITS],
        "changed": {name: value for name, value in flat.items() if value != usual.get(name)},
    }


def _test_minimum(rows: Sequence[Any]) -> dict[str, list[float | None]]:
    """Of each error that reports logged on the SRNN windows of the test clips, the least value at each frame."""
    logged: dict[str, list[list[float | None]]] = {}
    for row in rows:
        for name, values in row.items():
            if name.startswith("srnn_") and isinstance(values, list):
                logged.setdefault(name, []).append(values)
    return {name: rounded(_least(column) for column in zip(*lists, strict=True)) for name, lists in logged.items()}


def _least(column: Sequence[float | None]) -> float | None:
    return min((value for value in column if value is not None), default=None)
