"""Scores trained runs, several seeds of them, or a baseline, in both modes, beside zero-velocity.

python -m launch.evaluate --workdir=runs/bi_enc_50 --json=report.json --markdown=report.md
python -m launch.evaluate --workdir=runs/seed0,runs/seed1,runs/seed2 --mode=free_running
python -m launch.evaluate --config=configs/zero_velocity.py --config.data.name=cmu --config.data.root=cmu_mocap
"""

from __future__ import annotations

import dataclasses

import jax
from absl import flags

from motion_jax import cli, report, tables
from motion_jax.compare import compare
from motion_jax.config import MODES, Experiment
from motion_jax.data.cache import open_dataset
from motion_jax.data.normalize import pose_space
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.models import make
from motion_jax.predict import Predictor, load_predictor
from motion_jax.scores import Report

_CONFIG = cli.define_config()
_WORKDIR = flags.DEFINE_string("workdir", "", "Runs, separated by commas; those of one name are seeds of one row.")
_ROOT = flags.DEFINE_string("root", "", "Where the data lies now, if not where the run was trained.")
_MODE = flags.DEFINE_enum("mode", "both", (*MODES, "both"), "How the model is fed.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of a run.")
_BASELINE = flags.DEFINE_bool("baseline", True, "Score zero-velocity on the same windows, beside the model.")
_JSON = flags.DEFINE_string("json", "", "Write the reports here, in full.")
_CSV = flags.DEFINE_string("csv", "", "Write one line a number here.")
_MARKDOWN = flags.DEFINE_string("markdown", "", "Write the tables here.")


def main(_: list[str]) -> None:
    """Checks the outputs, scores, writes."""
    outputs = [(report.write_json, _JSON), (report.write_csv, _CSV), (report.write_markdown, _MARKDOWN)]
    chosen = [(write, flag.value) for write, flag in outputs if flag.value]
    for _write, path in chosen:
        report.check_writable(path)
    runs = [load_predictor(path.strip(), _CHECKPOINT.value) for path in _WORKDIR.value.split(",") if path.strip()]
    if bool(runs) == (_CONFIG.value is not None):
        raise UserError("give --workdir=DIR of a trained run, or --config=FILE of a model that needs no training")
    reports = _score(runs or [_untrained(cli.experiment(_CONFIG))])
    print(tables.markdown(reports))
    for write, path in chosen:
        write(reports, path)
        print(f"wrote {path}")


def _score(runs: list[Predictor]) -> list[Report]:
    data = runs[0].experiment.data
    dataset = open_dataset(dataclasses.replace(data, root=_ROOT.value) if _ROOT.value else data)
    return compare(runs, dataset, MODES if _MODE.value == "both" else (_MODE.value,), _BASELINE.value)


def _untrained(experiment: Experiment) -> Predictor:
    """A model without parameters, in the space that its config's training clips make."""
    dataset = open_dataset(experiment.data)
    space = pose_space(dataset, split_clips(dataset, experiment.data).train, experiment.data)
    params = make(experiment, space).init(jax.random.key(0))
    if jax.tree.leaves(params):
        raise UserError(f"--config: model.name={experiment.model.name!r} must be trained first: give its --workdir")
    return Predictor(params, experiment, space, 0)


if __name__ == "__main__":
    cli.run(main)
