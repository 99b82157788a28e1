"""Joint positions as a representation: what the published protocol has, joint by joint and millimetre by millimetre."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.data.normalize import pose_space
from motion_jax.data.positions import represented, to_positions
from motion_jax.data.splits import split_clips
from motion_jax.data.synthetic import make_clip
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import evaluate, select
from motion_jax.evaluation.metrics import find_metric, mpjpe_mm
from motion_jax.models import make
from motion_jax.models.raw import raw_predict
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import CMU, H36M, SKELETONS
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

RNG = np.random.default_rng(0)
MOVING = (2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 21, 22, 25, 26, 27, 29, 30)  # Mao 2019
COPIES = {16: 13, 20: 19, 23: 22, 24: 13, 28: 27, 31: 30}


def dataset(body: Skeleton) -> Dataset:
    frames = RNG.normal(size=(2, 80, body.columns), scale=0.4).astype(np.float32)
    clips = tuple(Clip(part, "S1", "walking", 1, "train", "") for part in frames)
    return Dataset("synthetic", clips, ("walking",), body, 50.0, "key")


@functools.cache
def space(name: str) -> PoseSpace:
    config = DataConfig(representation="positions", source_length=3, target_length=2, one_hot=False)
    places = represented(dataset(SKELETONS[name]), config)
    return pose_space(places, places.clips, config)


def joints(space: PoseSpace) -> tuple[int, ...]:
    assert len(space.kept) == 3 * len(set(space.triples))
    return tuple(sorted(set(space.triples.tolist())))


def test_the_network_sees_the_published_joints_of_human36m():
    assert joints(space("h36m")) == MOVING
    assert {j: k for j, k in enumerate(H36M.coincident) if j != k and k in MOVING} == COPIES


def test_of_cmu_it_sees_those_that_move_and_do_not_coincide():
    seen = [CMU.joints[joint] for joint in joints(space("cmu"))]
    still = {"Hips", "LeftUpLeg", "RightUpLeg"}  # the hips' rotation is in place, and hip joints have no bone
    twins = {CMU.joints[j] for j, k in enumerate(CMU.coincident) if j != k}
    assert twins == {"LHipJoint", "RHipJoint", "LowerBack", "Neck", "LeftShoulder", "RightShoulder", "LeftFingerBase",
                     "RightFingerBase", "LThumb", "RThumb"}  # fmt: skip
    assert set(CMU.joints) - set(seen) - twins <= still


@pytest.mark.parametrize("name", ["h36m", "cmu"])
def test_a_prediction_is_every_joint(name):
    """What the network does not see it is given back: copies of what it sees, and constants."""
    body = SKELETONS[name]
    raw = RNG.normal(size=(2, 5, body.columns), scale=0.4).astype(np.float32)
    places = to_positions(body, raw)
    seen = space(name).encode_window(places[:, :3], places[:, 3:], np.zeros((2, 0), np.float32))
    np.testing.assert_allclose(space(name).decode(seen.future), places[:, 3:], atol=2e-3)


def test_positions_score_as_the_angles_that_they_are_of():
    prediction, truth = (RNG.normal(size=(2, 3, 99), scale=0.4).astype(np.float32) for _ in range(2))
    places = [to_positions(H36M, frames) for frames in (prediction, truth)]
    for name in ("mpjpe_mm", "mpjpe_h36m22_mm"):
        error = find_metric(name)(H36M.of_positions, *places)
        np.testing.assert_allclose(error, find_metric(name)(H36M, prediction, truth), rtol=1e-6)
    with pytest.raises(UserError, match="euler_error_rad does not apply: the model predicts joint positions"):
        find_metric("euler_error_rad")(H36M.of_positions, *places)


@functools.cache
def synthetic() -> Dataset:
    """Of the synthetic set two subjects, one of them the test's, as they walk; the beginnings of their clips."""
    clips = tuple(make_clip(0, subject, "walking", trial) for subject in ("S1", "S5") for trial in (1, 2))
    short = tuple(dataclasses.replace(clip, frames=clip.frames[:700]) for clip in clips)
    return Dataset("synthetic", short, ("walking",), H36M, 50.0, "key")


def experiment(representation: str) -> Experiment:
    data = DataConfig(representation=representation, source_length=10, target_length=3, validation="none")
    return Experiment(data=data, model=model_config("zero_velocity"), eval=EvalConfig(protocols="srnn", frames="1,3"))


@functools.cache
def zero_velocity(representation: str) -> dict[str, list[float]]:
    run, data = experiment(representation), synthetic()
    places = represented(data, run.data)
    known = pose_space(places, split_clips(places, run.data).train, run.data)
    model = make(run, known)
    predict = functools.partial(raw_predict(model, known, run), ())
    reports = evaluate(predict, data, known, run, "zero_velocity", ["free_running"])
    return {report.metric: report.average for report in reports}


@pytest.mark.parametrize(
    "name",
    ["relative", "positions", *(pytest.param(name, marks=pytest.mark.slow) for name in ("rotation_6d", "quaternion"))],
)
def test_zero_velocity_is_the_same_in_every_representation(name: str):
    of_angles = zero_velocity("expmap")
    assert set(of_angles) == {"euler_error_rad", "mpjpe_mm", "mpjpe_h36m22_mm"}
    errors = zero_velocity(name)
    assert set(errors) == set(of_angles) - ({"euler_error_rad"} if name == "positions" else set())
    for metric, found in errors.items():
        np.testing.assert_allclose(found, of_angles[metric], rtol=1e-3)


def test_the_windows_are_those_of_the_angles():
    chosen = {}
    for name in ("positions", "expmap"):
        run = experiment(name)
        data = represented(synthetic(), run.data)
        chosen[name] = select("srnn", synthetic(), pose_space(data, data.split("train"), run.data), run)
    places, angles = chosen.values()
    assert places.actions == angles.actions
    assert mpjpe_mm(H36M.of_positions, places.truth, to_positions(H36M, angles.truth)).max() < 1
