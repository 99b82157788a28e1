"""Rotations in double precision, against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from motion_jax.data.motion.rotations_np import (
    euler_from_quaternion,
    matrix_from_quaternion,
    matrix_from_rotvec,
    quaternion_from_euler,
    quaternion_from_rotvec,
    rotvec_from_quaternion,
    slerp,
)

ORDERS = ["".join(order) for order in itertools.permutations("XYZ")]
DRAW = np.random.default_rng(1)
SMALL = np.array([[0, 0, 0], [1e-9, 0, -2e-9], [3e-3, -1e-3, 2e-3], [4e-3, 0, 0], [0, -np.pi, 0], [0, 3.1415926, 0]])
ROTVECS = np.concatenate([SMALL, DRAW.uniform(-1.8, 1.8, (50, 3))])
POLES = np.deg2rad([[30, 90, 40], [10, -90, -170], [0, 90, 0], [20, 90 - 1e-7, 5], [-3, 89.999999, 179], [180, 0, 180]])


def test_matrices_are_scipys():
    expected = Rotation.from_rotvec(ROTVECS).as_matrix()
    np.testing.assert_allclose(matrix_from_rotvec(ROTVECS), expected, rtol=0, atol=1e-15)


def test_rotation_vectors_come_back():
    back = rotvec_from_quaternion(quaternion_from_rotvec(ROTVECS))
    np.testing.assert_allclose(back, ROTVECS, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("order", ["", "X", "ZY", *ORDERS])
def test_axes_turn_with_the_body(order):
    angles = DRAW.uniform(-7, 7, (20, len(order)))
    expected = np.broadcast_to(np.eye(3), (20, 3, 3))
    if order:
        expected = Rotation.from_euler(order, angles).as_matrix()
    found = matrix_from_quaternion(quaternion_from_euler(angles, order))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-15)


@pytest.mark.parametrize("order", ORDERS)
def test_angles_give_the_rotation_back_at_the_poles_too(order):
    angles = np.concatenate([POLES, DRAW.uniform(-np.pi, np.pi, (50, 3))])
    turn = quaternion_from_euler(angles, order)
    found = euler_from_quaternion(turn, order)
    expected = Rotation.from_euler(order, angles)
    assert (Rotation.from_euler(order, found) * expected.inv()).magnitude().max() < 4e-15
    assert np.abs(found[:, 1]).max() < np.pi / 2 + 1e-14
    np.testing.assert_array_equal(found[:3, 2], 0)


def test_slerp_is_scipys_and_takes_the_shorter_way():
    a, b = Rotation.from_rotvec([[0.1, 0, 2.0], [0, 0, -3.0]]), Rotation.from_rotvec([[1.0, 0.2, -1.0], [0, 0, 3.0]])
    quaternions = [quaternion_from_rotvec(turn.as_rotvec()) for turn in (a, b)]
    found = Rotation.from_matrix(matrix_from_quaternion(slerp(*quaternions, np.array([0.3, 0.3]))))
    expected = Rotation.concatenate([Slerp([0, 1], Rotation.concatenate([a[i], b[i]]))([0.3]) for i in (0, 1)])
    assert (found * expected.inv()).magnitude().max() < 1e-14
