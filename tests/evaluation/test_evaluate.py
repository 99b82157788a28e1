"""Evaluation, on a small fabricated data set and with predictions that are known in advance."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment
from motion_jax.data.protocols import gather, protocol_windows
from motion_jax.errors import UserError
from motion_jax.evaluation import evaluate as module
from motion_jax.evaluation.evaluate import check_names, evaluate, select, through_space
from motion_jax.evaluation.metrics import euler_error_rad, mpjpe_mm
from motion_jax.evaluation.tables import markdown
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.types import Clip, Dataset

S, T = 10, 5
ACTIONS = ("walking", "eating", "waiting")
KEPT = tuple(range(6, 60))
FRAMES = [1, 3, 5]


def experiment(**fields) -> Experiment:
    values = {"protocols": "srnn", "frames": "1,3,5", **fields}
    return Experiment(data=DataConfig(source_length=S, target_length=T), eval=EvalConfig(**values))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Two test trials of two of three actions; the columns from 60 on move, but the space will drop them."""
    rng = np.random.default_rng(0)
    clips = []
    for action in ACTIONS[:2]:
        for trial in (1, 2):
            frames = np.cumsum(rng.normal(0, 0.02, (400 + 20 * trial, 99)), axis=0).astype(np.float32)
            clips.append(Clip(frames, "S5", action, trial, "test", f"{action}_{trial}.txt"))
    return Dataset("synthetic", tuple(clips), ACTIONS, skeleton=H36M, fps=50.0, key="abc")


@pytest.fixture(scope="module")
def space() -> PoseSpace:
    rng = np.random.default_rng(1)
    std = np.where(np.isin(np.arange(99), KEPT), rng.uniform(0.1, 2, 99), 1)
    return PoseSpace(rng.normal(0, 0.3, 99), std, KEPT, ACTIONS, H36M, 25.0)


def zero_velocity(history, future, codes, mode):
    """Repeats the last observed frame, or in one_step the true previous one."""
    del codes
    if mode == "one_step":
        return np.concatenate([history[:, -1:], future[:, :-1]], axis=1)
    return np.repeat(history[:, -1:], future.shape[1], axis=1)


def oracle(history, future, codes, mode):
    """Hands back the future that it is given."""
    del history, codes, mode
    return future


def test_reports_come_by_protocol_mode_and_metric_with_their_terms(dataset, space):
    reports = evaluate(zero_velocity, dataset, space, experiment(), "zero")
    metrics = ["euler_error_rad", "mpjpe_mm", "mpjpe_h36m22_mm"]
    assert [r.row for r in reports] == [
        ("zero", mode, "srnn", metric) for mode in ("free_running", "one_step") for metric in metrics
    ]
    for report in reports:
        assert report.frames == FRAMES
        assert report.milliseconds == report.label_ms == [40, 120, 200]
        assert list(report.actions) == ["walking", "eating"]
        assert report.missing == ["waiting"]
        assert (report.windows, report.seeds, report.std) == (8, 1, None)
        assert report.data == {"name": "synthetic", "files": 4, "frames": 2 * (420 + 440), "key": "abc"}
        assert report.config == experiment().to_dict()
        np.testing.assert_allclose(report.average, np.mean(list(report.actions.values()), axis=0))


def test_scores_are_the_metric_s_mean_over_the_protocol_s_windows(dataset, space):
    euler, position, _ = evaluate(zero_velocity, dataset, space, experiment(), "zero", modes=["free_running"])
    windows = protocol_windows("srnn", dataset, S, T, 2)
    for action, chosen in windows.items():
        history, future = gather(dataset.clips, chosen, S, T, 2)
        for frames in (history, future):
            frames[..., :6] = space.mean[:6]
            frames[..., 60:] = space.mean[60:]
        prediction = np.repeat(history[:, -1:], T, axis=1)
        expected = euler_error_rad(prediction, future).mean(0)[[0, 2, 4]]
        np.testing.assert_allclose(euler.actions[action], expected, rtol=1e-6)
        expected = mpjpe_mm(H36M, prediction, future).mean(0)[[0, 2, 4]]
        np.testing.assert_allclose(position.actions[action], expected, rtol=1e-6)


