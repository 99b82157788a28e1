"""Scores trained runs, several seeds of them, or a baseline, in both modes, beside zero-velocity.

python -m launch.evaluate --workdir=runs/bi_enc_50 --json=report.json --markdown=report.md
python -m launch.evaluate --workdir=runs/seed0,runs/seed1,runs/seed2 --mode=free_running
python -m launch.evaluate --workdir=runs --markdown=table.md --csv=table.csv --plot=table.png    (all runs below runs)
python -m launch.evaluate --config=configs/zero_velocity.py --config.data.name=cmu --config.data.root=cmu_mocap
"""

from __future__ import annotations

import dataclasses
import functools

import jax
from absl import flags

from motion_jax.commands import cli
from motion_jax.config import MODES, Experiment
from motion_jax.data.cache import open_dataset
from motion_jax.data.normalize import pose_space
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.evaluation import report, tables
from motion_jax.evaluation.scores import Report
from motion_jax.experiments.compare import compare
from motion_jax.experiments.runs import open_runs
from motion_jax.inference.predictor import Predictor
from motion_jax.models import make
from motion_jax.runtime.files import check_writable
from motion_jax.types import Dataset
from motion_jax.visualize.curves import horizon_curves
from motion_jax.visualize.figures import check_drawable

_CONFIG = cli.define_config()
_WORKDIR = flags.DEFINE_string("workdir", "", "Runs, or folders of runs, separated by commas; of one name: seeds.")
_ROOT = flags.DEFINE_string("root", "", "Where the data lies now, if not where the run was trained.")
_MODE = flags.DEFINE_enum("mode", "both", (*MODES, "both"), "How the model is fed.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of a run.")
_BASELINE = flags.DEFINE_bool("baseline", True, "Score zero-velocity on the same windows, beside the model.")
_JSON = flags.DEFINE_string("json", "", "Write the reports here, in full.")
_CSV = flags.DEFINE_string("csv", "", "Write one line a number here.")
_MARKDOWN = flags.DEFINE_string("markdown", "", "Write the tables here.")
_PLOT = flags.DEFINE_string("plot", "", "Draw error against horizon here, a panel for each mode.")


def main(_: list[str]) -> None:
    """Checks the outputs, scores, writes."""
    outputs = [(report.write_json, _JSON), (report.write_csv, _CSV), (report.write_markdown, _MARKDOWN)]
    chosen = [(write, flag.value) for write, flag in outputs if flag.value]
    for _write, path in chosen:
        check_writable(path)
    if _PLOT.value:
        check_drawable(_PLOT.value)
    runs = open_runs([path.strip() for path in _WORKDIR.value.split(",") if path.strip()], _CHECKPOINT.value)
    if bool(runs) == (_CONFIG.value is not None):
        raise UserError("give --workdir=DIR of a trained run, or --config=FILE of a model that needs no training")
    runs = runs or [_untrained(cli.experiment(_CONFIG))]
    if _PLOT.value and len(names := {run.experiment.data.name for run in runs}) > 1:
        raise UserError(f"--plot={_PLOT.value}: shows one data set; these runs are of {', '.join(sorted(names))}")
    reports = _score(runs)
    print(tables.markdown(reports))
    for write, path in [*chosen, *([(horizon_curves, _PLOT.value)] if _PLOT.value else [])]:
        write(reports, path)
        print(f"wrote {path}")


def _score(runs: list[Predictor]) -> list[Report]:
    """Runs of one data set together, whatever else tells them apart."""
    opened = functools.cache(open_dataset)
    groups: dict[tuple, list[Predictor]] = {}
    sets: dict[tuple, Dataset] = {}
    for run in runs:
        data = run.experiment.data
        dataset = opened(dataclasses.replace(data, root=_ROOT.value) if _ROOT.value else data)
        same = (dataset.name, dataset.key, tuple(clip.name for clip in dataset.clips), data.skip_first_row)
        groups.setdefault(same, []).append(run)
        sets[same] = dataset
    modes = MODES if _MODE.value == "both" else (_MODE.value,)
    return [report for same, group in groups.items() for report in compare(group, sets[same], modes, _BASELINE.value)]


def _untrained(experiment: Experiment) -> Predictor:
    """A model without parameters, in the space that its config's training clips make."""
    dataset = open_dataset(experiment.data)
    space = pose_space(dataset, split_clips(dataset, experiment.data).train, experiment.data)
    params = make(experiment, space).init(jax.random.key(0))
    if jax.tree.leaves(params):
        raise UserError(f"--config: model.name={experiment.model.name!r} must be trained first: give its --workdir")
    return Predictor(params, experiment, space, 0)
