"""Laws of the training losses, then scipy and the metrics as references, then gradients where they are delicate."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax import config
from motion_jax.errors import UserError
from motion_jax.evaluation.metrics import mpjpe_mm
from motion_jax.losses import LOSSES, make_loss, moving_joints, rotvecs
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import CMU, H36M

B, T, D, ACTIONS = 2, 3, 99, ("walking", "eating")
DROPPED = (2, 9, 10, 11, 13)  # a column of the translation, the third joint, one column of the fourth
KEPT = tuple(column for column in range(D) if column not in DROPPED)
RNG = np.random.default_rng(0)
SPACE = PoseSpace(
    RNG.normal(size=D, scale=0.3), np.where(np.isin(np.arange(D), KEPT), RNG.uniform(0.4, 2, D), 1), KEPT, ACTIONS,
    H36M, 25.0,
)  # fmt: skip
HEADING = dataclasses.replace(SPACE, skeleton=dataclasses.replace(H36M, root="heading"))
# A third of the compile time; the other tests compile as users do.
QUICK: dict = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later compilers know no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False
POSES = ("geodesic", "euler", "position")
losses = pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"joints", "joints_velocity"}))
poses = pytest.mark.parametrize("name", POSES)


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@functools.cache
def compiled(name: str):
    """(prediction, truth) -> loss, its gradient."""
    space = HEADING if name == "path" else SPACE
    return jax.jit(jax.value_and_grad(make_loss(name, space)), compiler_options=QUICK)


def encode(raw: np.ndarray) -> np.ndarray:
    """Raw frames [B, T, D] to network frames in float64, of no action."""
    scaled = (raw - SPACE.mean) / SPACE.std
    return np.concatenate([scaled[..., KEPT], np.zeros((*raw.shape[:-1], len(ACTIONS)))], axis=-1)


def frames(seed: int) -> np.ndarray:
    """Raw frames whose dropped columns are at their mean, as they come back."""
    raw = np.random.default_rng(seed).uniform(-1.4, 1.4, (B, T, D))
    raw[..., DROPPED] = SPACE.mean[list(DROPPED)]
    return raw


def joints(raw: np.ndarray) -> np.ndarray:
    return raw[..., 3:].reshape(B, T, -1, 3)


def with_joints(raw: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The frames with the exponential maps of the joints that are wholly kept replaced."""
    whole = [j for j in range(32) if not {3 + 3 * j, 4 + 3 * j, 5 + 3 * j} & set(DROPPED)]
    mixed = joints(raw).copy()
    mixed[..., whole, :] = new[..., whole, :]
    return np.concatenate([raw[..., :3], mixed.reshape(B, T, -1)], axis=-1)


PREDICTION, TRUTH = frames(1), frames(2)


def value(name: str, prediction: np.ndarray, truth: np.ndarray) -> float:
    return float(compiled(name)(encode(prediction), encode(truth))[0])


def test_every_name_of_the_config_is_a_loss():
    assert set(LOSSES) == set(config.LOSSES["forecasting"])


@losses
def test_zero_at_equality_and_only_there(name):
    assert value(name, TRUTH, TRUTH) < (1e-6 if name in POSES else 1e-30)
    assert value(name, PREDICTION, TRUTH) > 0.1


@losses
def test_symmetry(name):
    np.testing.assert_allclose(value(name, PREDICTION, TRUTH), value(name, TRUTH, PREDICTION), rtol=1e-10)


@losses
def test_sequences_count_alike(name):
    swapped = value(name, PREDICTION[::-1], TRUTH[::-1])
    np.testing.assert_allclose(swapped, value(name, PREDICTION, TRUTH), rtol=1e-12)


@poses
def test_a_whole_turn_more_is_no_error(name):
    r = joints(PREDICTION)
    turned = with_joints(PREDICTION, r * (1 + 2 * np.pi / np.linalg.norm(r, axis=-1, keepdims=True)))
    assert np.abs(turned - PREDICTION).max() > 2
    np.testing.assert_allclose(value(name, turned, TRUTH), value(name, PREDICTION, TRUTH), rtol=1e-9)


