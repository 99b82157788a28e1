"""Forward kinematics against a plain loop, and the root's two forms against each other."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import differentiate_root, forward_kinematics, frame_positions, integrate_root
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.skeletons.skeleton import Joint, Skeleton

skeletons = pytest.mark.parametrize("name", SKELETONS)


def random_rotvecs(skeleton: Skeleton, *leading: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(*leading, len(skeleton.joints), 3))


def looped_kinematics(skeleton: Skeleton, rotvecs: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """One pose, joint after joint, on row vectors."""
    turns, places = [], []
    for joint, parent in enumerate(skeleton.parents):
        local = Rotation.from_rotvec(rotvecs[joint]).as_matrix()
        if parent < 0:
            turns.append(local)
            places.append(skeleton.offsets[joint] + translation)
        else:
            turns.append(local @ turns[parent])
            places.append(skeleton.offsets[joint] @ turns[parent] + places[parent])
    return np.stack(places)


def random_walk(length: int = 60) -> np.ndarray:
    """Frames `[length, 99]` with an absolute root that turns and wanders."""
    rng = np.random.default_rng(5)
    frames = rng.normal(size=(length, 99))
    frames[:, :3] = np.cumsum(rng.normal(size=(length, 3), scale=20), axis=0)
    turns = [Rotation.identity()]
    for step in rng.normal(size=(length - 1, 3), scale=0.1):
        turns.append(turns[-1] * Rotation.from_rotvec(step))
    frames[:, 3:6] = Rotation.concatenate(turns).as_rotvec()
    return frames


@skeletons
def test_positions_equal_the_loop(name):
    skeleton = SKELETONS[name]
    rotvecs = random_rotvecs(skeleton, 2, 2)
    translation = np.random.default_rng(4).normal(size=(2, 2, 3), scale=1000)
    expected = [[looped_kinematics(skeleton, *pose) for pose in zip(*pair, strict=True)] for pair in
                zip(rotvecs, translation, strict=True)]  # fmt: skip
    np.testing.assert_allclose(forward_kinematics(skeleton, rotvecs, translation), expected, atol=1e-10)
    rooted = forward_kinematics(skeleton, rotvecs)
    np.testing.assert_allclose(rooted, np.array(expected) - translation[..., None, :], atol=1e-10)


def test_tables_that_do_not_list_depth_first_are_followed_too():
    rows = [("root", None), ("a", "root"), ("b", "root"), ("b1", "b"), ("a1", "a"), ("b2", "b1"), ("a2", "a1")]
    offsets = np.random.default_rng(6).normal(size=(len(rows), 3))
    table = [Joint(name, parent, "spine", tuple(offset)) for (name, parent), offset in zip(rows, offsets, strict=True)]
    skeleton = Skeleton.from_table("bush", table)
    rotvecs = random_rotvecs(skeleton)
    expected = looped_kinematics(skeleton, rotvecs, np.zeros(3))
    np.testing.assert_allclose(forward_kinematics(skeleton, rotvecs), expected, atol=1e-14)


@skeletons
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bones_keep_their_length(name, dtype):
    skeleton = SKELETONS[name]
    places = jax.jit(lambda r: forward_kinematics(skeleton, r))(random_rotvecs(skeleton, 10).astype(dtype))
    assert places.dtype == dtype
    parents, children = np.array(skeleton.bones).T
    lengths = np.linalg.norm(places[:, children] - places[:, parents], axis=-1)
    expected = np.broadcast_to(np.linalg.norm(skeleton.offsets[children], axis=-1), lengths.shape)
    # A body's reach is 2e3 mm: its rounding is what a difference of two places shows.
    np.testing.assert_allclose(lengths, expected, atol=2e4 * np.finfo(dtype).eps)


@skeletons
def test_turning_the_root_turns_the_body(name):
    """On row vectors: a turn of the root's frame is applied after its own rotation, from the right."""
    skeleton = SKELETONS[name]
    rotvecs = random_rotvecs(skeleton)
    turn = Rotation.from_rotvec([0.3, -2.0, 0.9])
    turned = rotvecs.copy()
    turned[0] = Rotation.from_matrix(Rotation.from_rotvec(rotvecs[0]).as_matrix() @ turn.as_matrix()).as_rotvec()
    places = forward_kinematics(skeleton, rotvecs)
    np.testing.assert_allclose(forward_kinematics(skeleton, turned), places @ turn.as_matrix(), atol=1e-9)


def test_gradients_equal_central_differences_and_are_finite_at_rest():
    skeleton = SKELETONS["h36m"]
    weights = np.random.default_rng(7).normal(size=(32, 3))
    value = jax.jit(lambda r: (forward_kinematics(skeleton, r) * weights).sum())
    gradient = jax.jit(jax.grad(value))
    rotvecs = random_rotvecs(skeleton)
    for joint, axis in [(0, 1), (1, 0), (12, 2), (17, 1), (26, 0), (31, 2)]:
        step = np.zeros((32, 3))
        step[joint, axis] = 1e-6
        slope = (value(rotvecs + step) - value(rotvecs - step)) / 2e-6
        np.testing.assert_allclose(gradient(rotvecs)[joint, axis], slope, rtol=1e-6, atol=1e-5)
    at_rest = gradient(np.zeros((32, 3)))
    assert np.all(np.isfinite(at_rest))
    assert np.any(at_rest != 0)


