"""A run on recordings of one's own: the windows are what predictions read, errors and coverage are those of reports."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.formats import Motion, write_motion
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import joint_places
from motion_jax.experiments.backtest import Recordings, backtest, backtest_table, read_recordings
from motion_jax.inference.continuation import continue_motions, model_windows
from motion_jax.inference.predictor import Predictor
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M

S, T = 6, 3
BODY = H36M.with_absolute_root
EXPERIMENT = Experiment(
    name="Still",
    data=DataConfig(source_length=S, target_length=T),
    model=model_config("zero_velocity"),
    eval=EvalConfig(frames="1,3", batch=32),
)


def motion(seed: int, frames: int = 120, fps: float = 50.0) -> Motion:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 0.02, (frames, 99)), axis=0)
    return Motion(BODY, walk + rng.normal(0, 0.3, 99), fps, source="made")


@pytest.fixture(scope="module")
def still() -> Predictor:
    space = PoseSpace(np.zeros(99), np.ones(99), tuple(range(99)), ("walking", "eating"), H36M, 25.0)
    return Predictor((), EXPERIMENT, space, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own")
    for number, subject in enumerate(("anna", "ben", "cleo")):
        for trial in (1, 2):
            path = root / subject / f"walking_{trial}.npz"
            path.parent.mkdir(exist_ok=True)
            write_motion(motion(10 * number + trial), path)
    write_motion(motion(99, frames=9), root / "anna" / "walking_3.npz")
    return root


def test_windows_hold_what_a_prediction_reads_and_what_followed(still: Predictor):
    given = motion(0, frames=60)
    windows = model_windows(still, given, step=1)
    rows = S * 2  # of the file, to the last observed, and one before the first for the difference
    assert windows.shape == (22, S + T, 99)  # of 59 differences every second, 30
    (after,) = continue_motions(still, [dataclasses.replace(given, frames=given.frames[:rows])])
    held = np.repeat(windows[0, S - 1 : S, 6:], after.frames.shape[0], axis=0)
    np.testing.assert_allclose(after.frames[:, 6:], held, atol=1e-5)
    assert model_windows(still, motion(0, frames=17), step=1).shape == (0, S + T, 99)


def test_a_model_of_positions_reads_places(still: Predictor):
    places = PoseSpace(np.zeros(96), np.ones(96), tuple(range(96)), (), H36M.of_positions, 25.0, "positions")
    data = dataclasses.replace(EXPERIMENT.data, representation="positions")
    predictor = Predictor((), dataclasses.replace(EXPERIMENT, data=data), places, 0)
    angles, found = (model_windows(run, motion(0), step=5) for run in (still, predictor))
    np.testing.assert_allclose(joint_places(H36M.of_positions, found), joint_places(H36M, angles), atol=1e-2)
    owners = np.array(["one"] * len(found))
    recordings = Recordings(found, np.zeros((len(found), 0)), owners, owners, {})
    result = backtest(predictor, recordings)
    assert list(result.errors) == ["mpjpe_mm"]
    np.testing.assert_allclose(
        result.errors["mpjpe_mm"]["model"], result.errors["mpjpe_mm"]["zero_velocity"], rtol=1e-4
    )


def test_zero_velocity_scores_as_zero_velocity_and_short_files_are_passed_over(still: Predictor, folder: Path):
    recordings = read_recordings(still, folder)
    assert set(recordings.passed_over) == {"anna/walking_3.npz"}
    assert recordings.codes.tolist() == [[1, 0]] * len(recordings.windows)
    found = backtest(still, recordings)
    assert found.coverage == []
    assert "no radii (motion-jax calibrate makes them)" in backtest_table(found)
    assert set(found.errors) == {"mpjpe_mm", "euler_error_rad"}
    for rows in found.errors.values():
        np.testing.assert_allclose(rows["model"], rows["zero_velocity"], rtol=1e-4)
        assert rows["model"][0] < rows["model"][1]


def test_a_held_out_subject_is_scored_with_radii_of_the_others(still: Predictor, folder: Path):
    recordings = read_recordings(still, folder, step=1)
    found = backtest(still, recordings, ["cleo"], (0.5, 0.9))
    assert set(found.recordings) == {"cleo/walking_1.npz", "cleo/walking_2.npz"}
    assert [coverage.level for coverage in found.coverage] == [0.5, 0.9]
    for coverage in found.coverage:  # everybody walks alike
        assert np.all(abs(coverage.covered - coverage.level) < 0.15)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["milliseconds"] == [40.0, 120.0]
    assert plain["coverage"][1]["covered"] == [round(float(found.coverage[1].covered[i]), 5) for i in (0, 2)]
    with pytest.raises(UserError, match="--hold_out=dan: no subject 'dan': must be among anna, ben, cleo"):
        backtest(still, recordings, ["dan"])
    with pytest.raises(UserError, match="leaves nobody to calibrate on"):
        backtest(still, recordings, ["anna", "ben", "cleo"])
    with pytest.raises(UserError, match="--levels: are those of radii calibrated here, with --hold_out"):
        backtest(still, recordings, levels=(0.9,))
    unnamed = recordings._replace(subjects=np.full(len(recordings.subjects), ""))
    with pytest.raises(UserError, match="no subject 'anna': the paths name none; --pattern says where"):
        backtest(still, unnamed, ["anna"])


def test_a_folder_without_a_usable_recording_is_refused(still: Predictor, tmp_path: Path):
    write_motion(motion(0, frames=9), tmp_path / "walking_1.npz")
    with pytest.raises(UserError, match=r"none of 1 recordings can be used: walking_1.npz: shorter than a window"):
        read_recordings(still, tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read_recordings(still, tmp_path / "absent")
