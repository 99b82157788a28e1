"""Laws of the metrics, an independent transcription, and the values that zero-velocity must score on real data."""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.data.protocols import gather, srnn_windows
from motion_jax.errors import UserError
from motion_jax.evaluation.metrics import (
    METRICS,
    Metric,
    euler_error_rad,
    find_metric,
    h36m22_positions,
    metric_names,
    mpjpe_h36m22_mm,
    mpjpe_mm,
    register_metric,
)
from motion_jax.runtime import plugins
from motion_jax.skeletons.bodies import CMU, H36M, SKELETONS
from motion_jax.skeletons.skeleton import Joint, Skeleton
from motion_jax.types import Clip

JOINTS = ("root", "a", "b", "LowerNeck", *(f"joint{number}" for number in range(4, 25)))
OF_ANGLES = [name for name, metric in METRICS.items() if metric.of_walks is None and metric.applies(H36M)]
FRAMES = np.array([2, 4, 8, 10, 14, 25])
# Zero-velocity on the CMU test files: Euler error, rad, and position error, mm, both with the root zeroed.
ZERO_VELOCITY = {
    "basketball": ((0.488, 0.821, 1.404, 1.640, 2.048, 2.831), (26.5, 49.2, 92.9, 112.8, 148.5, 199.5)),
    "jumping": ((0.363, 0.616, 1.484, 1.683, 1.988, 2.027), (24.0, 46.4, 92.0, 113.0, 144.2, 185.5)),
    "running": ((0.563, 0.995, 1.381, 1.459, 1.573, 1.543), (44.7, 84.2, 148.4, 177.3, 222.4, 213.8)),
    "soccer": ((0.274, 0.477, 0.922, 1.096, 1.362, 1.839), (25.4, 49.2, 90.0, 109.4, 142.5, 207.5)),
    "walking": ((0.407, 0.602, 0.832, 0.951, 1.085, 1.338), (20.7, 39.2, 73.0, 88.1, 113.9, 154.9)),
    "washwindow": ((0.340, 0.567, 0.896, 1.093, 1.301, 1.468), (14.2, 28.4, 56.6, 70.1, 85.5, 110.6)),
}


def euler_numpy(r: np.ndarray) -> np.ndarray:
    """One joint at a time, as the published text reads."""
    theta = np.sqrt((r**2).sum())
    u = r / (theta + 1.1920929e-07)
    k = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    m = np.eye(3) + np.sin(theta) * k + (1 - np.cos(theta)) * (k @ k)
    if abs(m[0, 2]) == 1:
        return np.array([np.arctan2(m[0, 1], m[0, 2]), -m[0, 2] * np.pi / 2, 0])
    e2 = -np.arcsin(m[0, 2])
    c = np.cos(e2)
    return np.array([np.arctan2(m[1, 2] / c, m[2, 2] / c), e2, np.arctan2(m[0, 1] / c, m[0, 0] / c)])


