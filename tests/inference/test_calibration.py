"""A run's radii: calibrated on what was held out, kept with the run, refused for other parameters; forecasts."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import jax
import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.protocols import gather, spaced_windows
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import joint_places
from motion_jax.evaluation.metrics import mpjpe_mm
from motion_jax.experiments.compare import zero_velocity
from motion_jax.experiments.coverage import coverage_table, measure_run
from motion_jax.inference.calibration import calibrate, calibrate_run
from motion_jax.inference.predictor import Predictor
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.checkpoint import params_hash
from motion_jax.types import Clip, Dataset

S, T = 6, 3
EXPERIMENT = Experiment(
    data=DataConfig(source_length=S, target_length=T, validation="S7,S8"),
    model=model_config(hidden=4, attention="none"),
    eval=EvalConfig(protocols="srnn", metrics="mpjpe_mm", frames="1,3", batch=32),
)


def clip(subject: str, action: str, trial: int, split: str, seed: int) -> Clip:
    steps = np.random.default_rng(seed).normal(0, 0.02, (420, 99))
    return Clip(np.cumsum(steps, axis=0).astype(np.float32), subject, action, trial, split, "made")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Eating is never trained on."""
    held = [clip(subject, "walking", trial, "train", 10 * trial + number)
            for number, subject in enumerate(("S1", "S7", "S8")) for trial in range(1, 6)]  # fmt: skip
    tests = [clip("S5", action, trial, "test", 100 + 10 * trial + len(action))
             for action in ("walking", "eating") for trial in (1, 2)]  # fmt: skip
    return Dataset("synthetic", (*held, *tests), ("walking", "eating"), H36M, 50.0, "key")


@pytest.fixture(scope="module")
def space() -> PoseSpace:
    return PoseSpace(np.zeros(99), np.ones(99), tuple(range(6, 60)), ("walking", "eating"), H36M, 25.0)


@pytest.fixture(scope="module")
def still(space: PoseSpace) -> Predictor:
    """Repeats the last frame; nothing to compile but that."""
    return zero_velocity(Predictor(make(EXPERIMENT, space).init(jax.random.key(0)), EXPERIMENT, space, 0))


@pytest.fixture(scope="module")
def calibrated(still: Predictor, dataset: Dataset) -> Predictor:
    return Predictor(still.params, still.experiment, still.space, 0, radii=calibrate(still, dataset, windows=300))


def test_windows_are_spaced_evenly_from_the_first_to_the_last(dataset: Dataset):
    clips = dataset.clips[:2]
    windows = spaced_windows(clips, S, T, stride=2, count=10)
    assert [window.clip for window in windows] == [0] * 5 + [1] * 5
    history, future = gather(clips, windows, S, T, 2)
    rows = clips[0].frames[::2]
    np.testing.assert_array_equal(history[0], rows[:S])
    np.testing.assert_array_equal(future[4], rows[-T:])
    short = dataclasses.replace(clips[0], frames=clips[0].frames[: 2 * (S + T) - 2])
    assert {window.clip for window in spaced_windows([short, clips[1]], S, T, 2, 10)} == {1}
    with pytest.raises(UserError, match=r"a window takes 17 rows of a clip at data\.stride=2: none has as many"):
        spaced_windows([short], S, T, 2, 10)


def test_only_what_was_held_out_is_calibrated_on(calibrated: Predictor, dataset: Dataset):
    radii = calibrated.calibrated()
    assert (radii.windows, radii.recordings, radii.subjects) == (300, 10, 2)
    assert {name.split("/")[1] for name in radii.clips} == {"S7", "S8"}
    assert radii.radius.shape == radii.band_radius.shape == (3, T, 32)
    assert (np.diff(radii.radius.mean(-1), axis=1) > 0).all()  # a walk without aim goes ever farther
    none = dataclasses.replace(EXPERIMENT.data, validation="none")
    with pytest.raises(UserError, match=r"data\.validation='none' held nothing out"):
        calibrate(Predictor((), dataclasses.replace(calibrated.experiment, data=none), calibrated.space, 0), dataset)


def test_draws_are_counted_by_recording_or_subject(still: Predictor, dataset: Dataset):
    alike, by = (calibrate(still, dataset, (0.5, 0.9), by, 300, "constant") for by in ("window", "recording"))
    assert (by.radius >= alike.radius - 1e-9).all()
    with pytest.raises(UserError, match=r"0\.95 needs 19 recordings to calibrate on, 10 are held out: .*0\.909"):
        calibrate(still, dataset, (0.5, 0.95), "recording", windows=30)
    with pytest.raises(UserError, match=r"levels: 0\.9 needs 9 subjects to calibrate on, 2 are held out"):
        calibrate(still, dataset, (0.9,), "subject", windows=30)
    with pytest.raises(UserError, match="by='person': must be one of window, balanced, recording"):
        calibrate(still, dataset, by="person")


