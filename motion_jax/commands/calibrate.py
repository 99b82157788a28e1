"""Calibrates a trained run: the radii in mm within which joints are, from the recordings that it held out.

motion-jax calibrate --workdir=runs/bi_enc_50
motion-jax calibrate --workdir=runs/bi_enc_50 --levels=0.5,0.8,0.9 --by=recording
motion-jax calibrate --workdir=runs/bi_enc_50 --scale=constant    (the same radii in every window)

The radii are kept in the run's folder (radii.json). docs/uncertainty.md says what they promise.
"""

from __future__ import annotations

import dataclasses

from absl import flags

from motion_jax.commands import cli
from motion_jax.data.cache import open_dataset
from motion_jax.evaluation.conformal import GROUPS, LEVELS, parse_levels
from motion_jax.evaluation.coverage import describe
from motion_jax.evaluation.scale import SCALES
from motion_jax.inference.calibration import WINDOWS, calibrate_run
from motion_jax.inference.predictor import load_predictor
from motion_jax.runtime.names import in_line

_WORKDIR = cli.define_path("workdir", None, "Folder of the run.", required=True)
_ROOT = cli.define_path("root", "", "Folder of the data, if it has moved since training.")
_LEVELS = flags.DEFINE_list("levels", [f"{level:g}" for level in LEVELS], "Shares of joints to hold, from 0 to 1.")
_BY = flags.DEFINE_enum("by", "window", GROUPS, "What counts as one draw: recording and subject are conservative.")
_WINDOWS = flags.DEFINE_integer("windows", WINDOWS, "About how many windows to predict.", lower_bound=1)
_SCALE = flags.DEFINE_enum("scale", "auto", ("auto", *SCALES), "What radii follow; auto: members, else speed.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")


def main(_: list[str]) -> None:
    """Checks the levels, predicts, writes, prints mean radii."""
    levels = parse_levels(_LEVELS.value)
    predictor = load_predictor(_WORKDIR.value, _CHECKPOINT.value)
    data = predictor.experiment.data
    dataset = open_dataset(dataclasses.replace(data, root=_ROOT.value) if _ROOT.value else data)
    radii = calibrate_run(predictor, levels, _BY.value, _WINDOWS.value, dataset, _SCALE.value)
    print(describe(radii, predictor.experiment.eval.frame_numbers))
    print(f"wrote {in_line(_WORKDIR.value)}/radii.json")