@poses
def test_what_is_no_rotation_does_not_matter(name):
    moved = PREDICTION.copy()
    moved[..., :2] += 5
    gradient = compiled(name)(encode(PREDICTION), encode(TRUTH))[1]
    assert value(name, moved, TRUTH) == value(name, PREDICTION, TRUTH)
    np.testing.assert_array_equal(gradient[..., :2], 0)
    np.testing.assert_array_equal(gradient[..., len(KEPT) :], 0)
    assert np.abs(gradient).max() > 0


def test_geodesic_is_the_angle_between_and_does_not_know_where_one_looks_from():
    known = moving_joints(SPACE)
    assert set(range(32)) - set(known) == {2}
    predicted, true = (Rotation.from_rotvec(joints(x)[..., known, :].reshape(-1, 3)) for x in (PREDICTION, TRUTH))
    expected = (predicted.inv() * true).magnitude().reshape(B, T, -1).sum(-1).mean()
    np.testing.assert_allclose(value("geodesic", PREDICTION, TRUTH), expected, rtol=1e-9)
    # The fourth joint lacks a column, so it cannot be turned at will: it is the same on both sides here.
    still = with_joints(TRUTH, joints(PREDICTION))
    turn = Rotation.from_rotvec([0.4, -0.9, 0.2])
    for side in (lambda r: turn * r, lambda r: r * turn):
        turned = [with_joints(x, side(Rotation.from_rotvec(joints(x).reshape(-1, 3))).as_rotvec().reshape(B, T, -1, 3))
                  for x in (still, TRUTH)]  # fmt: skip
        np.testing.assert_allclose(value("geodesic", *turned), value("geodesic", still, TRUTH), rtol=1e-9)


