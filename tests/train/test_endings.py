"""Moving averages, patience, the validation score and refits: each against its definition, and across interruptions."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import Experiment
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.inference.predictor import load_predictor
from motion_jax.train import forecasting
from motion_jax.train.forecasting import Forecasting, fit
from motion_jax.train.log import Progress, end_of, read_metrics
from motion_jax.train.loop import train
from motion_jax.train.step import moving_average
from motion_jax.train.stop import Interrupted
from motion_jax.train.workdir import Workdir
from motion_jax.types import Dataset, Running

Configure = Callable[..., Experiment]
Digest = Callable[[Path], tuple[int, str]]
Restore = Callable[[Path], tuple[int, Any]]


def _stop_at(monkeypatch: pytest.MonkeyPatch, step: int, steps: int = 20) -> None:
    """SIGTERM when the progress of `step` in a run of `steps` is shown."""
    update = Progress.update

    def acting(progress: Progress, now: int, loss: float, rate: float) -> None:
        update(progress, now, loss, rate)
        if (now, progress._steps) == (step, steps):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "update", acting)


def _script(monkeypatch: pytest.MonkeyPatch, scores: dict[int, float]) -> None:
    """Reports these validation scores and measures nothing."""
    monkeypatch.setattr(Forecasting, "measure", lambda _, params, step: {"validation_score": scores[step]})
    monkeypatch.setattr(Forecasting, "describe", lambda _, row: "")


def test_the_moving_average_is_the_loop_in_numpy_and_copies_running_statistics():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 2)).astype(np.float32)
    average = {"w": np.ones(2, np.float32), "norm": Running(np.zeros(2, np.float32), np.ones(2, np.float32))}
    expected = np.ones(2)
    for step, row in enumerate(rows):
        new = {"w": row, "norm": Running(row, 2 * row)}
        average = moving_average(average, new, jnp.asarray(step), 0.7)
        decay = min(0.7, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * row
        np.testing.assert_array_equal(average["norm"].variance, 2 * row)
    np.testing.assert_allclose(average["w"], expected, rtol=1e-5)


def test_what_is_measured_and_used_is_the_average_and_it_resumes_bitwise(
    configure: Configure, dataset: Dataset, tmp_path: Path, restore: Restore, digest: Digest,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    experiment = configure(ema=0.9, report_every=20, score_mode="free_running", report_test=False)
    measured = []
    measure = Forecasting.measure

    def recording(task: Forecasting, params: Any, step: int) -> dict[str, Any]:
        measured.append(params)
        return measure(task, params, step)

    monkeypatch.setattr(Forecasting, "measure", recording)
    task = Forecasting.of(experiment, dataset)  # one, so that its programs are shared
    train(task, experiment, tmp_path / "whole")
    state = restore(tmp_path / "whole")[1]
    loaded = load_predictor(tmp_path / "whole").params
    for used in (measured[-1], loaded):
        jax.tree.map(np.testing.assert_array_equal, used, state.average)
    assert any((np.asarray(a) != np.asarray(b)).any() for a, b in zip(*map(jax.tree.leaves, (state.params, loaded)),
                                                                      strict=True))  # fmt: skip
    with monkeypatch.context() as patch:
        _stop_at(patch, 10)
        with pytest.raises(Interrupted):
            train(task, experiment, tmp_path / "run")
    train(task, experiment, tmp_path / "run")
    assert digest(tmp_path / "run") == digest(tmp_path / "whole")
    report = next(row for row in read_metrics(tmp_path / "run" / "metrics.jsonl") if row["kind"] == "report")
    assert not [name for name in report if "one_step" in name or "test" in name or "srnn" in name]


def test_patience_ends_at_its_report_and_stays_at_its_end(
    configure: Configure, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    """Also when it was interrupted between two reports without a better score; nan is none."""
    _script(monkeypatch, {5: 0.5, 10: 0.4, 15: float("nan"), 20: 0.41, 25: 0.1})
    experiment = configure(steps=40, report_every=5, patience=2)
    task = Forecasting.of(experiment, dataset)  # one, so that its programs are shared
    with monkeypatch.context() as patch:
        _stop_at(patch, 15, steps=40)
        with pytest.raises(Interrupted):
            train(task, experiment, tmp_path / "run")
    assert train(task, experiment, tmp_path / "run") == 20
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    end = end_of(rows)
    assert end
    assert (end["step"], end["reason"], end["best_step"]) == (20, "patience", 10)
    assert load_predictor(tmp_path / "run").step == 10
    assert load_predictor(tmp_path / "run", "last").step == 20
    capfd.readouterr()
    assert train(task, experiment, tmp_path / "run") == 20
    assert "step 20: training has ended: no better validation score in 2 reports" in capfd.readouterr().err
    assert read_metrics(tmp_path / "run" / "metrics.jsonl") == rows
    assert train(task, configure(steps=25, report_every=5, patience=3), tmp_path / "run") == 25  # more patience


WRONG = [
    ({"patience": 2, "data": {"validation": "none"}}, r"^train\.patience=2: needs validation"),
    ({"refit": True, "data": {"validation": "none"}}, r"^train\.refit: needs validation"),
    ({"score": "speed"}, r"^train\.score='speed': metric 'speed' must be one of euler_error_rad"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_what_cannot_be_is_refused_before_anything_runs(
    configure: Configure, dataset: Dataset, tmp_path: Path, fields: dict[str, Any], message: str
):
    with pytest.raises(UserError, match=message):
        fit(configure(**fields), dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_score_is_the_error_of_its_metric_over_zero_velocitys(configure: Configure, dataset: Dataset):
    """A model of zeros: residual, so it holds the last frame, and scores 1 by any metric."""
    for score in ("euler_error_rad", "mpjpe_mm"):
        task = Forecasting.of(configure(score=score, score_mode="free_running", report_test=False), dataset)
        zeros = jax.tree.map(jnp.zeros_like, task.init(jax.random.key(0)))
        row = task.measure(zeros, 1)
        assert row["validation_score"] == pytest.approx(1, rel=1e-4)
        assert f"validation_{score.removeprefix('euler_')}_free_running" in row


def test_a_refit_trains_anew_on_all_clips_and_goes_on_in_either_part(
    configure: Configure, dataset: Dataset, tmp_path: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch
):
    """The same state as a plain run of the chosen steps with nothing held out, wherever it was interrupted."""
    _script(monkeypatch, {5: 0.5, 10: 0.3, 15: 0.4, 20: 0.35})
    seen = []
    original = Forecasting.of.__func__

    def of(cls: type, experiment: Experiment, dataset: Dataset) -> Forecasting:
        seen.append(len(split_clips(dataset, experiment.data).train))
        return original(cls, experiment, dataset)

    monkeypatch.setattr(forecasting.Forecasting, "of", classmethod(of))
    experiment, run = configure(report_every=5, refit=True), tmp_path / "run"
    for step, steps in ((15, 20), (5, 10)):
        with monkeypatch.context() as patch:
            _stop_at(patch, step, steps)
            with pytest.raises(Interrupted):
                fit(experiment, dataset, run)
        if steps == 20:  # of the selection
            with pytest.raises(UserError, match=r"^--workdir=\S+/run: .* lies in \S+/run/selection, .* goes on"):
                load_predictor(run)
            assert load_predictor(run / "selection").step == 10
    assert fit(Workdir(run).read_started_experiment(), dataset, run) == 10
    plain = configure(report_every=5, steps=10, data={"validation": "none"})
    monkeypatch.setattr(Forecasting, "measure", lambda _, params, step: {})
    fit(plain, dataset, tmp_path / "plain")
    assert digest(run) == digest(tmp_path / "plain")
    assert max(seen) == len(dataset.split("train")) > min(seen)
    predictor = load_predictor(run)
    assert (predictor.step, predictor.experiment.data.validation) == (10, "none")
    ends = [end_of(read_metrics(folder / "metrics.jsonl")) for folder in (run / "selection", run)]
    assert ends[1]["train_seconds"] > ends[0]["train_seconds"] > 0  # both parts count
    with pytest.raises(UserError, match="holds another run, one without train"):
        fit(experiment, dataset, tmp_path / "plain")
    with pytest.raises(UserError, match="holds another run, one with train"):
        fit(plain, dataset, run)


def test_a_schedule_that_falls_until_the_end_is_refitted_for_all_its_steps(configure: Configure):
    rows = [{"step": 5, "validation_score": 0.1}, {"step": 20, "validation_score": 0.2}]
    for fields, steps in (({}, 20), ({"patience": 3}, 5)):
        experiment = configure(optim={"schedule": "cosine"}, **fields)
        assert forecasting._chosen_steps(experiment, rows, Path("selection")) == steps
    assert forecasting._chosen_steps(configure(), rows, Path("selection")) == 5
