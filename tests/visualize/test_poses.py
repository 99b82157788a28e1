"""A track is the motion as it was, seen from where the body stands and looks at one frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motion_jax.geometry.kinematics import frame_positions, integrate_root
from motion_jax.geometry.rotations import matrix_from_rotvec
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.poses import Track, head, make_track, resting

NOW = 2
LIFTED = dataclasses.replace(CMU, offsets=np.vstack([[50, 900, -30], CMU.offsets[1:]]))  # the root has an offset
BODIES = pytest.mark.parametrize("body", [H36M, CMU], ids=["h36m", "cmu"])


def motion(body: Skeleton, frames: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.4, (frames, body.columns)).astype(np.float32)


def world(track: Track) -> np.ndarray:
    return track.places @ track.turns + track.moves[:, None]


@pytest.mark.parametrize("body", [H36M, CMU, LIFTED], ids=["h36m", "cmu", "lifted"])
def test_nothing_but_the_viewpoint_differs_from_the_motion(body: Skeleton):
    frames = motion(body)
    expected = np.asarray(frame_positions(body, integrate_root(body, frames)), np.float64)
    found = world(make_track(body, frames, NOW, 1))
    moved = expected[NOW, 0] * [1, 0, 1]
    np.testing.assert_allclose(found[..., 1], expected[..., 1], atol=0.1)  # mm
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), np.linalg.norm(expected - moved, axis=-1), atol=0.1)
    clips = found.reshape(-1, 3), expected.reshape(-1, 3)
    one, other = (np.linalg.norm(points[1:] - points[:-1], axis=-1) for points in clips)
    np.testing.assert_allclose(one, other, atol=0.1)


@BODIES
def test_the_body_stands_in_the_middle_and_looks_ahead(body: Skeleton):
    track = make_track(body, motion(body), NOW, 1)
    np.testing.assert_allclose(track.moves[NOW, [0, 2]], 0, atol=1e-3)
    assert track.turns[NOW, 2, 0] == pytest.approx(0, abs=1e-6)
    assert track.turns[NOW, 2, 2] > 0
    np.testing.assert_allclose(np.linalg.det(track.turns), 1, atol=1e-5)  # turned, not mirrored


LYING = [np.roll(np.eye(3), 1, axis=0), np.roll(np.eye(3), 2, axis=0), np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])]


@BODIES
@pytest.mark.parametrize("turn", LYING, ids=["y is z", "y is x", "y is -z"])
def test_a_body_that_lies_at_rest_stands_as_it_was_recorded(body: Skeleton, turn: np.ndarray):
    """The same motion of a body whose rest pose, and with it every axis, is turned: of differences the world too."""
    lying = dataclasses.replace(body, offsets=body.offsets @ turn)
    frames = motion(body)
    turned = (frames.reshape(len(frames), -1, 3) @ turn).reshape(frames.shape)
    if body.root == "absolute":  # the world is upright, so that the root makes up for how the body lies
        turned[:, :3] = frames[:, :3] + (body.offsets[0] - lying.offsets[0]) / body.translation_mm
        root = matrix_from_rotvec(frames[:, 3:6])
        turned[:, 3:6] = Rotation.from_matrix(turn.T @ root).as_rotvec()
    expected, found = make_track(body, frames, NOW, 1), make_track(lying, turned, NOW, 1)
    np.testing.assert_allclose(found.places, expected.places, atol=0.1)  # mm
    np.testing.assert_allclose(found.turns, expected.turns, atol=1e-4)
    np.testing.assert_allclose(found.moves, expected.moves, atol=0.5)
    assert head(lying) == head(body)


def test_recorded_poses_tell_what_is_upright_not_the_one_at_rest():
    frames = np.zeros((2, CMU.columns), np.float32)
    for joint, parent in enumerate(CMU.parents):
        if parent == 0:  # all that hangs on the root lies on its side
            frames[:, 3 + 3 * joint + 2] = np.pi / 2
    middle = make_track(CMU, frames, 0, 1).places.mean(axis=0)
    over = middle[list(CMU.part_joints("spine"))].mean(axis=0) - middle[list(CMU.part_joints("left_leg"))].mean(axis=0)
    assert over[1] > 3 * np.abs(over[[0, 2]]).max()


@BODIES
def test_the_pose_has_no_root(body: Skeleton):
    frames = motion(body)
    track = make_track(body, frames, NOW, 1)
    frames[:, :6] += 1
    np.testing.assert_array_equal(make_track(body, frames, NOW, 1).places, track.places)
    np.testing.assert_array_equal(track.places[:, 0], 0)


def test_a_difference_counts_for_the_rows_between_kept_ones():
    frames = np.zeros((6, H36M.columns), np.float32)
    frames[:, 2] = 10  # mm a row, straight ahead
    np.testing.assert_allclose(np.diff(make_track(H36M, frames, NOW, 2).moves[:, 2]), 20)
    frames = np.zeros((6, CMU.columns), np.float32)
    frames[:, 2] = np.arange(6)
    np.testing.assert_allclose(np.diff(make_track(CMU, frames, NOW, 2).moves[:, 2]), CMU.translation_mm)


@BODIES
def test_at_rest_as_the_kinematics_say(body: Skeleton):
    places = np.asarray(frame_positions(body, np.zeros(body.columns, np.float32)))
    np.testing.assert_allclose(resting(body), places, atol=0.01)
    assert body.joints[head(body)].startswith("Head")
