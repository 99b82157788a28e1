"""Trains a model, with progress, checkpoints and automatic resume.

motion-jax train --config=bi_enc_50 --workdir=runs/bi_enc_50
motion-jax train --config=bi_enc_50 --workdir=runs/small --config.model.hidden=256
motion-jax train --config=my_config.py --workdir=runs/mine --tensorboard
"""

from __future__ import annotations

import jax
from absl import flags

from motion_jax.commands import cli
from motion_jax.data.cache import open_dataset
from motion_jax.train.forecasting import fit
from motion_jax.train.tensorboard import check_tensorboard

_CONFIG = cli.define_config()
_WORKDIR = cli.define_path("workdir", None, "Folder of the run; a run that lies there is resumed.", required=True)
_BOARD = flags.DEFINE_bool("tensorboard", False, "Also write curves for TensorBoard, into the run's folder.")


def main(_: list[str]) -> None:
    """Opens the data and trains."""
    experiment = cli.experiment(_CONFIG)
    if _BOARD.value:
        check_tensorboard()
    print(f"opening {experiment.data.root or 'synthetic motion, which is made once and kept'}", flush=True)
    dataset = open_dataset(experiment.data)
    devices = ", ".join(str(device) for device in jax.local_devices())
    print(f"{experiment.name} on {dataset.name}, {len(dataset.clips)} clips, devices: {devices}", flush=True)
    steps = fit(experiment, dataset, _WORKDIR.value, _BOARD.value)
    print(f"trained {steps} steps; the run lies in {_WORKDIR.value}")
