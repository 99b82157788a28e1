"""Laws of the representations: each is undone, goes on over time, and has gradients everywhere."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax import representations
from motion_jax.config import REPRESENTATIONS as NAMES
from motion_jax.config import DataConfig
from motion_jax.data.normalize import pose_space
from motion_jax.pose_space import PoseSpace
from motion_jax.representations import REPRESENTATIONS
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Batch, Clip, Dataset

features_of = jax.jit(representations.features_of, static_argnums=(0, 3))
frames_of = jax.jit(representations.frames_of, static_argnums=0)
B, S, T, J = 2, 5, 4, 32
RNG = np.random.default_rng(0)
ROTATIONS = pytest.mark.parametrize("name", sorted(REPRESENTATIONS))
OTHERS = sorted(REPRESENTATIONS.keys() - {"expmap"})


def matrices(frames: np.ndarray | jax.Array) -> np.ndarray:
    return Rotation.from_rotvec(np.asarray(frames, np.float64)[..., 3:].reshape(-1, 3)).as_matrix()


def poses(*shape: int) -> np.ndarray:
    """Of every angle: near none, near a half turn, and beyond it."""
    axes = RNG.normal(size=(*shape, J, 3))
    angles = RNG.choice([0, 1e-4, 1, np.pi - 1e-3, np.pi, 4], size=(*shape, J, 1))
    rotvecs = angles * axes / np.linalg.norm(axes, axis=-1, keepdims=True)
    return np.concatenate([RNG.normal(size=(*shape, 3)), rotvecs.reshape(*shape, -1)], axis=-1).astype(np.float32)


@ROTATIONS
def test_round_trip(name):
    frames, last = poses(B, T), poses(B)
    features = features_of(name, jnp.asarray(frames), jnp.asarray(last), 0)
    assert features.shape == (B, T, 3 + REPRESENTATIONS[name].size * J)
    back = np.asarray(frames_of(name, features, jnp.asarray(last)))
    np.testing.assert_allclose(matrices(back), matrices(frames), atol=5e-6)
    np.testing.assert_allclose(back[..., :3], frames[..., :3], atol=1e-6)


def test_relative_is_zero_where_nothing_moves_and_zero_holds():
    last = poses(B)
    held = np.broadcast_to(last[:, None], (B, S, 99))
    np.testing.assert_allclose(features_of("relative", jnp.asarray(held), jnp.asarray(last)), 0, atol=1e-6)
    back = frames_of("relative", jnp.zeros((B, T, 99)), jnp.asarray(last))
    np.testing.assert_allclose(
        matrices(back).reshape(B, T, J, 3, 3)[:, 0], matrices(last).reshape(B, J, 3, 3), atol=2e-6
    )


def test_relative_is_the_logarithm():
    frames, last = (RNG.normal(size=shape, scale=0.4).astype(np.float32) for shape in ((B, T, 99), (B, 99)))
    features = np.asarray(features_of("relative", jnp.asarray(frames), jnp.asarray(last), 0))
    before = np.repeat(matrices(last).reshape(B, 1, J, 3, 3), T, axis=1).reshape(-1, 3, 3)
    expected = Rotation.from_matrix(np.swapaxes(before, 1, 2) @ matrices(frames)).as_rotvec()
    np.testing.assert_allclose(features[..., 3:].reshape(-1, 3), expected, atol=1e-5)
    np.testing.assert_allclose(features[..., :3], frames[..., :3] - last[:, None, :3], atol=1e-6)


@pytest.mark.parametrize("name", ["relative", "quaternion"])
def test_features_go_on_through_a_half_turn(name):
    """A joint that turns by 4 rad over a window, of which half was observed: no step is longer than its share."""
    angle = np.linspace(-2, 2, S + T)
    frames = np.zeros((1, S + T, 99), np.float32)
    frames[0, :, 6:9] = np.mod(angle + 2.5, 2 * np.pi)[:, None] * np.array([0.6, 0, 0.8])
    seen, after, last = (jnp.asarray(part) for part in (frames[:, :S], frames[:, S:], frames[:, S - 1]))
    whole = np.concatenate([features_of(name, seen, last, -1), features_of(name, after, last, 0)], axis=1)
    assert np.abs(np.diff(whole, axis=1)).max() < 1.05 * 4 / (S + T - 1)
    assert np.abs(np.ptp(whole, axis=1)).max() > 0.9


def test_of_6d_any_numbers_are_a_rotation():
    features = jnp.asarray(RNG.normal(size=(B, T, 3 + 6 * J)), jnp.float32)
    rotations = matrices(frames_of("rotation_6d", features, None))
    rows = np.asarray(features[..., 3:]).reshape(-1, 6)
    np.testing.assert_allclose(rotations[:, 0], rows[:, :3] / np.linalg.norm(rows[:, :3], axis=1)[:, None], atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_gradients_are_finite(name):
    """Also where all numbers are zero, which no rotation is of quaternions and 6-D."""
    frames, last = jnp.asarray(poses(B, T)), jnp.asarray(poses(B))
    there = jax.jit(jax.grad(lambda x: jnp.sum(features_of(name, x, last, 0) ** 2)))(frames)
    features = features_of(name, frames, last, 0)
    back = jax.jit(jax.grad(lambda x: jnp.sum(frames_of(name, x, last) ** 2)))
    for gradient in (there, back(features), back(0 * features)):
        assert np.isfinite(gradient).all()


@functools.cache
def dataset() -> Dataset:
    """Two slow random walks of Human3.6M's body, whose joint 2 stands still."""
    clips = []
    for number, length in enumerate((70, 41)):
        frames = 0.3 * RNG.normal(size=(1, 99)) + 0.05 * RNG.normal(size=(length, 99)).cumsum(axis=0)
        frames[:, 9:12] = (0.3, -0.2, 0.1)
        clips.append(Clip(frames.astype(np.float32), "S1", "walking", number, "train", f"{number}.txt"))
    return Dataset("synthetic", tuple(clips), ("walking", "eating"), H36M, 50.0, "key")


