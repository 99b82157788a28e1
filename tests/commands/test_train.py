"""`train`: what it opens, and how a run is resumed. Training itself is tested in tests/train."""

from __future__ import annotations

from pathlib import Path

from motion_jax.config import Experiment
from motion_jax.train.workdir import Workdir

TRAINING = """
from types import SimpleNamespace
from motion_jax.commands import train
train.open_dataset = lambda config: SimpleNamespace(name="made", clips=())
train.fit = lambda experiment, dataset, workdir, board: print(experiment.name, experiment.model.hidden) or 7
train.split_clips = lambda dataset, config: SimpleNamespace(validation=("clip",))
train.load_predictor = lambda workdir: SimpleNamespace(radii="its own" if workdir == "calibrated" else None)
train.calibrate_run = lambda predictor, dataset: "new ones"
train.describe = lambda radii, frames: f"radii: {radii}"
cli.run(train.main)
"""


def test_a_run_is_resumed_with_its_own_configuration(tmp_path: Path, forked):
    record = Experiment(name="mine").to_config_dict()
    record.model.hidden = 33
    (tmp_path / "run").mkdir()
    Workdir(tmp_path / "run").begin(Experiment.from_config_dict(record), {}, "key")
    named = ["--workdir=run", "--config=quickstart", "--config.name=named"]
    lines = [["--workdir=run"], ["--workdir=other"], ["--workdir=run", "--config.train.steps=3"], named]
    resumed, nothing, changed, named = forked(TRAINING, lines, tmp_path)
    assert (resumed.status, resumed.complaints) == (0, "")
    assert "\nmine 33\n" in resumed.out
    assert nothing.status == changed.status == 2
    assert nothing.complaints.startswith("error: --config=NAME is missing: name a configuration, such as quickstart")
    assert nothing.complaints.endswith("--workdir=other holds no run that could be resumed with its own\n")
    assert "resuming a run with a change needs it too" in changed.complaints
    assert named.status == 0
    assert "\nnamed " in named.out


def test_what_is_opened_is_named_only_where_it_can_be_and_radii_of_a_run_that_has_some_stay(tmp_path: Path, forked):
    lines = [["--workdir=run"], ["--workdir=run", "--config.data.name=nodata"], ["--workdir=calibrated"],
             ["--workdir=run", "--config.train.prometheus=."]]  # fmt: skip
    made, unknown, calibrated, untold = forked(TRAINING, [["--config=quickstart", *line] for line in lines], tmp_path)
    assert made.out.endswith("radii: new ones\n")
    assert calibrated.out.endswith("radii: its own\n")
    assert made.out.startswith("opening synthetic motion, which is made once and kept\n")
    assert (unknown.status, unknown.out) == (2, "")
    assert unknown.complaints.startswith("error: data.name='nodata': ")
    folder = "error: train.prometheus=.: is a folder: it must be a file in one, such as run.prom\n"
    assert untold == (2, "", folder)


def test_init_begins_from_a_packed_run_and_is_refused_before_data_are_opened(tmp_path: Path, forked):
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "card.json").touch()
    begun = TRAINING.replace("experiment.model.hidden)", "experiment.train.init)")
    given = ["--config=quickstart", "--workdir=run"]
    made, absent = forked(begun, [[*given, "--init=packed"], [*given, "--init=absent"]], tmp_path)
    assert made.out.splitlines()[2].endswith(" packed")
    assert (absent.status, absent.out) == (2, "")
    assert absent.complaints.startswith("error: 'absent': no pretrained model (")
    assert absent.complaints.endswith("), nor a folder that motion-jax pack wrote\n")
