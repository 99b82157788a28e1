"""The grid of joints: columns go there and back, dropped coordinates are zero, links follow the skeleton."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from motion_jax.models.joint_grid import joint_grid
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M


def space(columns: int, kept: tuple[int, ...]) -> PoseSpace:
    return PoseSpace(np.zeros(columns), np.ones(columns), kept, (), H36M, 25.0)


ANGLES = space(99, (1, 3, 4, 5, 7, 51, 52, 53))  # translation y, root, RightUpLeg y, Neck
POSITIONS = space(96, tuple(range(36, 45)) + tuple(range(51, 54)))  # Spine ... Neck, LeftShoulder


@pytest.mark.parametrize(("space", "shape"), [(ANGLES, (4, 3)), (POSITIONS, (4, 3))])
def test_there_and_back(space, shape):
    grid = joint_grid(space)
    x = np.random.default_rng(0).normal(size=(2, len(space.kept))).astype(np.float32)
    placed = np.asarray(grid.to_grid(x))
    assert placed.shape == (2, *shape)
    np.testing.assert_array_equal(grid.from_grid(placed), x)
    assert (placed[:, ~grid.mask] == 0).all()
    np.testing.assert_array_equal(placed[:, grid.mask], x[:, grid.columns[grid.mask]])
    gradient = jax.grad(lambda x: (grid.to_grid(x) * placed).sum())(x)
    np.testing.assert_array_equal(gradient, x)


def test_coordinates_are_those_of_the_frame():
    grid = joint_grid(ANGLES)
    np.testing.assert_array_equal(grid.joints, [-1, 0, 1, 16])
    np.testing.assert_array_equal(grid.mask, [[0, 1, 0], [1, 1, 1], [0, 1, 0], [1, 1, 1]])


def test_a_joint_hangs_on_its_closest_ancestor_that_moves():
    assert [H36M.joints[joint] for joint in joint_grid(ANGLES).joints[1:]] == ["Hips", "RightUpLeg", "LeftShoulder"]
    np.testing.assert_array_equal(joint_grid(ANGLES).parents, [-1, 0, 1, 1])
    np.testing.assert_array_equal(
        joint_grid(ANGLES).adjacency, [[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0], [0, 1, 0, 1]]
    )


def test_positions_have_no_translation():
    grid = joint_grid(POSITIONS)
    assert [H36M.joints[joint] for joint in grid.joints] == ["Spine1", "Neck", "Head", "LeftArm"]
