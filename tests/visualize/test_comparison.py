"""A comparison holds the windows and errors of the evaluation, of every model and of zero-velocity."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import evaluate, select
from motion_jax.inference.predictor import Predictor
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset
from motion_jax.visualize.attention import check_attention
from motion_jax.visualize.comparison import Comparison, make_comparison

S, T, STRIDE = 6, 3, 2
ACTIONS = ("walking", "eating")
EXPERIMENT = Experiment(
    name="ours",
    data=DataConfig(name="h36m", root="absent", source_length=S, target_length=T, stride=STRIDE),
    model=model_config(hidden=8, attention="additive"),
    eval=EvalConfig(protocols="srnn", metrics="euler_error_rad,mpjpe_mm", frames="1,2,3", batch=16),
)


@pytest.fixture(scope="module")
def space() -> PoseSpace:
    return PoseSpace(np.zeros(99), np.full(99, 0.3), tuple(range(3, 99)), ACTIONS, H36M, 25.0)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)

    def frames() -> np.ndarray:
        walk = np.cumsum(rng.normal(0, 0.02, (420, 99)), axis=0).astype(np.float32)
        walk[:, :6] *= 0.1  # the root's columns are differences between rows, which a body keeps small
        return walk

    clips = tuple(Clip(frames(), "S5", action, trial, "test", "file") for action in ACTIONS for trial in (1, 2))
    return Dataset("h36m", clips, ACTIONS, H36M, 50.0, "key")


def predictor(space: PoseSpace, experiment: Experiment = EXPERIMENT, noise: float = 0.1) -> Predictor:
    """Every parameter is moved by noise: a new network may be one that holds still."""
    rng = np.random.default_rng(0)
    params = make(experiment, space).init(jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, noise, leaf.shape).astype("f4"), params)
    return Predictor(params, experiment, space, 0)


@pytest.fixture(scope="module")
def run(space: PoseSpace) -> Predictor:
    return predictor(space)


@pytest.fixture(scope="module")
def comparison(run: Predictor, dataset: Dataset) -> Comparison:
    """Every window of the protocol."""
    return make_comparison([run], dataset, count=99)


def rename(run: Predictor, name: str = "theirs", **changes: object) -> Predictor:
    """The same parameters under another experiment."""
    other = object.__new__(Predictor)
    other.__dict__ = run.__dict__ | {"experiment": dataclasses.replace(run.experiment, name=name, **changes)}
    return other


def test_weights_are_a_distribution_over_the_observed_frames(run: Predictor):
    history = np.random.default_rng(1).normal(0, 0.3, (2, S + 2, 99))
    future, weights = run.attend(history, "walking")
    np.testing.assert_array_equal(future, run(history, "walking"))
    assert weights is not None
    assert weights.shape == (2, T, S - 1)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert (weights > 0).all()
    assert np.ptp(weights, axis=-1).max() > 1e-4  # it prefers some
    _, alone = run.attend(history[1], "walking")
    assert alone is not None
    np.testing.assert_allclose(alone, weights[1], atol=1e-5)


def test_without_attention_there_are_no_weights(run: Predictor, space: PoseSpace):
    blind = predictor(space, dataclasses.replace(EXPERIMENT, model=model_config(hidden=8, attention="none")))
    assert blind.attend(np.zeros((S, 99)))[1] is None
    assert (blind.attends, run.attends) == (False, True)
    check_attention([blind, run])
    with pytest.raises(UserError, match="none of the runs has attention: ours"):
        check_attention([blind])


def test_a_comparison_holds_what_the_evaluation_scores(comparison: Comparison, run: Predictor, dataset: Dataset):
    assert comparison.models == ("ours", "Zero-velocity")
    assert comparison.is_baseline == (False, True)
    assert [scene.action for scene in comparison.scenes] == [action for action in ACTIONS for _ in range(8)]
    assert [scene.window for scene in comparison.scenes] == [*range(8)] * 2
    reports = evaluate(run.predict_raw, dataset, run.space, run.experiment, "ours", ("free_running",))
    for report in reports:
        errors = [
            getattr(scene.predictions[0], report.metric) for scene in comparison.scenes if scene.action == "eating"
        ]
        np.testing.assert_allclose(np.mean(errors, axis=0), report.actions["eating"], rtol=1e-4)
    for scene in comparison.scenes:
        still = np.broadcast_to(scene.history[-1], (T, 99))
        np.testing.assert_allclose(scene.predictions[1].frames, still, atol=1e-6)
        assert scene.predictions[1].attention is None


def test_a_scene_says_where_it_was_taken(comparison: Comparison, dataset: Dataset):
    for scene in comparison.scenes:
        clip = next(clip for clip in dataset.clips if clip.name == scene.clip)
        rows = clip.frames[scene.row :: STRIDE]
        np.testing.assert_allclose(scene.history[:, 3:], rows[:S, 3:], atol=1e-6)
        np.testing.assert_allclose(scene.truth[:, 3:], rows[S : S + T, 3:], atol=1e-6)


def test_actions_and_windows_are_chosen(run: Predictor, dataset: Dataset):
    comparison = make_comparison([run], dataset, ["eating"], first=6, count=5)
    assert [(scene.action, scene.window) for scene in comparison.scenes] == [("eating", 6), ("eating", 7)]
    selection = select("srnn", dataset, run.space, run.experiment)
    row = selection.actions["eating"].start + 6
    np.testing.assert_array_equal(comparison.scenes[0].history, selection.history[row])


def test_names_are_told_apart(run: Predictor, dataset: Dataset):
    seeds = [rename(run, "ours", train=dataclasses.replace(EXPERIMENT.train, seed=seed)) for seed in (0, 1, 1)]
    names = make_comparison([*seeds, rename(run)], dataset, ["eating"], count=1).models
    assert names == ("ours, seed 0", "ours, seed 1, #2", "ours, seed 1, #3", "theirs", "Zero-velocity")


WRONG = {
    "no runs": ([], {}, "no runs to show"),
    "an action": (["ours"], {"actions": ["flying"]}, "--action=flying: no test windows of it; there are walking, eat"),
    "a window": (["ours"], {"first": 8}, "--window=8 --windows=4: walking has windows 0 to 7"),
    "no window": (["ours"], {"count": 0}, "--window=0 --windows=0"),
    "lengths": (["ours", "longer"], {}, r"need one data.target_length, not \[3, 4\]"),
    "not finite": (["nan"], {"count": 1, "actions": ["walking"]}, "the prediction is not finite"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_shown(name: str, run: Predictor, dataset: Dataset):
    longer = rename(run, data=dataclasses.replace(EXPERIMENT.data, target_length=4))
    broken = rename(run, "ours")
    broken._weights = jax.tree.map(lambda leaf: leaf * np.nan, run._weights)
    runs, arguments, message = WRONG[name]
    with pytest.raises(UserError, match=message):
        make_comparison([{"ours": run, "longer": longer, "nan": broken}[which] for which in runs], dataset, **arguments)