@functools.cache
def space(name: str) -> PoseSpace:
    config = DataConfig(representation=name, source_length=S, target_length=T)
    return pose_space(dataset(), dataset().clips, config)


def windows(name: str) -> tuple[np.ndarray, Batch]:
    rows = np.stack([clip.frames[: 2 * (S + T) : 2] for clip in dataset().clips])
    return rows, space(name).encode_window(rows[:, :S], rows[:, S:], np.eye(2, dtype=np.float32))


@ROTATIONS
def test_spaces_decode_what_they_encode(name):
    rows, seen = windows(name)
    assert seen.history.shape == (2, S, space(name).width)
    np.testing.assert_array_equal(seen.future[:, :, -2:], np.repeat(np.eye(2)[:, None], T, axis=1))
    for part, raw in ((seen.history, rows[:, :S]), (seen.future, rows[:, S:])):
        decoded = space(name).decode(part, seen.last)
        np.testing.assert_allclose(matrices(decoded), matrices(raw), atol=1e-5)
        np.testing.assert_allclose(decoded[..., :3], raw[..., :3], atol=1e-5)


@ROTATIONS
def test_each_feature_knows_its_joint(name):
    known, size = space(name), REPRESENTATIONS[name].size
    assert set(known.triples) == {0, 1, 2, *range(4, 33)}  # without the third joint, which stands still
    assert len(known.kept) == 3 + size * 31
    np.testing.assert_array_equal(known.axes[: 3 + size], [0, 1, 2, *range(size)])


@ROTATIONS
def test_the_text_is_exact(name):
    back = PoseSpace.from_json(space(name).to_json(), "here")
    rows, seen = windows(name)
    again = back.encode_window(rows[:, :S], rows[:, S:], np.eye(2, dtype=np.float32))
    np.testing.assert_array_equal(again.future, seen.future)
    np.testing.assert_array_equal(back.decode(seen.future, seen.last), space(name).decode(seen.future, seen.last))


def test_relative_features_have_the_scale_of_windows_and_no_mean():
    _, seen = windows("relative")
    assert (space("relative").mean == 0).all()
    np.testing.assert_allclose(seen.history[:, -1, :-2], 0, atol=1e-4)
    assert 0.3 < np.sqrt((np.concatenate([seen.history, seen.future], 1)[..., :-2] ** 2).mean()) < 3


def test_the_names_of_the_config():
    assert set(NAMES) == {*REPRESENTATIONS, "positions"}
