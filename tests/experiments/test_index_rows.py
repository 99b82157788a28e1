"""Rows of the index: what is taken from the folder of a run, and which runs belong to a row."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from motion_jax.config import DataConfig, EvalConfig, Experiment, TrainConfig, model_config
from motion_jax.evaluation.report import Report
from motion_jax.experiments.compare import zero_velocity
from motion_jax.experiments.index_rows import count_parameters, index_rows, indexed_run, measure_latency
from motion_jax.inference.predictor import Predictor
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.log import encode_row
from motion_jax.types import Running

SPACE = PoseSpace(np.zeros(99), np.ones(99), tuple(range(6, 60)), (), H36M, 25.0)
EXPERIMENT = Experiment(
    name="Small",
    data=DataConfig(root="/home/someone/data", source_length=4, target_length=2, one_hot=False),
    model=model_config("simlpe", layers=1, predicted=2),
    train=TrainConfig(steps=10, seed=1),
    eval=EvalConfig(frames="1,2"),
)


def make_run(folder: Path, seed: int = 1, minimum: float = 1.0) -> Predictor:
    """A run that logged two reports and its end."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"kind": "report", "step": 5, "srnn_error_rad_free_running": [minimum, 3.0]},
        {"kind": "report", "step": 10, "srnn_error_rad_free_running": [2.0, None], "mean_loss": 1.0},
        {"kind": "end", "step": 10, "reason": "patience", "best_step": 5, "train_seconds": 60.0 * seed},
    ]
    (folder / "metrics.jsonl").write_text("".join(map(encode_row, rows)))
    experiment = dataclasses.replace(EXPERIMENT, train=dataclasses.replace(EXPERIMENT.train, seed=seed))
    return Predictor({"w": np.full((2, 3), seed, np.float32)}, experiment, SPACE, step=5, workdir=folder)


def make_report(model: str, mode: str = "free_running") -> Report:
    data = {"name": "cmu", "files": 3, "frames": 9, "key": "k"}
    values = [0.123456, 1.0]
    return Report(model, mode, "srnn", "euler_error_rad", [1, 2], [40.0, 80.0], [40, 80], {"walking": values}, values,
                  [], 8, 1, None, {}, data)  # fmt: skip


def test_the_log_tells_how_a_training_went(tmp_path: Path):
    run = indexed_run(make_run(tmp_path))
    assert (run.seed, run.step, run.train_steps, run.validated_step, run.ended) == (1, 5, 10, 5, "patience")
    assert (run.train_seconds, run.selection_steps, len(run.weights)) == (60.0, None, 16)
    assert run.test_minimum == {"srnn_error_rad_free_running": [1.0, 3.0]}
    assert indexed_run(make_run(tmp_path / "other", seed=2)).weights != run.weights
    (tmp_path / "metrics.jsonl").unlink()
    unknown = indexed_run(opened(tmp_path))
    assert (unknown.train_steps, unknown.ended, unknown.train_seconds, unknown.test_minimum) == (None, None, None, {})


def opened(folder: Path) -> Predictor:
    """A predictor of a folder as it is."""
    return Predictor({"w": np.zeros(1)}, EXPERIMENT, SPACE, step=5, workdir=folder)


def test_of_a_refit_the_training_that_chose_tells_why_it_ended(tmp_path: Path):
    run = make_run(tmp_path)
    make_run(tmp_path / "selection")
    log = tmp_path / "metrics.jsonl"
    row = {"kind": "end", "step": 6, "reason": "steps", "best_step": None, "train_seconds": 99.0}
    log.write_text(encode_row(row))
    found = indexed_run(run)
    assert (found.train_steps, found.selection_steps, found.validated_step) == (6, 10, 5)
    assert (found.ended, found.train_seconds) == ("patience", 99.0)


def test_rows_have_their_seeds_in_order_and_no_path(tmp_path: Path):
    runs = [make_run(tmp_path / f"{seed}", seed) for seed in (3, 1)]
    reports = [make_report("Small"), make_report("Small", "one_step"), make_report("Zero-velocity")]
    small, still = index_rows(runs, reports, latency=False)
    assert [run.seed for run in small.runs] == [1, 3]
    assert [score.mode for score in small.scores] == ["free_running", "one_step"]
    assert small.scores[0].average == [0.1235, 1.0]
    assert (small.parameters, small.latency_ms, small.data["stride"]) == (6, None, 2)
    assert small.config["changed"] == {"data.one_hot": False, "data.source_length": 4, "data.target_length": 2,
                                       "model.layers": 1, "model.name": "simlpe", "model.predicted": 2,
                                       "train.steps": 10}  # fmt: skip
    assert small.machine["versions"]["jax"]
    assert (still.model, still.parameters, still.runs) == ("Zero-velocity", 0, [])
    assert still.config["changed"]["model.name"] == "zero_velocity"
    assert "train.steps" not in still.config["changed"]
    text = json.dumps([dataclasses.asdict(row) for row in (small, still)])
    assert "someone" not in text
    assert str(tmp_path) not in text
    again = index_rows(runs[::-1], reports, latency=False)
    assert again[0].config["hash"] == small.config["hash"] != still.config["hash"]


def test_running_statistics_are_no_parameters():
    assert count_parameters({"w": np.zeros((2, 3)), "norm": Running(np.zeros(4), np.zeros(4))}) == 6
    assert count_parameters(()) == 0


def test_latency_is_of_calls(tmp_path: Path):
    assert 0 < measure_latency(zero_velocity(make_run(tmp_path))) < 1000
