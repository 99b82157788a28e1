"""A model beside zero-velocity: who is scored, and on what."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.config import MODES, DataConfig, EvalConfig, Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.evaluation.report import Report
from motion_jax.experiments.compare import compare, constant_velocity, zero_velocity
from motion_jax.inference.predictor import Predictor
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace, Statistics
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset

EXPERIMENT = Experiment(
    name="Small",
    data=DataConfig(source_length=10, target_length=5),
    model=model_config(hidden=4, attention="none"),
    eval=EvalConfig(protocols="srnn", metrics="euler_error_rad", frames="1,5"),
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Two test trials of one action."""
    rng = np.random.default_rng(0)
    frames = [np.cumsum(rng.normal(0, 0.02, (420, 99)), axis=0).astype(np.float32) for _ in range(2)]
    clips = tuple(Clip(frames[n], "S5", "walking", n + 1, "test", f"walking_{n + 1}.txt") for n in range(2))
    return Dataset("synthetic", clips, ("walking",), skeleton=H36M, fps=50.0, key="abc")


@pytest.fixture(scope="module")
def runs() -> list[Predictor]:
    """The same row from two seeds."""
    space = PoseSpace(np.zeros(99), np.ones(99), tuple(range(6, 60)), ("walking",), H36M, 25.0)
    return [Predictor(make(EXPERIMENT, space).init(jax.random.key(seed)), EXPERIMENT, space, step=0) for seed in (0, 1)]


@pytest.fixture(scope="module")
def reports(runs: list[Predictor], dataset: Dataset) -> list[Report]:
    return compare(runs, dataset)


def test_runs_are_averaged_and_zero_velocity_follows(reports: list[Report], runs: list[Predictor], dataset: Dataset):
    assert [(r.model, r.mode, r.seeds) for r in reports] == [
        *(("Small", mode, 2) for mode in MODES), *(("Zero-velocity", mode, 1) for mode in MODES),
        *(("Constant velocity", mode, 1) for mode in MODES),
    ]  # fmt: skip
    alone = [compare([run], dataset, ["free_running"], baseline=False) for run in runs]
    assert [len(found) for found in alone] == [1, 1]
    np.testing.assert_allclose(reports[0].average, np.mean([found[0].average for found in alone], axis=0), rtol=1e-6)


def test_zero_velocity_repeats_the_last_frame(runs: list[Predictor]):
    """In the space of the run: a dropped column is its mean, here 0."""
    history = np.random.default_rng(2).normal(0, 0.3, (10, 99)).astype(np.float32)
    expected = np.where((np.arange(99) >= 6) & (np.arange(99) < 60), history[-1], 0)
    np.testing.assert_allclose(zero_velocity(runs[0])(history), np.repeat(expected[None], 5, axis=0), atol=1e-6)


def test_constant_velocity_is_the_same_whatever_the_run_reads(runs: list[Predictor]):
    history = np.cumsum(np.random.default_rng(2).normal(0, 0.03, (10, 99)), axis=0).astype(np.float32)
    space = runs[0].space
    features = PoseSpace(np.zeros(135), np.ones(135), tuple(range(9, 60)), ("walking",), H36M, 25.0, "rotation_6d",
                         Statistics(space.mean, space.std, space.kept))  # fmt: skip
    data = dataclasses.replace(EXPERIMENT.data, representation="rotation_6d")
    experiment = dataclasses.replace(EXPERIMENT, data=data, model=model_config("zero_velocity"))
    other = Predictor((), experiment, features, 0)
    expected = constant_velocity(runs[0])(history)
    np.testing.assert_array_equal(constant_velocity(other)(history), expected)
    seen = np.where((np.arange(99) >= 6) & (np.arange(99) < 60), history, 0)
    for joint in range(1, 19):
        before, last = (Rotation.from_rotvec(seen[row, 3 + 3 * joint : 6 + 3 * joint]) for row in (-2, -1))
        turned = ((last * before.inv()) ** 5 * last).as_rotvec()
        np.testing.assert_allclose(expected[-1, 3 + 3 * joint : 6 + 3 * joint], turned, atol=1e-5)


def test_zero_velocity_is_not_compared_with_itself(runs: list[Predictor], dataset: Dataset):
    assert len(compare([zero_velocity(runs[0])], dataset, ["free_running"])) == 1


