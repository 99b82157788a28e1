"""Backtests a run on recordings of one's own: errors and coverage over sliding windows, beside the baselines.

motion-jax backtest --input=recordings     (any humanoid body: the model that is shipped)
motion-jax backtest --workdir=runs/bi_enc_50 --input=recordings
motion-jax backtest --workdir=runs/bi_enc_50 --input=recordings --hold_out=anna --json=backtest.json
motion-jax backtest --workdir=runs/bi_enc_50 --input=recordings --step=5 --retarget --action=walking

With --hold_out only these people are scored, and the radii are calibrated on the others of the folder.
"""

from __future__ import annotations

import json
from pathlib import Path

from absl import flags

from motion_jax.commands import cli
from motion_jax.commands.outputs import check_outputs
from motion_jax.data.formats import FORMATS
from motion_jax.data.motion.rates import check_rate
from motion_jax.data.walk import walk_files
from motion_jax.evaluation.conformal import parse_levels
from motion_jax.experiments.backtest import backtest, backtest_table, read_recordings
from motion_jax.inference.pretrained import open_predictor
from motion_jax.runtime.files import user_path, write_text
from motion_jax.runtime.names import in_line

_WORKDIR = cli.define_paths("workdir", None, "A run's folder, or a pretrained model; none: the one that is shipped.")
_INPUT = cli.define_path("input", None, "Folder of recordings, in any format that is read.", required=True)
_HOLD_OUT = flags.DEFINE_list("hold_out", [], "Subjects to score, with radii calibrated on the others.")
_STEP = flags.DEFINE_integer("step", None, "Frames of the model between windows; none: T.", lower_bound=1)
_ACTION = flags.DEFINE_string("action", None, "What is done in all recordings; none: what their paths say.")
_PATTERN = flags.DEFINE_string("pattern", "", "Paths without suffix, with {subject}, {action}, {trial}.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the files, where they do not say them.")
_RETARGET = flags.DEFINE_bool("retarget", False, "Put other bodies on the model's by the names of their joints.")
_LEVELS = flags.DEFINE_list("levels", None, "Of the radii that --hold_out calibrates; none: 0.5,0.9,0.95.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_JSON = cli.define_path("json", "", "Write what was found here, in full.")


def main(_: list[str]) -> None:
    """Checks the flags, reads, predicts, prints."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    check_outputs({"json": _JSON.value}, _recordings() if _JSON.value else ())
    levels = None if _LEVELS.value is None else parse_levels(_LEVELS.value)
    predictor = open_predictor(_WORKDIR.value, _CHECKPOINT.value)
    recordings = read_recordings(
        predictor,
        _INPUT.value,
        step=_STEP.value,
        action=_ACTION.value,
        pattern=_PATTERN.value,
        input_fps=_INPUT_FPS.value,
        retargeted=_RETARGET.value,
    )
    found = backtest(predictor, recordings, _HOLD_OUT.value, levels)
    print(backtest_table(found))
    if _JSON.value:
        write_text(_JSON.value, json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n")
        print(f"wrote {in_line(_JSON.value)}")


def _recordings() -> list[Path]:
    """Files below `--input` that may be recordings, which no result replaces."""
    folder = user_path(_INPUT.value)
    return [path for path in walk_files(folder) if path.suffix.lower() in FORMATS] if folder.is_dir() else []