def euler_error_numpy(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """One window `[T, D]` -> `[T]`."""
    angles = []
    for frames in (prediction, truth):
        rows = frames.astype(np.float64).copy()
        for row in rows:
            for column in range(3, len(row), 3):
                row[column : column + 3] = euler_numpy(row[column : column + 3])
        angles.append(rows)
    predicted, true = angles
    true[:, :6] = 0
    used = np.where(true.std(0) > 1e-4)[0]
    return np.sqrt(((true[:, used] - predicted[:, used]) ** 2).sum(1))


@pytest.fixture(scope="module")
def windows() -> tuple[np.ndarray, np.ndarray]:
    return make_windows()


def make_windows() -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth [4, 6, 99]; a third of the joints never move in the truth."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1.2, (4, 6, 99))
    truth[..., 9:39] = truth[:, :1, 9:39]
    return rng.normal(0, 1.2, (4, 6, 99)), truth


def test_euler_error_is_the_published_text(windows):
    prediction, truth = windows
    expected = [euler_error_numpy(p, t) for p, t in zip(prediction, truth, strict=True)]
    np.testing.assert_allclose(euler_error_rad(prediction, truth), expected, rtol=1e-10)


@pytest.mark.parametrize("name", OF_ANGLES)
def test_metrics_are_float64_whatever_the_caller_and_leave_its_setting(name, windows):
    single = [frames.astype(np.float32) for frames in windows]
    double = [frames.astype(np.float64) for frames in single]
    error = METRICS[name](H36M, *map(jnp.asarray, single))
    assert error.dtype == np.float64
    np.testing.assert_array_equal(error, METRICS[name](H36M, *double))
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("name", OF_ANGLES)
def test_a_perfect_prediction_scores_best_and_another_does_not(name, windows):
    prediction, truth = windows
    best = 100 if METRICS[name].higher_is_better else 0
    np.testing.assert_array_equal(METRICS[name](H36M, truth, truth), np.full((4, 6), best))
    assert (METRICS[name](H36M, prediction, truth) != best).all()


@pytest.mark.parametrize("name", OF_ANGLES)
def test_the_root_does_not_matter(name, windows):
    prediction, truth = windows
    moved = [frames.copy() for frames in windows]
    for frames in moved:
        frames[..., :6] += np.random.default_rng(1).normal(size=frames[..., :6].shape)
    np.testing.assert_array_equal(METRICS[name](H36M, *moved), METRICS[name](H36M, prediction, truth))


@pytest.mark.parametrize("name", OF_ANGLES)
def test_a_frame_s_error_is_that_frame_s(name, windows):
    prediction, truth = windows
    changed = prediction.copy()
    changed[:, 3] = truth[:, 3]
    before, after = METRICS[name](H36M, prediction, truth), METRICS[name](H36M, changed, truth)
    np.testing.assert_array_equal(after[:, 3], 100 if METRICS[name].higher_is_better else 0)
    np.testing.assert_array_equal(np.delete(after, 3, 1), np.delete(before, 3, 1))


def test_columns_that_stand_still_in_the_truth_are_not_scored(windows):
    prediction, truth = windows
    changed = prediction.copy()
    changed[..., 9:39] += 0.5
    np.testing.assert_array_equal(euler_error_rad(changed, truth), euler_error_rad(prediction, truth))
    changed[..., 39] += 0.5
    assert (euler_error_rad(changed, truth) != euler_error_rad(prediction, truth)).all()


def test_each_window_chooses_its_own_columns():
    truth = np.zeros((2, 5, 99))
    truth[0, :, 6] = np.linspace(0, 1, 5)  # joint 1 moves in window 0 only
    prediction = truth + 0
    prediction[..., 6] += 0.25
    error = euler_error_rad(prediction, truth)
    np.testing.assert_allclose(error, [[0.25] * 5, [0] * 5], atol=1e-6)


def test_the_threshold_of_motion_is_1e_4():
    truth = np.zeros((2, 4, 99))
    truth[0, ::2, 6] = 1.9e-4  # std 0.95e-4
    truth[1, ::2, 6] = 2.1e-4  # std 1.05e-4
    prediction = truth.copy()
    prediction[..., 6] += 0.3
    still, moving = euler_error_rad(prediction, truth)
    np.testing.assert_array_equal(still, 0)
    np.testing.assert_allclose(moving, 0.3, rtol=1e-5)


def test_angles_are_not_wrapped():
    truth, prediction = np.zeros((1, 2, 99)), np.zeros((1, 2, 99))
    truth[..., 6], prediction[..., 6] = (np.pi - 0.1, np.pi - 0.2), (-np.pi + 0.1, -np.pi + 0.2)
    np.testing.assert_allclose(euler_error_rad(prediction, truth)[0], [2 * np.pi - 0.2, 2 * np.pi - 0.4], atol=1e-5)


@pytest.mark.parametrize("body", SKELETONS.values(), ids=SKELETONS)
def test_one_bent_joint_displaces_what_hangs_on_it(body):
    """A turn by `angle` about a joint moves a joint at distance r from its axis by 2 r sin(angle / 2)."""
    joint, angle = body.index("LeftForeArm"), 0.7
    truth = np.zeros((1, 1, body.columns))
    prediction = truth.copy()
    prediction[..., 3 + 3 * joint] = angle  # about x
    total = 0.0
    for other in range(len(body.joints)):
        lever, node = np.zeros(3), other
        while node not in (joint, -1):
            lever, node = lever + body.offsets[node], body.parents[node]
        if node == joint:
            total += 2 * np.hypot(lever[1], lever[2]) * np.sin(angle / 2)
    assert total > 10
    np.testing.assert_allclose(mpjpe_mm(body, prediction, truth), total / len(body.joints), rtol=1e-12)


def test_for_angles_the_published_positions_and_the_clean_ones_agree(windows):
    np.testing.assert_allclose(mpjpe_h36m22_mm(H36M, *windows), mpjpe_mm(H36M, *windows), rtol=1e-12)


def test_the_published_positions_take_22_joints_from_the_prediction():
    prediction, truth = np.random.default_rng(0).normal(size=(2, 5, 32, 3))
    result = np.asarray(h36m22_positions(jnp.asarray(prediction), jnp.asarray(truth)))
    own = [2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 21, 22, 25, 26, 27, 29, 30]
    copies, origins = [16, 20, 23, 24, 28, 31], [13, 19, 22, 13, 27, 30]
    given = [0, 1, 6, 11]
    assert sorted(own + copies + given) == list(range(32))
    prediction, truth = prediction.astype(np.float32), truth.astype(np.float32)
    np.testing.assert_array_equal(result[:, own], prediction[:, own])
    np.testing.assert_array_equal(result[:, copies], prediction[:, origins])
    np.testing.assert_array_equal(result[:, given], truth[:, given])


def test_pck_counts_the_joints_within_a_share_of_the_true_torso():
    """Joint j is off by j % of the torso, which is 100 mm in one frame and 400 in the other; the neck is joint 3."""
    body = Skeleton.from_table("chain", [
        Joint(name, parent, "spine", (0, 10, 0)) for name, parent in zip(JOINTS, (None, *JOINTS), strict=False)
    ]).of_positions  # fmt: skip
    truth = np.random.default_rng(0).normal(size=(1, 2, len(JOINTS), 3))
    torso = np.array([100.0, 400.0])
    truth[:, :, 3] = truth[:, :, 0] + torso[:, None] * [0, 1, 0]
    prediction = truth.copy()
    prediction[..., 2] += np.arange(len(JOINTS)) / 100 * torso[:, None]
    shares = [find_metric(f"pck{percent:02d}_pct")(body, *(x.reshape(1, 2, -1) for x in (prediction, truth)))
              for percent in (20, 10, 5)]  # fmt: skip
    np.testing.assert_allclose(shares, [[[80, 80]], [[40, 40]], [[20, 20]]])  # of 25: joints 0 to 19, 0 to 9, 0 to 4
    assert not METRICS["pck20_pct"].applies(Skeleton.from_table("stick", [Joint("a", None, "spine", (0, 0, 0))]))


def test_what_does_not_fit_is_named(windows):
    prediction, truth = windows
    with pytest.raises(UserError, match=r"\(4, 5, 99\).*\(4, 6, 99\)"):
        euler_error_rad(prediction[:, 1:], truth)
    with pytest.raises(UserError, match=r"3 \+ 3 J"):
        euler_error_rad(prediction[..., :98], truth[..., :98])
    with pytest.raises(UserError, match="cmu"):
        mpjpe_mm(CMU, prediction, truth)
    with pytest.raises(UserError, match="not on 'cmu'"):
        mpjpe_h36m22_mm(CMU, prediction, truth)
    assert not METRICS["mpjpe_h36m22_mm"].applies(CMU)
    assert METRICS["mpjpe_h36m22_mm"].applies(H36M)
    assert METRICS["mpjpe_mm"].applies(CMU)


def made(name: str = "still_mm", function=lambda _, prediction, truth: prediction[..., 0] * 0, **fields) -> Metric:
    return Metric(name, title="Still", unit="mm", digits=1, function=function, **fields)


@pytest.fixture
def known():
    """The registry is put back as it was."""
    own = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(own)


@pytest.mark.usefixtures("known")
def test_a_registered_metric_is_found_and_replaced_but_never_one_of_the_package():
    with pytest.raises(
        UserError,
        match=r"'still_mm' must be one of euler_error_rad, mpjpe_mm, mpjpe_h36m22_mm, pck20_pct, .*, jerk_mm$",
    ):
        find_metric("still_mm")
    first, second = made(note="first"), made(note="second")
    register_metric(first)
    assert find_metric("still_mm").heading == "Still (mm), first"
    register_metric(second)  # as where a cell of a notebook runs twice
    assert find_metric("still_mm") is second
    assert metric_names()[-1] == "still_mm"
    with pytest.raises(UserError, match="'mpjpe_mm': the name is taken"):
        register_metric(made("mpjpe_mm"))


def test_a_metric_that_cannot_be_is_refused(windows):
    with pytest.raises(UserError, match="'a,b': a name must be of letters"):
        made("a,b")
    with pytest.raises(UserError, match="digits=-1"):
        Metric("a", title="", unit="", digits=-1, function=mpjpe_mm)
    with pytest.raises(UserError, match=r"metric still_mm: returned shape \(4,\); it must be \(4, 6\), \[W, T\]"):
        made(function=lambda _, prediction, truth: prediction[:, 0, 0])(H36M, *windows)


@pytest.fixture
def installed(tmp_path, monkeypatch, known):
    """Installs packages that add metrics, as pip does: a module and what it adds to the group."""
    del known

    def install(package: str, module: str, entries: str) -> None:
        folder = tmp_path / f"{package}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        (folder / "entry_points.txt").write_text(f"[motion_jax.metrics]\n{entries}\n")
        (tmp_path / f"{package}.py").write_text(module)
        plugins._plugins.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    plugins._plugins.cache_clear()


MODULE = """from motion_jax.evaluation.metrics import Metric, mpjpe_mm
STILL = Metric("still_mm", title="Still", unit="mm", digits=1, function=mpjpe_mm)
"""


def test_an_installed_package_adds_a_metric_that_is_imported_when_it_is_asked_for(installed, windows):
    installed("still_a", MODULE, "still_mm = still_a:STILL\nother_mm = still_a:ABSENT")
    assert metric_names()[-2:] == ("other_mm", "still_mm")
    assert "still_a" not in sys.modules
    np.testing.assert_array_equal(find_metric("still_mm")(H36M, *windows), mpjpe_mm(H36M, *windows))


@pytest.mark.parametrize(
    ("package", "module", "entries", "message"),
    [
        ("still_b", "raise OSError('no file')", "still_mm = still_b:STILL", "= still_b:STILL: OSError: no file"),
        ("still_c", "STILL = 3", "still_mm = still_c:STILL", "= still_c:STILL: must name a Metric; it names 3"),
        ("still_d", MODULE, "still = still_d:STILL", "still: its metric must be called the same, not 'still_mm'"),
    ],
)
def test_a_package_s_metric_that_does_not_load_is_named(package, module, entries, message, installed):
    installed(package, module, entries)
    with pytest.raises(UserError, match=message):
        find_metric(entries.split()[0])


def test_a_name_that_two_packages_use_is_refused(installed):
    for package in ("still_e", "still_f"):
        installed(package, MODULE, f"still_mm = {package}:STILL")
    with pytest.raises(UserError, match="still_mm = still_e:STILL and still_f:STILL: two packages use one name"):
        find_metric("still_mm")


def read_windows(root: Path, action: str) -> tuple[np.ndarray, np.ndarray]:
    path = root / "cmu_mocap" / "test" / action / f"{action}_1.txt"
    frames = np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
    clip = Clip(frames, "", action, 1, "test", str(path))
    history, truth = gather([clip], srnn_windows("cmu", [clip], action, 50, 25, 2), 50, 25, 2)
    return np.repeat(history[:, -1:], 25, axis=1), truth


@pytest.mark.parametrize("action", ZERO_VELOCITY)
def test_zero_velocity_on_real_motion_scores_the_reference_values(action, shared_data):
    prediction, truth = read_windows(shared_data, action)
    euler, position = ZERO_VELOCITY[action]
    np.testing.assert_allclose(euler_error_rad(prediction, truth).mean(0)[FRAMES - 1], euler, atol=5.1e-4)
    np.testing.assert_allclose(mpjpe_mm(CMU, prediction, truth).mean(0)[FRAMES - 1], position, atol=0.051)
