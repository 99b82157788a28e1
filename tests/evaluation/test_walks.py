"""Metrics of walks: of every form of a root the same, and what each tells."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment
from motion_jax.data.motion.root_forms import from_absolute
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import evaluate
from motion_jax.evaluation.metrics import METRICS, bone_drift_mm
from motion_jax.evaluation.report import Report
from motion_jax.evaluation.walks import Walks, feet_of, make_walks
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.skeleton import Joint, Skeleton
from motion_jax.types import Clip, Dataset

S, T, FPS = 6, 5, 25.0
OF_WALKS = [name for name, metric in METRICS.items() if metric.of_walks]
BODY = Skeleton.from_table(
    "made",
    (Joint("Hips", None, "spine", (0, 0, 0)), Joint("LeftLeg", "Hips", "left_leg", (100, -900, 0)),
     Joint("RightLeg", "Hips", "right_leg", (-100, -900, 0))),
)  # fmt: skip


def steps(frames: int = S + T) -> np.ndarray:
    """`[F, D]` absolute: it walks 40 mm a frame at a height of 900 mm and turns; having no knees, it slides."""
    rows = np.zeros((frames, BODY.columns))
    heading = 0.05 * np.arange(frames)
    rows[1:, 0], rows[1:, 2] = 40 * np.cumsum(np.sin(heading[:-1])), 40 * np.cumsum(np.cos(heading[:-1]))
    rows[:, 1], rows[:, 4] = 900, -heading
    return rows


def walks_of(prediction: np.ndarray, truth: np.ndarray, root: str = "absolute", fps: float = FPS) -> Walks:
    """Of absolute rows `[S + T, D]` with one history, as a model of that root has them."""
    body = dataclasses.replace(BODY, root=root)
    first = truth[:1] - (truth[1:2] - truth[:1])
    told = [from_absolute(body.root, np.concatenate([first, rows]))[-S - T :] for rows in (prediction, truth)]
    paths = truth[None, :, :6]
    return make_walks(body, told[1][None, :S], told[0][None, S:], told[1][None, S:], paths, fps, 1)


@pytest.mark.parametrize("name", OF_WALKS)
@pytest.mark.parametrize("root", ["difference", "heading"])
def test_every_form_of_a_root_scores_the_same(name, root):
    truth = steps()
    prediction = truth.copy()
    prediction[S:] += np.random.default_rng(0).normal(0, 0.02, prediction[S:].shape)
    seen, metric = walks_of(prediction, truth, root), METRICS[name]
    if not metric.applies(seen.skeleton):
        assert (root, name) in {("difference", "heading_deg"), ("difference", "foot_skate_mm")}
        with pytest.raises(UserError, match="holds differences, which tell no up"):
            metric.on_walks(seen)
        return
    if name.startswith("foot") and root == "difference":  # without an up, by speed in any direction
        prediction[:, 1], truth[:, 1] = 900, 900
    expected = metric.on_walks(walks_of(prediction, truth))
    tolerance = 0.05 if name.startswith("foot") and root == "difference" else 1e-6
    np.testing.assert_allclose(metric.on_walks(walks_of(prediction, truth, root)), expected, atol=tolerance)


@pytest.mark.parametrize("name", ["root_position_mm", "root_rotation_deg", "heading_deg", "foot_contact_pct"])
def test_a_perfect_prediction_scores_best(name):
    metric, truth = METRICS[name], steps()
    best = 100 if metric.higher_is_better else 0
    np.testing.assert_allclose(metric.on_walks(walks_of(truth, truth)), np.full((1, T), best), atol=1e-9)


def test_the_path_and_the_heading_of_one_who_stops():
    """Held where it was: the root is behind by the way, and the heading by the turn."""
    truth = steps()
    still = np.concatenate([truth[:S], np.repeat(truth[S - 1 : S], T, axis=0)])
    walks = walks_of(still, truth)
    away = np.linalg.norm(truth[S:, :3] - truth[S - 1, :3], axis=1)
    np.testing.assert_allclose(METRICS["root_position_mm"].on_walks(walks)[0], away)
    turned = np.rad2deg(0.05 * np.arange(1, T + 1))
    for name in ("heading_deg", "root_rotation_deg"):
        np.testing.assert_allclose(METRICS[name].on_walks(walks)[0], turned, atol=1e-9)


def test_feet_slide_where_the_true_ones_stand():
    """The truth stands; the prediction moves off at 7 mm a frame, then jumps."""
    truth = np.zeros((S + T, BODY.columns))
    truth[:, 1] = 900
    prediction = truth.copy()
    prediction[S:, 2] = 7 * np.arange(1, T + 1)
    prediction[-1, 1] = 1000
    walks = walks_of(prediction, truth)
    np.testing.assert_allclose(METRICS["foot_sliding_mm"].on_walks(walks), np.full((1, T), 7))
    np.testing.assert_allclose(METRICS["foot_skate_mm"].on_walks(walks), [[7, 7, 7, 7, 0]], atol=1e-9)
    np.testing.assert_array_equal(METRICS["foot_contact_pct"].on_walks(walks), [[100, 100, 100, 100, 0]])
    fast = walks_of(prediction, steps(), fps=50.0)  # feet of the truth at 2 m/s are not planted
    assert np.isnan(METRICS["foot_sliding_mm"].on_walks(fast)).all()


def test_a_seam_is_seen_in_the_jerk_of_the_first_three_frames():
    even = np.zeros((S + T, BODY.columns))
    even[:, 2] = 5.0 * np.arange(S + T) ** 2  # the third difference of what is even is 0
    jumped = even.copy()
    jumped[S:, 2] += 10
    np.testing.assert_allclose(METRICS["jerk_mm"].on_walks(walks_of(even, even)), 0, atol=1e-9)
    np.testing.assert_allclose(METRICS["jerk_mm"].on_walks(walks_of(jumped, even)), [[10, 20, 10, 0, 0]], atol=1e-9)


def test_bones_of_positions_drift():
    places = np.zeros((1, T, BODY.of_positions.columns))
    longer = places.copy()
    longer[..., 4] = -900
    longer[..., 7] = -950
    truth = places.copy()
    truth[..., 4] = truth[..., 7] = -900
    np.testing.assert_allclose(bone_drift_mm(BODY.of_positions, longer, truth), np.full((1, T), 25))
    assert not METRICS["bone_drift_mm"].applies(BODY)


def test_feet_are_the_ends_of_legs():
    names = [tuple(body.joints[foot] for foot in feet_of(body)) for body in (BODY22, CMU, H36M)]
    assert names == [("left_foot", "right_foot"), ("LeftToeBase.End", "RightToeBase.End"),
                     ("LeftToeBase.Site", "RightToeBase.Site")]  # fmt: skip


def test_reports_of_walks_are_free_running_and_their_truth_is_the_recording():
    """Every second row is read: the true path is that of all, and a walk held even is where it is then."""
    body = dataclasses.replace(BODY, root="heading")
    rows = from_absolute("heading", steps(401)).astype(np.float32)
    clips = tuple(Clip(rows, "S5", "walking", trial, "test", f"{trial}.txt") for trial in (1, 2))
    dataset = Dataset("synthetic", clips, ("walking",), body, 50.0, "abc")
    columns = body.columns
    space = PoseSpace(np.zeros(columns), np.ones(columns), tuple(range(columns)), (), body, 25.0)
    names = "mpjpe_mm,root_position_mm,heading_deg,foot_sliding_mm,jerk_mm"
    experiment = Experiment(
        data=DataConfig(source_length=S, target_length=T, one_hot=False),
        eval=EvalConfig(protocols="srnn", metrics=names, frames="1,5"),
    )

    def held(history, future, *_):
        return np.repeat(history[:, -1:], future.shape[1], axis=1)

    def scores(predict, modes=("free_running", "one_step")) -> dict[tuple[str, str], Report]:
        reports = evaluate(predict, dataset, space, experiment, "held", modes)
        return {(report.mode, report.metric): report for report in reports}

    found = scores(held)
    free = {metric for mode, metric in found if mode == "free_running"}
    assert free == set(names.split(","))
    assert {metric for mode, metric in found if mode == "one_step"} == {"mpjpe_mm"}
    for name in ("root_position_mm", "heading_deg"):
        np.testing.assert_allclose(found["free_running", name].average, 0, atol=1e-2)
    assert np.isnan(found["free_running", "foot_sliding_mm"].average).all()  # it goes at 2 m/s
    stopped = scores(lambda *given: held(*given) * (np.arange(columns) == 1), ["free_running"])
    np.testing.assert_allclose(stopped["free_running", "root_position_mm"].average, [80, 400], rtol=0.02)
    broken = scores(lambda *given: np.where(np.arange(T)[:, None] == 1, np.nan, held(*given)), ["free_running"])
    assert np.isnan(broken["free_running", "jerk_mm"].average).tolist() == [False, True]
    only = dataclasses.replace(experiment, eval=dataclasses.replace(experiment.eval, metrics="jerk_mm"))
    with pytest.raises(UserError, match="measured in free_running alone"):
        evaluate(held, dataset, space, only, "held", ["one_step"])
    with pytest.raises(UserError, match="reads the observed frames too"):
        METRICS["jerk_mm"](body, rows[None, :T], rows[None, :T])
