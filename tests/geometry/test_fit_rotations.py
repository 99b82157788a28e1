"""Rotations fitted to positions put the joints there, by small turns, and keep what positions do not show."""

from __future__ import annotations

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.geometry.fit_rotations import fit_rotations
from motion_jax.geometry.kinematics import forward_kinematics
from motion_jax.skeletons.bodies import CMU, H36M
from motion_jax.skeletons.skeleton import Skeleton

BODIES = pytest.mark.parametrize("body", [CMU, H36M], ids=["cmu", "h36m"])


def motion(body: Skeleton, step: float, seed: int = 0) -> np.ndarray:
    """`[6, J, 3]` rad, the root unturned."""
    rng = np.random.default_rng(seed)
    rotvecs = 0.5 * rng.normal(size=(1, len(body.joints), 3)) + step * rng.normal(size=(6, len(body.joints), 3))
    rotvecs[:, 0] = 0
    return rotvecs


@BODIES
@pytest.mark.parametrize("step", [0.05, 1.0])
def test_the_places_of_reachable_poses_are_met(body, step):
    rotvecs = motion(body, step)
    places = np.asarray(forward_kinematics(body, rotvecs))
    fitted = fit_rotations(body, places[1:], rotvecs[0])
    np.testing.assert_allclose(forward_kinematics(body, fitted), places[1:], atol=0.02)
    np.testing.assert_array_equal(fitted[:, 0], 0)


@BODIES
def test_places_that_do_not_move_keep_the_pose(body):
    rotvecs = motion(body, 0.0)
    places = np.asarray(forward_kinematics(body, rotvecs))
    angles = np.linalg.norm(rotvecs[1:], axis=-1)
    assert angles.max() < np.pi
    np.testing.assert_allclose(fit_rotations(body, places[1:], rotvecs[0]), rotvecs[1:], atol=1e-4)


def test_places_that_cannot_be_reached_turn_bones_towards_them():
    """A body twice as large has the same rotations; joints that fall together leave theirs."""
    rotvecs = motion(CMU, 0.05)
    places = np.asarray(forward_kinematics(CMU, rotvecs))
    once, twice = (fit_rotations(CMU, scale * places[1:], rotvecs[0]) for scale in (1, 2))
    np.testing.assert_allclose(forward_kinematics(CMU, once), forward_kinematics(CMU, twice), atol=0.1)
    np.testing.assert_allclose(fit_rotations(CMU, 0 * places[1:], rotvecs[0]), np.repeat(rotvecs[:1], 5, 0), atol=1e-4)


def test_a_bone_turned_round_is_met():
    places = np.zeros((1, len(CMU.joints), 3)) + np.asarray(forward_kinematics(CMU, np.zeros((len(CMU.joints), 3))))
    knee, foot = CMU.index("LeftLeg"), CMU.index("LeftFoot")
    places[:, foot] = 2 * places[:, knee] - places[:, foot]
    fitted = fit_rotations(CMU, places, np.zeros((len(CMU.joints), 3)))
    np.testing.assert_allclose(forward_kinematics(CMU, fitted)[:, foot], places[:, foot], atol=0.01)


def test_other_shapes_are_refused():
    with pytest.raises(UserError, match=r"skeleton cmu needs \[T, 38, 3\] and \[38, 3\]"):
        fit_rotations(CMU, np.zeros((2, 32, 3)), np.zeros((38, 3)))
