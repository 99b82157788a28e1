"""The predictors without parameters, against plain numpy and scipy."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.errors import UserError
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Model

B, S, T, JOINTS = 2, 5, 4, 3
COLUMNS, ACTIONS = 3 + 3 * JOINTS, ("walking", "eating")
RNG = np.random.default_rng(0)
SPACE = PoseSpace(
    RNG.normal(size=COLUMNS, scale=0.2), RNG.uniform(0.5, 2, COLUMNS), tuple(range(COLUMNS)), ACTIONS, H36M, 25.0
)
RAW = RNG.uniform(-0.7, 0.7, (B, S + T, COLUMNS))  # rad; far from the angles' poles
CODES = np.broadcast_to(np.eye(2)[:, None], (B, S + T, 2))
FRAMES = np.asarray(SPACE.encode(RAW, CODES))
HISTORY, FUTURE = FRAMES[:, :S], FRAMES[:, S:]
FREE, FORCED = np.zeros((B, T), bool), np.ones((B, T), bool)
MIXED = np.array([[True, False, True, False], [False, True, False, False]])


def build(name: str, window: int = 2) -> Model:
    data = DataConfig(source_length=S, target_length=T)
    config = model_config(name, **({"window": window} if name == "running_average" else {}))
    return make(Experiment(model=config, data=data, eval=EvalConfig(frames="1")), SPACE)


@functools.cache
def compiled(name: str, window: int):
    return jax.jit(functools.partial(build(name, window).apply, ()))


def predict(name: str, forced: np.ndarray, window: int = 2) -> np.ndarray:
    return np.asarray(compiled(name, window)(HISTORY, FUTURE, forced))


def euler(frames: np.ndarray) -> np.ndarray:
    """Raw frames with angles: R = Rx(-E1) Ry(-E2) Rz(-E3), by scipy."""
    joints = Rotation.from_rotvec(frames[..., 3:].reshape(-1, 3)).as_euler("XYZ")
    return np.concatenate([frames[..., :3], -joints.reshape(*frames.shape[:-1], -1)], axis=-1)


def from_euler(frames: np.ndarray) -> np.ndarray:
    joints = Rotation.from_euler("XYZ", -frames[..., 3:].reshape(-1, 3)).as_rotvec()
    return np.concatenate([frames[..., :3], joints.reshape(*frames.shape[:-1], -1)], axis=-1)


def average(until: int, window: int) -> np.ndarray:
    """The mean in Euler angles of the `window` frames before frame `until`, as a network frame `[B, N]`."""
    mean = from_euler(euler(RAW[:, until - window : until]).mean(axis=1))
    return np.asarray(SPACE.encode(mean, CODES[:, 0]))


@pytest.mark.parametrize("name", ["zero_velocity", "running_average", "constant_velocity"])
def test_there_are_no_parameters(name):
    model = build(name)
    assert model.init(jax.random.key(0)) == ()
    assert model.attend is None


def test_zero_velocity_free_running_holds_the_last_observed_frame():
    np.testing.assert_array_equal(predict("zero_velocity", FREE), np.repeat(HISTORY[:, -1:], T, axis=1))


def test_zero_velocity_one_step_repeats_the_true_previous_frame():
    np.testing.assert_array_equal(predict("zero_velocity", FORCED), FRAMES[:, S - 1 : S + T - 1])


def test_zero_velocity_mixed_holds_what_it_was_last_told():
    expected = np.stack([FRAMES[0, S - 1 + np.array([0, 0, 2, 2])], FRAMES[1, S - 1 + np.array([0, 1, 1, 1])]])
    np.testing.assert_array_equal(predict("zero_velocity", MIXED), expected)


@pytest.mark.parametrize("window", [2, 4])
def test_running_average_free_running_is_the_mean_in_euler_angles(window):
    prediction = predict("running_average", FREE, window)
    np.testing.assert_allclose(prediction, np.repeat(average(S, window)[:, None], T, axis=1), rtol=1e-4, atol=1e-5)
    plain = HISTORY[:, -window:].mean(axis=1, keepdims=True)  # of rotation vectors: near, but not it
    assert np.abs(prediction - plain).max() > 1e-3


def test_running_average_one_step_averages_the_true_frames_before():
    expected = np.stack([average(S + t, 4) for t in range(T)], axis=1)
    np.testing.assert_allclose(predict("running_average", FORCED, 4), expected, rtol=1e-4, atol=1e-5)


def test_running_average_mixed_holds_what_it_was_last_told():
    told = [[0, 0, 2, 2], [0, 1, 1, 1]]
    expected = np.stack([[average(S + t, 2)[b] for t in told[b]] for b in range(B)])
    np.testing.assert_allclose(predict("running_average", MIXED), expected, rtol=1e-4, atol=1e-5)


def test_a_running_average_of_one_frame_is_zero_velocity():
    for forced in (FREE, MIXED):
        held = predict("zero_velocity", forced)
        np.testing.assert_allclose(predict("running_average", forced, window=1), held, rtol=1e-4, atol=1e-5)


def test_the_action_is_carried_through():
    for name in ("zero_velocity", "running_average", "constant_velocity"):
        np.testing.assert_array_equal(predict(name, FORCED)[..., COLUMNS:], CODES[:, :T])


def turned_on(before: np.ndarray, last: np.ndarray, times: float) -> np.ndarray:
    """Raw frames `[B, D]` of H36M's root of differences, moved on `times` as from `before` to `last`."""
    one, two = (Rotation.from_rotvec(frames[:, 3:].reshape(-1, 3)) for frames in (before, last))
    joints = ((two * one.inv()) ** times * two).as_rotvec().reshape(len(last), -1)
    return np.concatenate([last[:, :6], joints[:, 3:]], axis=1)