def test_a_forecast_is_the_prediction_with_its_places_and_radii(calibrated: Predictor, dataset: Dataset):
    history = np.stack([clip.frames[:S] for clip in dataset.clips[:2]])
    forecast = calibrated.forecast(history, "walking")
    np.testing.assert_array_equal(forecast.mean, calibrated(history, "walking"))
    assert forecast.positions.shape == (2, T, 32, 3)
    one = calibrated.forecast(history[0], "walking")
    np.testing.assert_allclose(one.positions, forecast.positions[0], atol=1e-3)
    assert (one.levels, one.joints) == ((0.5, 0.9, 0.95), H36M.joints)
    np.testing.assert_allclose(one.at(0.9), forecast.radius[0, 1], rtol=1e-4)
    scale = calibrated.calibrated().scale
    assert scale is not None
    factor = scale.factor(calibrated.measure(history[0], "walking"))
    np.testing.assert_allclose(one.at(0.9), calibrated.radius[1] * factor, rtol=1e-6)
    constant = dataclasses.replace(calibrated.calibrated(), scale=None)
    alike = Predictor((), calibrated.experiment, calibrated.space, 0, radii=constant)
    np.testing.assert_array_equal(alike.forecast(history, "walking").radius, constant.radius)
    assert one.milliseconds.tolist() == [40.0, 80.0, 120.0]
    truth = dataset.clips[0].frames[None, S : S + T]
    apart = np.linalg.norm(one.positions - joint_places(H36M, truth)[0], axis=-1).mean(-1)
    np.testing.assert_allclose(apart, mpjpe_mm(H36M, one.mean[None], truth)[0])
    copy = pickle.loads(pickle.dumps(calibrated))
    np.testing.assert_array_equal(copy.forecast(history, "walking").radius, forecast.radius)


def test_coverage_counts_actions_that_were_not_trained_on_apart(calibrated: Predictor, dataset: Dataset):
    (report,) = measure_run(calibrated, dataset)
    assert report.unseen == ("eating",)
    assert report.average[0].windows == 8
    assert report.average[0].recordings == 2
    assert 0.6 < report.average[1].covered[0] <= 1
    assert report.to_dict()["average"][1]["covered"] == [round(float(report.average[1].covered[i]), 5) for i in (0, 2)]
    assert "| eating (unseen) 90% |" in coverage_table([report])
    leaked = dataclasses.replace(calibrated.calibrated(), clips=(dataset.split("test")[0].name,))
    with pytest.raises(UserError, match="were calibrated on test/S5/walking_1, which is a test recording"):
        measure_run(Predictor((), calibrated.experiment, calibrated.space, 0, radii=leaked), dataset)


def run_of(space: PoseSpace, folder: Path | None, seed: int = 0) -> Predictor:
    return Predictor(make(EXPERIMENT, space).init(jax.random.key(seed)), EXPERIMENT, space, 1, folder)


def test_radii_are_kept_with_the_run_and_refused_for_other_parameters(tmp_path: Path, space, dataset):
    run = run_of(space, tmp_path)
    with pytest.raises(UserError, match=f"has no radii: motion-jax calibrate --workdir={tmp_path} makes them"):
        _ = run.radius
    radii = calibrate_run(run, windows=60, dataset=dataset)
    assert (tmp_path / "radii.json").read_text() == radii.to_json()
    assert run_of(space, tmp_path).calibrated().to_json() == radii.to_json()  # equal parameters in another process
    with pytest.raises(UserError, match="of other parameters than this checkpoint's: motion-jax calibrate"):
        run_of(space, tmp_path, seed=1).forecast(np.zeros((S, 99)))
    with pytest.raises(UserError, match="this predictor has no radii"):
        _ = run_of(space, None).radius


def test_a_run_fitted_anew_on_all_data_has_the_radii_of_the_one_before(tmp_path: Path, space, dataset, monkeypatch):
    run, before = run_of(space, tmp_path, seed=1), run_of(space, tmp_path / "selection")
    (tmp_path / "selection").mkdir()
    monkeypatch.setattr("motion_jax.inference.calibration.load_predictor", {before.workdir: before}.get)
    radii = calibrate_run(run, windows=60, dataset=dataset)
    assert "the run in selection/" in radii.note
    np.testing.assert_allclose(radii.radius, calibrate(before, dataset, windows=60).radius)
    assert radii.weights == params_hash(run.params) != params_hash(before.params)
