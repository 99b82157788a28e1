"""The metric's angles against a scalar transcription of the published formula."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest

from motion_jax.geometry import field_euler as field
from motion_jax.geometry import rotations

field_matrix, field_euler = jax.jit(field.field_matrix), jax.jit(field.field_euler)
field_euler_from_matrix = jax.jit(field.field_euler_from_matrix)
matrix_from_rotvec = jax.jit(rotations.matrix_from_rotvec)

RNG = np.random.default_rng(0)
AXES = np.concatenate([np.eye(3), -np.eye(3)])
ROTVECS = np.concatenate(
    [
        np.zeros((1, 3)),
        *(angle * AXES for angle in (1e-8, 1e-3, 1.0, math.pi / 2, math.pi, 4.0)),
        RNG.normal(size=(40, 3)),
    ]
)


def scalar_matrix(r) -> np.ndarray:
    theta = math.sqrt(sum(x * x for x in r))
    u = [x / (theta + 1.1920929e-07) for x in r]
    k = np.zeros((3, 3))
    k[0, 1], k[0, 2], k[1, 2] = -u[2], u[1], -u[0]
    k = k - k.T
    return np.eye(3) + math.sin(theta) * k + (1 - math.cos(theta)) * (k @ k)


def scalar_euler(r) -> list[float]:
    if r[0, 2] in (1, -1):
        d = math.atan2(r[0, 1], r[0, 2])
        return [d, math.pi / 2 if r[0, 2] == -1 else -math.pi / 2, 0.0]
    e2 = -math.asin(r[0, 2])
    c = math.cos(e2)
    return [math.atan2(r[1, 2] / c, r[2, 2] / c), e2, math.atan2(r[0, 1] / c, r[0, 0] / c)]


def test_matrices_equal_the_scalar_transcription():
    expected = np.stack([scalar_matrix(r) for r in ROTVECS])
    np.testing.assert_allclose(field_matrix(ROTVECS), expected, atol=1e-15)


def test_the_axis_is_short_by_the_published_epsilon():
    """The field's number differs from the true one by this much; a cleaner formula would fail here."""
    gap = np.abs(field_matrix(ROTVECS) - matrix_from_rotvec(ROTVECS)).max()
    assert 1e-8 < gap < 3e-7


def test_angles_equal_the_scalar_transcription():
    # A matrix near its pole turns its rounding of 1e-16 into 1e-16 / cos(E2); here cos(E2) > 3e-4 everywhere.
    expected = np.stack([scalar_euler(scalar_matrix(r)) for r in ROTVECS])
    np.testing.assert_allclose(field_euler(ROTVECS), expected, atol=1e-12)
    shaped = field_euler(ROTVECS[-40:].reshape(2, 5, 4, 3))
    np.testing.assert_allclose(shaped.reshape(-1, 3), expected[-40:], atol=1e-12)


def test_angles_of_a_random_matrix_are_the_negated_intrinsic_xyz_angles():
    matrix = matrix_from_rotvec(ROTVECS[-40:])
    np.testing.assert_allclose(field_euler_from_matrix(matrix), -rotations.euler_from_matrix(matrix, "XYZ"), atol=1e-12)


@pytest.mark.parametrize("sine", [1.0, -1.0])
@pytest.mark.parametrize("r01", [0.0, 0.25, -0.25])
def test_both_poles_exactly(sine, r01):
    """R01 is not 0 only by rounding; the published branch reads it all the same."""
    matrix = np.array([[0, r01, sine], [0.6, 0.8, 0], [-0.8, 0.6, 0]])
    np.testing.assert_allclose(field_euler_from_matrix(matrix), scalar_euler(matrix), rtol=1e-15)


@pytest.mark.parametrize(("turn", "e2"), [(2.5, -math.pi / 2), (-2.5, math.pi / 2)])
def test_a_rotation_vector_that_meets_the_pole_in_float32(turn, e2):
    """There the angle swallows the epsilon: R02 is exactly +-1, which float64 does not reach at any body's angle."""
    r = np.array([0, turn * math.pi, 0], np.float32)
    matrix = np.asarray(field_matrix(r))
    assert abs(matrix[0, 2]) == 1
    np.testing.assert_allclose(field_euler(r), [math.atan2(0, matrix[0, 2]), e2, 0], rtol=1e-7)


def test_one_rounding_beyond_the_pole_is_the_pole():
    matrix = np.array([[0, 0, 1 + 1e-7], [0, 1, 0], [-1, 0, 0]], np.float32)
    assert matrix[0, 2] > 1
    np.testing.assert_allclose(field_euler_from_matrix(matrix), [0, -math.pi / 2, 0], rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_precision_is_kept_and_gradients_are_finite(dtype):
    rotvecs = np.concatenate([ROTVECS, [[0, 2.5 * math.pi, 0], [0, -2.5 * math.pi, 0]]]).astype(dtype)
    for mode in (jax.jacfwd, jax.jacrev):
        assert np.all(np.isfinite(jax.jit(jax.vmap(mode(field_euler)))(rotvecs)))
    found = field_euler(rotvecs)
    assert found.dtype == dtype
    assert np.all(np.isfinite(found))