def test_copies_of_a_run_are_no_seeds(runs: list[Predictor], dataset: Dataset, caplog: pytest.LogCaptureFixture):
    compare([zero_velocity(run) for run in runs], dataset, ["free_running"])
    assert "2 runs named 'Zero-velocity' share a train.seed" in caplog.text
    caplog.clear()
    seeded = dataclasses.replace(EXPERIMENT, train=dataclasses.replace(EXPERIMENT.train, seed=1))
    other = Predictor(runs[1].params, seeded, runs[1].space, step=0)
    compare([zero_velocity(runs[0]), zero_velocity(other)], dataset, ["free_running"])
    assert "train.seed" not in caplog.text


def test_rows_are_told_apart_by_name_and_seeds_must_agree(runs: list[Predictor], dataset: Dataset):
    def named(run: Predictor, name: str, hidden: int = 4) -> Predictor:
        model = dataclasses.replace(run.experiment.model, hidden=hidden)
        return Predictor(run.params, dataclasses.replace(run.experiment, name=name, model=model), run.space, step=0)

    two = compare([named(runs[0], "A"), named(runs[1], "B")], dataset, ["free_running"], baseline=False)
    assert [(r.model, r.seeds) for r in two] == [("A", 1), ("B", 1)]
    with pytest.raises(UserError, match=r"runs named 'A' differ in model\.hidden"):
        compare([named(runs[0], "A"), named(runs[1], "A", hidden=5)], dataset)


def test_zero_velocity_is_scored_once_on_whatever_is_measured(runs: list[Predictor], dataset: Dataset):
    def framed(name: str, frames: str) -> Predictor:
        measured = dataclasses.replace(EXPERIMENT.eval, frames=frames)
        return Predictor(runs[0].params, dataclasses.replace(EXPERIMENT, name=name, eval=measured), runs[0].space, 0)

    found = compare([framed("A", "1,5"), framed("B", "2"), framed("C", "1,5")], dataset, ["free_running"])
    held = [report for report in found if report.model == "Zero-velocity"]
    assert [report.frames for report in held] == [[1, 5], [2]]
    assert found[-4:-2] == held
    assert [(report.model, report.frames) for report in found[-2:]] == [
        ("Constant velocity", [1, 5]), ("Constant velocity", [2]),
    ]  # fmt: skip


def test_zero_velocity_has_the_euler_error_also_behind_a_run_of_positions(runs: list[Predictor], dataset: Dataset):
    measured = EvalConfig(protocols="srnn", metrics="euler_error_rad,mpjpe_mm", frames="5")
    places = dataclasses.replace(EXPERIMENT.data, representation="positions")
    experiment = dataclasses.replace(EXPERIMENT, name="Angles", eval=measured)
    of_positions = dataclasses.replace(experiment, name="Positions", data=places, model=model_config("zero_velocity"))
    moving = tuple(range(30, 60))
    space = PoseSpace(np.zeros(96), np.ones(96), moving, ("walking",), H36M.of_positions, 25.0, "positions")
    rows = [Predictor((), of_positions, space, 0), Predictor(runs[0].params, experiment, runs[0].space, 0)]
    rows[0].experiment = dataclasses.replace(of_positions, model=EXPERIMENT.model)
    found = compare(rows, dataset, ["free_running"])
    held = [report.metric for report in found if report.model == "Zero-velocity"]
    assert sorted(held) == ["euler_error_rad", "mpjpe_mm"]


def test_nothing_to_compare(dataset: Dataset):
    with pytest.raises(UserError, match="no runs"):
        compare([], dataset)


def test_a_run_that_cannot_be_scored_is_left_out_where_that_is_asked(
    runs: list[Predictor], dataset: Dataset, caplog: pytest.LogCaptureFixture
):
    slower = dataclasses.replace(runs[0].space, fps=10.0)
    other = Predictor(runs[0].params, dataclasses.replace(EXPERIMENT, name="Slow"), slower, step=0)
    with pytest.raises(UserError, match="the model was made for 10"):
        compare([other, runs[0]], dataset, ["free_running"])
    found = compare([other, runs[0]], dataset, ["free_running"], leave_out=True)
    assert [report.model for report in found] == ["Small", "Zero-velocity", "Constant velocity"]
    assert "left out: Slow, seed 0: data.stride=2 gives 25 fps" in caplog.text
    assert compare([other], dataset, ["free_running"], leave_out=True) == []