@skeletons
def test_frames_are_translation_then_joints(name):
    skeleton = SKELETONS[name]
    frames = np.random.default_rng(8).normal(size=(2, 3, skeleton.columns))
    rotvecs = frames[..., 3:].reshape(2, 3, -1, 3)
    moved = forward_kinematics(skeleton, rotvecs, frames[..., :3] * skeleton.translation_mm)
    np.testing.assert_array_equal(frame_positions(skeleton, frames), moved)
    # The first joint is the root: it lies at the translation, wherever the joints point.
    np.testing.assert_allclose(moved[..., 0, :], frames[..., :3] * {"h36m": 1, "cmu": 70}[name])


def test_integration_follows_the_recipe():
    """R' = R(d) R and T' = T + R^T d, row after row, in numpy."""
    frames = np.random.default_rng(9).normal(size=(30, 99), scale=0.3)
    integrated = integrate_root(SKELETONS["h36m"], frames)
    turn, place = np.eye(3), np.zeros(3)
    for row, found in zip(frames, np.array(integrated), strict=True):
        place = place + turn.T @ row[:3]
        turn = Rotation.from_rotvec(row[3:6]).as_matrix() @ turn
        np.testing.assert_allclose(found[:3], place, atol=1e-12)
        np.testing.assert_allclose(Rotation.from_rotvec(found[3:6]).as_matrix(), turn, atol=1e-12)
        np.testing.assert_array_equal(found[6:], row[6:])


def test_differences_and_walks_are_inverse():
    skeleton, walk = SKELETONS["h36m"], random_walk()
    differences = differentiate_root(skeleton, walk)
    assert np.abs(differences[1:, 3:6]).max() < 1  # steps of about 0.1 rad, not absolute turns
    again = integrate_root(skeleton, differences)
    np.testing.assert_allclose(again, walk, atol=1e-10)
    np.testing.assert_allclose(differentiate_root(skeleton, again), differences, atol=1e-10)


def test_float32_walks_do_not_drift():
    walk = random_walk(300)
    skeleton = SKELETONS["h36m"]
    again = integrate_root(skeleton, differentiate_root(skeleton, walk.astype(np.float32)))
    assert again.dtype == np.float32
    # Each of 300 steps may round a place of up to 1e3 mm by 6e-8 of it, and a turn by 2e-7 rad.
    np.testing.assert_allclose(frame_positions(skeleton, again), frame_positions(skeleton, walk), atol=1.0)


def test_an_absolute_root_stays():
    frames = np.random.default_rng(10).normal(size=(5, 117))
    np.testing.assert_array_equal(integrate_root(SKELETONS["cmu"], frames), frames)
    np.testing.assert_array_equal(differentiate_root(SKELETONS["cmu"], frames), frames)


def test_wrong_shapes_are_named():
    h36m = SKELETONS["h36m"]
    with pytest.raises(UserError, match=r"frames \(7, 117\): skeleton h36m needs \[\.\.\., 99\]"):
        frame_positions(h36m, np.zeros((7, 117)))
    with pytest.raises(UserError, match=r"frames \(2, 7, 99\): skeleton h36m needs \[T, 99\]"):
        integrate_root(h36m, np.zeros((2, 7, 99)))
    with pytest.raises(UserError, match=r"rotvecs \(38, 3\): skeleton h36m needs \[\.\.\., 32, 3\]"):
        forward_kinematics(h36m, np.zeros((38, 3)))


def test_people_in_the_recordings_stand_on_their_feet(shared_data: Path):
    """Row 0 of every CMU file is a T-pose: feet on the floor, arms out, and ears (Head.End) where people have them."""
    skeleton = SKELETONS["cmu"]
    file = shared_data / "cmu_mocap" / "train" / "walking" / "walking_1.txt"
    frames = np.loadtxt(file, delimiter=",", max_rows=200)
    places = np.asarray(frame_positions(skeleton, frames)) * skeleton.true_scale
    x, y, _ = (dict(zip(skeleton.joints, places[0, :, axis], strict=True)) for axis in range(3))
    assert abs(y["LeftToeBase.End"]) < 100
    assert abs(y["RightToeBase.End"]) < 100
    assert 1350 < y["Head.End"] < 1800
    assert 1200 < x["LeftHandIndex1.End"] - x["RightHandIndex1.End"] < 2000
    # While walking, no joint goes through the floor, and the head stays above the hips.
    assert places[..., 1].min() > -100
    assert np.all(places[:, skeleton.index("Head"), 1] > places[:, skeleton.index("Hips"), 1] + 300)
    # The lower foot of a walker rests: from one 120 Hz frame to the next it moves far less than the body.
    feet = places[1:, [skeleton.index("LeftToeBase"), skeleton.index("RightToeBase")]]
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1).min(axis=-1)
    hips = np.linalg.norm(np.diff(places[1:, 0], axis=0), axis=-1)
    assert np.median(speed) < 0.5 * np.median(hips)