def test_the_modes_agree_at_the_first_frame_and_part_after_it(dataset, space):
    free, one_step = evaluate(zero_velocity, dataset, space, experiment(metrics="mpjpe_mm"), "zero")
    assert (free.mode, one_step.mode) == ("free_running", "one_step")
    assert free.average[0] == one_step.average[0]
    assert free.average[1] > 1.3 * one_step.average[1]


def test_only_one_step_is_shown_the_future(dataset, space):
    free, one_step = evaluate(oracle, dataset, space, experiment(metrics="mpjpe_mm"), "oracle")
    np.testing.assert_allclose(one_step.average, 0, atol=1e-3)  # the future is handed over in float32
    assert min(free.average) > 10
    seen = {}

    def spy(history, future, codes, mode):
        seen[mode] = future
        return zero_velocity(history, future, codes, mode)

    evaluate(spy, dataset, space, experiment(), "spy")
    assert not seen["free_running"].any()
    assert seen["one_step"].any()


def test_frames_pass_through_the_space(dataset, space):
    frames = dataset.clips[0].frames[:50]
    passed = through_space(space, frames)
    assert passed.dtype == np.float64
    np.testing.assert_array_equal(passed[:, list(KEPT)], frames[:, list(KEPT)])
    codes = np.zeros((50, len(ACTIONS)), np.float32)
    np.testing.assert_allclose(passed, space.decode(space.encode(frames, codes)), atol=1e-5)
    selection = select("srnn", dataset, space, experiment())
    for seen in (selection.history, selection.future, selection.truth):
        np.testing.assert_allclose(seen[..., :6], np.broadcast_to(space.mean[:6], seen[..., :6].shape), rtol=1e-6)
    np.testing.assert_array_equal(selection.truth.astype(np.float32), selection.future)


@pytest.mark.parametrize("batch", [1, 5, 7, 16, 100])
def test_batches_have_one_shape_and_leave_the_scores_alone(batch, dataset, space):
    shapes = []

    def spy(history, future, codes, mode):
        assert len(history) == len(future) == len(codes)
        shapes.append(len(history))
        return zero_velocity(history, future, codes, mode)

    whole = evaluate(zero_velocity, dataset, space, experiment(), "x", ["one_step"])
    parts = evaluate(spy, dataset, space, experiment(batch=batch), "x", ["one_step"])
    assert len(set(shapes)) == 1
    assert max(shapes) <= batch
    assert [r.actions for r in parts] == [r.actions for r in whole]


def test_actions_that_a_protocol_has_no_windows_of_are_left_out_and_named(dataset, space, monkeypatch):
    monkeypatch.setattr(module, "protocol_windows", lambda *given: {"eating": protocol_windows(*given)["eating"]})
    (report,) = evaluate(zero_velocity, dataset, space, experiment(metrics="mpjpe_mm"), "zero", ["free_running"])
    assert (list(report.actions), report.missing, report.windows) == (["eating"], ["walking", "waiting"], 8)
    assert report.average == report.actions["eating"]
    assert "averages are over 1 action. Left out" in markdown([report])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"metrics": "mpjpe_mm,mpjpe"},
            r"eval\.metrics='mpjpe_mm,mpjpe': metric 'mpjpe' must be one of euler_error_rad,",
        ),
        ({"protocols": "srn"}, r"eval\.protocols='srn': 'srn' must be one of srnn, windows256"),
        ({"metrics": ""}, r"eval\.metrics='': must name at least one"),
        ({"frames": ", "}, r"eval\.frames=', ': must name at least one"),
    ],
)
def test_names_that_there_are_not_are_refused_before_anything_is_predicted(fields, message, dataset, space):
    with pytest.raises(UserError, match=message):
        evaluate(pytest.fail, dataset, space, experiment(**fields), "x")
    with pytest.raises(UserError, match=message):
        check_names(experiment(**fields).eval)


