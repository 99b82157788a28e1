"""Tells how far a run is: of one that goes on, or that has ended, from any shell of a machine that sees its folder.

motion-jax status --workdir=runs/bi_enc_50
motion-jax status --workdir=runs     (every run below it)
motion-jax status --workdir=runs/bi_enc_50 --json     (for programs)

It changes nothing and starts no device. --noverify leaves out reading the checkpoints.
"""

from __future__ import annotations

import json
from pathlib import Path

import jax
from absl import flags, logging

from motion_jax.commands import cli
from motion_jax.errors import UserError
from motion_jax.experiments.runs import find_runs, is_run
from motion_jax.train.status import Watched, describe, read_status

_WORKDIR = cli.define_paths("workdir", None, "A run, or a folder of runs; several, separated by commas.", required=True)
_JSON = flags.DEFINE_bool("json", False, "Print an object a run, in a list, in place of the text.")
_VERIFY = flags.DEFINE_bool("verify", True, "Read the checkpoints and compare them with their checksums.")


def main(_: list[str]) -> None:
    """Reads and prints."""
    jax.config.update("jax_platforms", "cpu")  # a device may be taken, and whole, by the run that is watched
    found: list[Watched] = []
    for path in cli.split_paths(_WORKDIR.value):
        found += _watched(path)
    if _JSON.value:
        print(json.dumps([watched.to_dict() for watched in found], indent=1))
    else:
        print("\n".join(map(describe, found)))


def _watched(path: Path) -> list[Watched]:
    """A run that is named itself must be one; of those that are found below, a damaged one is warned of."""
    if not path.is_dir() or is_run(path):
        return [read_status(path, _VERIFY.value)]
    runs = find_runs(path)
    if not runs:
        raise UserError(f"--workdir={path}: holds no trained run")
    found = []
    for run in runs:
        try:
            found.append(read_status(run, _VERIFY.value))
        except UserError as error:
            logging.warning("left out: %s: %s", run, error)
    return found
