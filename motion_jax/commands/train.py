"""Trains a model, with progress, checkpoints and automatic resume.

motion-jax train --config=bi_enc_50 --workdir=runs/bi_enc_50
motion-jax train --config=bi_enc_50 --workdir=runs/small --config.model.hidden=256
motion-jax train --config=my_config.py --workdir=runs/mine --tensorboard
motion-jax train --config=hbrnn --workdir=runs/hbrnn     (recognition)
motion-jax train --config=canonical --config.data.root=prepared/own --init=cmu-body-25 --workdir=runs/own
motion-jax train --workdir=runs/mine     (resumes a run with its own configuration)
motion-jax train --workdir=runs/mine --replay=runs/mine/nonfinite-512.npz --debug_nans     (where numbers went wrong)
motion-jax train --config=bi_enc_50 --workdir=runs/two --coordinator=HOST:12345 --num_processes=2 --process_id=0

The last line is one of two processes that train together, on as many machines; under SLURM and Open MPI the three flags
are not needed (docs/many_hosts.md).

SIGTERM, SIGINT (Ctrl-C), SIGHUP and SIGUSR1 save and stop; the same command goes on. motion-jax status watches a run.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jax
from absl import flags, logging

from motion_jax.commands import cli
from motion_jax.commands.labelled import LABELLED_TASKS
from motion_jax.config import Experiment
from motion_jax.data.cache import describe_source, open_dataset
from motion_jax.data.labelled.open import open_labelled
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.evaluation.coverage import describe
from motion_jax.experiments.runs import is_run
from motion_jax.inference.calibration import calibrate_run
from motion_jax.inference.predictor import load_predictor
from motion_jax.runtime.distributed import is_first, on_first, share_text
from motion_jax.runtime.names import in_line
from motion_jax.train.anticipation import Anticipation
from motion_jax.train.environment import ACCEPT, SETTINGS, environment
from motion_jax.train.forecasting import Forecasting, fit
from motion_jax.train.packed_run import find_packed
from motion_jax.train.recognition import Recognition
from motion_jax.train.replay import read_batch, replay
from motion_jax.train.status import check_prometheus
from motion_jax.train.tensorboard import check_tensorboard
from motion_jax.train.workdir import Workdir

_CONFIG = cli.define_config()
_WORKDIR = cli.define_path("workdir", None, "Folder of the run; a run that is there is resumed.", required=True)
_INIT = cli.define_paths("init", None, "Train on from a pretrained model, or a packed run's folder (train.init).")
_BOARD = flags.DEFINE_bool("tensorboard", False, "Also write curves for TensorBoard, into the run's folder.")
cli.define_processes("coordinator", "num_processes", "process_id", "heartbeat_timeout")
_REPLAY = cli.define_path(
    "replay", "", "Train nothing; compute this batch once more, which a run of the workdir wrote."
)
_DEBUG_NANS = flags.DEFINE_bool("debug_nans", False, "Tell which operation first made a number that is not finite.")
_ACCEPT = flags.DEFINE_bool(
    ACCEPT, False, "Go on with a run that was saved under other settings of JAX: its results will be others."
)
_CALIBRATE = flags.DEFINE_bool("calibrate", True, "Afterwards, measure radii where data was held out (radii.json).")


def main(_: list[str]) -> None:
    """Opens the data and trains."""
    experiment = cli.experiment(_CONFIG) if _CONFIG.present else _of_run()
    if _INIT.value is not None:
        find_packed(_INIT.value)  # what is not there is refused before the data are opened
        experiment = dataclasses.replace(experiment, train=dataclasses.replace(experiment.train, init=_INIT.value))
    if _REPLAY.value:
        print("\n".join(_replayed(experiment, Path(_REPLAY.value))))
        return
    on_first(lambda: check_prometheus(experiment.train.prometheus))
    if _DEBUG_NANS.value:
        jax.config.update("jax_debug_nans", True)
    if _ACCEPT.value:
        on_first(_accept_environment)
    if _BOARD.value:
        check_tensorboard()
    print(f"opening {in_line(describe_source(experiment.data))}", flush=True)
    devices = ", ".join(str(device) for device in jax.devices())
    if task := LABELLED_TASKS.get(experiment.model.TASK):
        labelled = open_labelled(experiment.data, experiment.labels)
        print(
            in_line(f"{experiment.name} on {labelled.name}, {describe_labelled(labelled)}, devices: {devices}"),
            flush=True,
        )
        steps = task.fit(experiment, labelled, Path(_WORKDIR.value), _BOARD.value)
        print(f"trained {steps} steps; the run is in {in_line(_WORKDIR.value)}")
        return
    dataset = open_dataset(experiment.data)
    print(in_line(f"{experiment.name} on {dataset.name}, {len(dataset.clips)} clips, devices: {devices}"), flush=True)
    steps = fit(experiment, dataset, _WORKDIR.value, _BOARD.value)
    print(f"trained {steps} steps; the run is in {in_line(_WORKDIR.value)}")
    if _CALIBRATE.value and is_first() and split_clips(dataset, experiment.data).validation:
        print(f"calibrating on what was held out ({experiment.data.validation}) ...", flush=True)
        try:
            predictor = load_predictor(_WORKDIR.value)
            radii = predictor.radii or calibrate_run(predictor, dataset=dataset)  # those of a run that had ended stay
        except UserError as error:  # the run itself is trained and whole
            logging.warning("no radii: %s", error)
        else:
            print(describe(radii, experiment.eval.frame_numbers))


def _replayed(experiment: Experiment, path: Path) -> list[str]:
    makers = {"recognition": Recognition.of, "anticipation": Anticipation.of}
    if maker := makers.get(experiment.model.TASK):
        task = maker(experiment, open_labelled(experiment.data, experiment.labels))
    else:
        task = Forecasting.of(experiment, open_dataset(experiment.data))
    return replay(read_batch(path, task, Workdir(_WORKDIR.value).run_key()), task, _DEBUG_NANS.value)


def _accept_environment() -> None:
    """Of the run, and of the selection that a refit begins with."""
    folder = Workdir(_WORKDIR.value)
    for each in (folder, Workdir(folder.selection)):
        if each.config.exists():
            with each.locked():
                each.accept_environment(
                    {name: value for name, value in environment(1).items() if SETTINGS[name].decides}
                )


def describe_labelled(dataset: LabelledSet) -> str:
    """How many segments of how many classes, by split."""
    counts = {split: sum(len(sequence.segments) for sequence in dataset.split(split))
              for split in ("train", "validation", "test")}  # fmt: skip
    parts = ", ".join(f"{count} {split}" for split, count in counts.items() if count)
    return f"{len(dataset.classes)} classes, segments: {parts}"


def _of_run() -> Experiment:
    """The configuration of the run that is resumed, of several processes as the first one reads it."""
    experiment = on_first(_read_run)
    text = share_text(json.dumps(experiment.to_dict()) if experiment else "")
    return experiment or Experiment.from_json(text, _WORKDIR.value)


def _read_run() -> Experiment:
    if not is_run(Path(_WORKDIR.value)):
        raise UserError(
            f"--{cli.CONFIG}=NAME is missing: name a configuration, such as quickstart or a file of your own; "
            f"--workdir={_WORKDIR.value} holds no run that could be resumed with its own"
        )
    return Workdir(_WORKDIR.value).read_started_experiment()