@pytest.mark.parametrize(("forced", "told"), [(FREE, [[0, 0, 0, 0]] * 2), (FORCED, [[0, 1, 2, 3]] * 2),
                                              (MIXED, [[0, 0, 2, 2], [0, 1, 1, 1]])])  # fmt: skip
def test_constant_velocity_turns_on_from_what_it_was_last_told(forced, told):
    prediction = np.asarray(SPACE.decode(predict("constant_velocity", forced)))
    for sequence in range(B):
        for t, since in enumerate(told[sequence]):
            before, last = RAW[sequence, S + since - 2], RAW[sequence, S + since - 1]
            expected = turned_on(before[None], last[None], t - since + 1)[0]
            np.testing.assert_allclose(prediction[sequence, t], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("root", "expected"),
    [("absolute", [3, 6, 9, None, None, None]), ("difference", [2, 4, 6, 0.2, 0.4, 0.6]),
     ("heading", [2, 6, 6, 0.3, 0.4, 0.9])],
)  # fmt: skip
def test_constant_velocity_moves_the_root_on_in_each_form(root, expected):
    """Steps stay; places, height and tilt go on as they went."""
    body = dataclasses.replace(H36M, root=root)
    columns = COLUMNS
    space = PoseSpace(np.zeros(columns), np.ones(columns), tuple(range(columns)), (), body, 25.0)
    rows = np.zeros((1, S, columns), np.float32)
    rows[:, -2, :6], rows[:, -1, :6] = [1, 2, 3, 0.1, 0.2, 0.3], [2, 4, 6, 0.2, 0.4, 0.6]
    for damping in (1.0, 0.5):
        data, model = DataConfig(source_length=S, target_length=T), model_config("constant_velocity", damping=damping)
        made = make(Experiment(model=model, data=data, eval=EvalConfig(frames="1")), space)
        prediction = np.asarray(made.apply((), rows, np.zeros((1, T, columns), np.float32), FREE[:1]))
        first, second = prediction[0, :2, :6]
        for column, value in enumerate(expected):
            if value is not None:
                assert first[column] == pytest.approx(value, abs=1e-5)
        assert second[1] == pytest.approx(
            {"absolute": first[1] + 2 * damping, "difference": 4 * damping, "heading": first[1] + 2 * damping}[root]
        )


def test_a_window_longer_than_the_observation_is_refused():
    with pytest.raises(UserError, match=r"model\.window=6.*data\.source_length=5"):
        build("running_average", window=6)