def test_euler_wraps():
    known = moving_joints(SPACE)
    angles = [
        Rotation.from_rotvec(joints(x)[..., known, :].reshape(-1, 3)).as_euler("XYZ") for x in (PREDICTION, TRUTH)
    ]
    difference = (angles[0] - angles[1] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(value("euler", PREDICTION, TRUTH), np.abs(difference).mean(), rtol=1e-8)
    right, left = joints(TRUTH).copy(), joints(TRUTH).copy()
    right[..., 5, :], left[..., 5, :] = (np.pi - 0.01, 0, 0), (-np.pi + 0.01, 0, 0)
    near = value("euler", with_joints(TRUTH, right), with_joints(TRUTH, left))
    np.testing.assert_allclose(near, 0.02 / (3 * len(known)), rtol=1e-4)


def test_position_is_the_metric():
    raw = [np.asarray(SPACE.decode(jnp.asarray(encode(x)))) for x in (PREDICTION, TRUTH)]
    np.testing.assert_allclose(value("position", PREDICTION, TRUTH), mpjpe_mm(H36M, *raw).mean(), rtol=1e-9)
    turned = PREDICTION.copy()
    turned[..., 3:6] += 0.5
    assert value("position", turned, TRUTH) == value("position", PREDICTION, TRUTH)


def test_the_losses_of_columns_are_their_formulas():
    p, t = encode(PREDICTION), encode(TRUTH)
    np.testing.assert_allclose(value("mse", PREDICTION, TRUTH), ((p - t) ** 2).mean(), rtol=1e-12)
    np.testing.assert_allclose(value("l1", PREDICTION, TRUTH), np.abs(p - t).mean(), rtol=1e-12)
    rates = np.diff(p, axis=1) - np.diff(t, axis=1)
    expected = ((p - t) ** 2).mean() + (rates**2).mean()
    np.testing.assert_allclose(value("velocity", PREDICTION, TRUTH), expected, rtol=1e-12)


def test_angles_are_in_rad_and_metres():
    """Human3.6M's translation is in mm; `last` is known, so that the first difference is wrong as the frame is."""
    units = np.where(np.array(KEPT) < 3, 1e-3, 1)
    error = (PREDICTION - TRUTH)[..., KEPT] * units
    np.testing.assert_allclose(value("angles", PREDICTION, TRUTH), np.abs(error).mean(), rtol=1e-9)
    within = np.abs(error).mean() + np.abs(np.diff(error, axis=1)).mean()
    np.testing.assert_allclose(value("angles_velocity", PREDICTION, TRUTH), within, rtol=1e-9)
    from_last = np.abs(error).mean() + np.abs(np.diff(error, axis=1, prepend=0)).mean()
    loss = make_loss("angles_velocity", SPACE)(encode(PREDICTION), encode(TRUTH), TRUTH[:, 0])
    np.testing.assert_allclose(loss, from_last, rtol=1e-9)


def positions_space() -> PoseSpace:
    """Of Human3.6M's joints 2 and 3, with another mean and one scale."""
    return PoseSpace(RNG.normal(size=96), np.full(96, 7.0), tuple(range(6, 12)), ACTIONS, H36M.of_positions, 25.0,
                     "positions")  # fmt: skip


def test_joints_are_distances_in_metres():
    space, (p, t) = positions_space(), np.random.default_rng(4).normal(size=(2, B, T, 8))
    error = 7e-3 * (p - t)[..., :6].reshape(B, T, 2, 3)
    expected = np.linalg.norm(error, axis=-1).mean()
    np.testing.assert_allclose(make_loss("joints", space)(p, t), expected, rtol=1e-12)
    expected += np.linalg.norm(np.diff(error, axis=1, prepend=0), axis=-1).mean()
    np.testing.assert_allclose(make_loss("joints_velocity", space)(p, t, t[:, 0]), expected, rtol=1e-12)
    decoded = [np.asarray(space.decode(jnp.asarray(x))) for x in (p, t)]
    np.testing.assert_allclose(
        make_loss("position", space)(p, t), mpjpe_mm(space.skeleton, *decoded).mean(), rtol=1e-12
    )
    gradient = jax.grad(make_loss("joints_velocity", space))(p, p, p[:, 0])
    np.testing.assert_array_equal(gradient, 0)


def test_velocity_needs_two_frames():
    with pytest.raises(UserError, match=r"train\.loss='velocity' needs data\.target_length of at least 2"):
        make_loss("velocity", SPACE)(encode(PREDICTION)[:, :1], encode(TRUTH)[:, :1])


@losses
def test_gradients_are_the_numerical_ones(name):
    at, truth = encode(PREDICTION) + 0.01, encode(TRUTH)  # of the action too, where l1 has its kink
    way = np.random.default_rng(3).normal(size=at.shape)
    up, down = (float(compiled(name)(at + step * way, truth)[0]) for step in (1e-6, -1e-6))
    np.testing.assert_allclose(np.sum(compiled(name)(at, truth)[1] * way), (up - down) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@poses
def test_gradients_are_finite_where_there_are_none(name, dtype):
    """Zero rotations, half turns, poles of the Euler angles, each against the same and against another."""
    singular = np.zeros((B, T, 32, 3))
    singular[:, 1] = np.pi * np.eye(3)[np.arange(32) % 3]
    singular[:, 2] = np.pi / 2 * np.eye(3)[np.arange(32) % 3]
    first = with_joints(TRUTH, singular)
    for other in (first, TRUTH, with_joints(TRUTH, singular[:, ::-1]), with_joints(TRUTH, -singular)):
        for pair in ((first, other), (other, first)):
            loss, gradient = compiled(name)(*(encode(x).astype(dtype) for x in pair))
            assert np.isfinite(loss)
            assert np.isfinite(gradient).all()


def test_rotvecs_are_those_of_the_files():
    decoded = rotvecs(SPACE, jnp.asarray(encode(TRUTH)))
    np.testing.assert_allclose(decoded, joints(TRUTH)[..., moving_joints(SPACE), :], rtol=1e-12, atol=1e-12)


def broken(**fields) -> PoseSpace:
    return dataclasses.replace(SPACE, **fields)


NARROW = {"mean": SPACE.mean[:98], "std": SPACE.std[:98], "kept": tuple(range(98))}


@pytest.mark.parametrize(
    ("name", "space", "said"),
    [("geodesic", broken(**NARROW), r"train\.loss='geodesic' needs .* 3 \+ 3 J columns.* these have 98"),
     ("euler", broken(kept=(0, 1)), r"train\.loss='euler' needs .* of which 2 are kept"),
     ("position", broken(skeleton=CMU), r"train\.loss='position' needs .*'cmu' has 117 columns, these have 99"),
     ("joints", SPACE, r"train\.loss='joints' needs data\.representation='positions', not 'expmap'"),
     ("euler", positions_space(), r"train\.loss='euler' measures angles, and .*='positions' has none")],
)  # fmt: skip
def test_frames_that_a_loss_does_not_fit_are_refused(name, space, said):
    with pytest.raises(UserError, match=said):
        make_loss(name, space)