def test_a_model_is_told_the_action(dataset, space):
    codes_seen = []

    def spy(history, future, codes, mode):
        codes_seen.append(codes)
        return zero_velocity(history, future, codes, mode)

    evaluate(spy, dataset, space, experiment(), "x", ["free_running"])
    np.testing.assert_array_equal(np.concatenate(codes_seen), np.eye(3)[[0] * 8 + [1] * 8])
    codes_seen.clear()
    evaluate(spy, dataset, dataclasses.replace(space, actions=()), experiment(), "x", ["free_running"])
    assert np.concatenate(codes_seen).shape == (16, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_scores_nan_and_is_named(bad, dataset, space, caplog, monkeypatch):
    def diverging(history, future, codes, mode):
        prediction = zero_velocity(history, future, codes, mode)
        prediction[codes[:, 1] == 1, 2:, 0] = bad  # eating, from frame 3 on, in a column that no metric reads
        return prediction

    monkeypatch.setattr(logging.getLogger("absl"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        reports = evaluate(diverging, dataset, space, experiment(), "diverging", ["free_running"])
    for report in reports:
        assert np.isfinite(report.actions["walking"]).all()
        assert np.isfinite(report.actions["eating"]).tolist() == [True, False, False]
        assert np.isnan(report.average).tolist() == [False, True, True]
    assert "diverging, srnn, free_running: 8 predictions of eating are not finite" in caplog.text
    told = "synthetic: reports are without waiting: protocol srnn: action 'waiting' needs 2 test clips, found none"
    assert told in caplog.text


def test_cmu_is_given_its_true_times_beside_the_labels(dataset, space, monkeypatch, caplog):
    clips = tuple(
        Clip(np.tile(clip.frames, (1, 2))[:, :117], "", clip.action, 1, "test", clip.source)
        for clip in dataset.clips[::2]
    )
    cmu = Dataset("cmu", clips, ACTIONS, skeleton=CMU, fps=120.0, key="abc")
    mean = np.tile(space.mean, 2)[:117]
    fast = PoseSpace(mean, np.ones(117), KEPT, ACTIONS, CMU, 60.0)
    monkeypatch.setattr(logging.getLogger("absl"), "propagate", True)
    reports = evaluate(zero_velocity, cmu, fast, experiment(), "zero", ["free_running"])
    assert [report.metric for report in reports] == ["euler_error_rad", "mpjpe_mm"]  # h36m-22 does not apply
    assert reports[0].milliseconds == [16.667, 50.0, 83.333]
    assert reports[0].label_ms == [40, 120, 200]

    assert "not reported" not in caplog.text  # nobody asked for it
    asked = dataclasses.replace(experiment().eval, metrics="mpjpe_h36m22_mm,mpjpe_mm")
    for name in ("one", "two"):
        evaluate(zero_velocity, cmu, fast, dataclasses.replace(experiment(), eval=asked), name, ["free_running"])
    assert caplog.text.count("mpjpe_h36m22_mm does not apply to skeleton cmu: not reported") == 1


def test_what_cannot_be_evaluated_is_refused(dataset, space):
    with pytest.raises(UserError, match=r"\(16, 4, 99\); it must be \(16, 5, 99\)"):
        evaluate(lambda *given: given[1][:, 1:], dataset, space, experiment(), "x")
    with pytest.raises(UserError, match="'h36m'; the model was made for 'cmu'"):
        evaluate(oracle, dataset, dataclasses.replace(space, skeleton=CMU), experiment(), "x")
    with pytest.raises(UserError, match=r"gives 25 fps; the model was made for 60"):
        evaluate(oracle, dataset, dataclasses.replace(space, fps=60.0), experiment(), "x")
    cmu = dataclasses.replace(dataset, skeleton=CMU)
    with pytest.raises(UserError, match="none applies to skeleton 'cmu'"):
        evaluate(oracle, cmu, space, experiment(metrics="mpjpe_h36m22_mm"), "x")
