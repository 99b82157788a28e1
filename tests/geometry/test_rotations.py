"""Laws of the rotation group, then scipy as an independent reference, then gradients where they are delicate."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from motion_jax.errors import UserError
from motion_jax.geometry import rotations as rot

PI = np.pi
ANGLES = [0.0, 1e-20, 1e-15, 1e-8, 1e-4, 0.0025, 0.07, 0.5, 2.0, PI - 1e-6, PI, PI + 1e-3, 5.0, 2 * PI, 7.0]
AXES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0.6, -0.8, 0], [1, 2, -2], [-0.3, 1e-3, 0.9]])
AXES = AXES / np.linalg.norm(AXES, axis=-1, keepdims=True)
ROTVECS = (np.array(ANGLES)[:, None, None] * AXES).reshape(-1, 3)
RANDOM = np.random.default_rng(0).normal(size=(60, 3), scale=2)
POINTS = np.concatenate([ROTVECS, RANDOM])  # one shape for most tests: each new shape compiles anew
LENGTHS = np.linalg.norm(POINTS, axis=-1)
# A few roundings of numbers up to 7, at float64's 2.2e-16 and float32's 1.2e-7.
TOLERANCE = {np.float64: 4e-15, np.float32: 2e-6}
LETTERS = [a + b + c for a, b, c in itertools.product("xyz", repeat=3) if a != b != c]
ORDERS = LETTERS + [order.upper() for order in LETTERS]

dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])
vectors = st.lists(st.floats(-10, 10), min_size=3, max_size=3).map(np.array)


def angle_between(a, b) -> np.ndarray:
    """In float64 by scipy, rad."""
    return (
        Rotation.from_matrix(np.array(a, np.float64)).inv() * Rotation.from_matrix(np.array(b, np.float64))
    ).magnitude()


# --- laws


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, vectors)
def test_matrices_form_the_rotation_group(a, b, c):
    a, b, c = (rot.matrix_from_rotvec(v) for v in (a, b, c))
    ab = rot.matrix_multiply(a, b)
    np.testing.assert_allclose(
        rot.matrix_multiply(ab, c), rot.matrix_multiply(a, rot.matrix_multiply(b, c)), atol=1e-14
    )
    np.testing.assert_allclose(rot.matrix_multiply(a, a.T), np.eye(3), atol=1e-14)
    np.testing.assert_allclose(np.linalg.det(ab), 1, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, vectors)
def test_quaternions_act_as_their_matrices(r, s, v):
    p, q = rot.quaternion_from_rotvec(r), rot.quaternion_from_rotvec(s)
    product = rot.quaternion_multiply(p, q)
    matrix = rot.matrix_multiply(rot.matrix_from_rotvec(r), rot.matrix_from_rotvec(s))
    np.testing.assert_allclose(rot.matrix_from_quaternion(product), matrix, atol=1e-14)
    np.testing.assert_allclose(rot.rotate_by_quaternion(product, v), matrix @ v, atol=1e-13)
    np.testing.assert_allclose(rot.quaternion_multiply(p, rot.quaternion_conjugate(p)), [1, 0, 0, 0], atol=1e-14)


@dtypes
def test_every_form_leads_back_to_the_same_rotation(dtype):
    r = POINTS.astype(dtype)
    matrix = rot.matrix_from_rotvec(r)
    quaternion = rot.quaternion_from_rotvec(r)
    for again in (
        rot.matrix_from_quaternion(quaternion),
        rot.matrix_from_rotvec(rot.rotvec_from_matrix(matrix)),
        rot.matrix_from_rotvec(rot.rotvec_from_quaternion(quaternion)),
        rot.matrix_from_rotvec(rot.wrap_rotvec(r)),
        rot.matrix_from_quaternion(rot.quaternion_from_matrix(matrix)),
    ):
        assert again.dtype == dtype
        np.testing.assert_allclose(again, matrix, atol=TOLERANCE[dtype])


@dtypes
def test_wrapped_angles_are_at_most_pi_and_short_vectors_stay(dtype):
    r = POINTS.astype(dtype)
    wrapped = rot.wrap_rotvec(r)
    assert np.all(np.linalg.norm(wrapped, axis=-1) <= PI * (1 + 2 * np.finfo(dtype).eps))
    short = LENGTHS < 3
    np.testing.assert_allclose(wrapped[short], r[short], rtol=4 * np.finfo(dtype).eps)


def test_length_of_a_quaternion_does_not_matter():
    q = rot.quaternion_from_rotvec(POINTS)
    scale = np.linspace(-3, 5, len(q))[:, None]
    np.testing.assert_allclose(rot.matrix_from_quaternion(q * scale), rot.matrix_from_quaternion(q), atol=1e-14)
    turned = rot.matrix_from_rotvec(rot.rotvec_from_quaternion(q * scale))
    np.testing.assert_allclose(turned, rot.matrix_from_quaternion(q), atol=1e-14)


@dtypes
def test_quaternion_from_matrix_is_unit_with_its_largest_component_positive(dtype):
    q = np.asarray(rot.quaternion_from_matrix(rot.matrix_from_rotvec(POINTS.astype(dtype))))
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1, atol=TOLERANCE[dtype])
    largest = np.abs(q).argmax(-1)
    assert set(largest) == {0, 1, 2, 3}
    assert np.all(q[np.arange(len(q)), largest] > 0)


def test_leading_dimensions_jit_and_vmap_change_nothing():
    def there_and_back(r):
        matrix = rot.matrix_from_rotvec(r)
        return rot.rotvec_from_matrix(matrix), rot.euler_from_matrix(matrix, "ZXY")

    plain = np.array(jax.jit(jax.vmap(there_and_back))(RANDOM))
    shaped = np.array(jax.jit(there_and_back)(RANDOM.reshape(2, 10, 3, 3)))
    np.testing.assert_allclose(shaped.reshape(plain.shape), plain, atol=1e-13)
    np.testing.assert_allclose(there_and_back(RANDOM[7]), plain[:, 7], atol=1e-13)


def test_whole_numbers_are_taken_as_floats():
    np.testing.assert_array_equal(rot.matrix_from_rotvec(np.zeros(3, int)), np.eye(3))


# --- scipy as the reference


@dtypes
def test_exponential_map_agrees_with_scipy(dtype):
    r = POINTS.astype(dtype)
    reference = Rotation.from_rotvec(r.astype(np.float64))
    np.testing.assert_allclose(rot.matrix_from_rotvec(r), reference.as_matrix(), atol=TOLERANCE[dtype])
    q, expected = rot.quaternion_from_rotvec(r), reference.as_quat(scalar_first=True)
    sign = np.sign(np.sum(q * expected, axis=-1, keepdims=True))
    np.testing.assert_allclose(q, sign * expected, atol=TOLERANCE[dtype])


@dtypes
def test_tiny_rotations_keep_their_digits(dtype):
    r = POINTS.astype(dtype)
    again = rot.rotvec_from_matrix(rot.matrix_from_rotvec(r))
    tiny = LENGTHS < 1e-3
    np.testing.assert_allclose(again[tiny], r[tiny], rtol=4 * np.finfo(dtype).eps)


@dtypes
def test_logarithm_agrees_with_scipy(dtype):
    matrix = np.array(rot.matrix_from_rotvec(POINTS.astype(dtype)))
    found = np.array(rot.rotvec_from_matrix(matrix), np.float64)
    expected = Rotation.from_matrix(matrix.astype(np.float64)).as_rotvec()
    # At pi either sign of the axis is right, so rotations are compared there, and vectors elsewhere.
    apart = (Rotation.from_rotvec(found).inv() * Rotation.from_rotvec(expected)).magnitude()
    np.testing.assert_allclose(apart, 0, atol=TOLERANCE[dtype])
    inside = np.linalg.norm(expected, axis=-1) < PI - 1e-5
    np.testing.assert_allclose(found[inside], expected[inside], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_agree_with_scipy(order):
    angles = np.random.default_rng(1).uniform(-PI, PI, (50, 3))
    reference = Rotation.from_euler(order, angles)
    np.testing.assert_allclose(rot.matrix_from_euler(angles, order), reference.as_matrix(), atol=2e-15)
    # Near gimbal lock both lose digits: 1e-11 leaves room for a middle angle within 1e-4 of it.
    np.testing.assert_allclose(
        rot.euler_from_matrix(reference.as_matrix(), order), reference.as_euler(order), atol=1e-11
    )


@pytest.mark.parametrize("order", ORDERS)
@dtypes
def test_euler_angles_in_and_near_gimbal_lock(order, dtype):
    repeated = order[0] == order[2]
    poles = [0, PI] if repeated else [-PI / 2, PI / 2]
    near = [0, 1e-9, 1e-5, -1e-5]
    angles = [(a, pole + d, c) for pole in poles for d in near for a in (-2.5, 0, 0.7) for c in (0, 1.9)]
    matrix = np.asarray(Rotation.from_euler(order, angles).as_matrix(), dtype)
    found = rot.euler_from_matrix(matrix, order)
    assert found.dtype == dtype
    assert np.all(np.isfinite(found))
    assert np.all(angle_between(rot.matrix_from_euler(found, order), matrix) < 2 * TOLERANCE[dtype])
    low, high = (0, PI) if repeated else (-PI / 2, PI / 2)
    assert np.all(found[:, 1] >= low - TOLERANCE[dtype])
    assert np.all(found[:, 1] <= high + TOLERANCE[dtype])


@pytest.mark.parametrize("order", ORDERS)
def test_third_euler_angle_is_zero_in_exact_gimbal_lock(order):
    quarter = np.rint(Rotation.from_euler(order, [0.0, 0.0 if order[0] == order[2] else PI / 2, PI / 2]).as_matrix())
    found = rot.euler_from_matrix(quarter, order)
    np.testing.assert_allclose(found[2], 0, atol=1e-15)
    np.testing.assert_allclose(rot.matrix_from_euler(found, order), quarter, atol=1e-15)


@pytest.mark.parametrize("order", ["xxy", "xyy", "xYz", "xy", "xyzx", "abc", "", "ẋyz"])
def test_unknown_euler_orders_are_named(order):
    with pytest.raises(UserError, match="order="):
        rot.matrix_from_euler(np.zeros(3), order)
    with pytest.raises(UserError, match="order="):
        rot.euler_from_matrix(np.eye(3), order)


@dtypes
def test_geodesic_distance_is_the_angle_between(dtype):
    a = np.asarray(rot.matrix_from_rotvec(POINTS[::-1].astype(dtype)))
    b = np.asarray(rot.matrix_multiply(a, rot.matrix_from_rotvec(POINTS.astype(dtype))))
    folded = np.abs((LENGTHS + PI) % (2 * PI) - PI)
    np.testing.assert_allclose(rot.geodesic_distance(a, b), folded, atol=2 * TOLERANCE[dtype])
    np.testing.assert_allclose(rot.geodesic_distance(b, a), rot.geodesic_distance(a, b), atol=TOLERANCE[dtype])
    assert rot.geodesic_distance(a, b).dtype == dtype


@dtypes
def test_geodesic_distance_keeps_its_digits_near_zero(dtype):
    identity = np.broadcast_to(np.eye(3, dtype=dtype), (len(POINTS), 3, 3))
    distance = rot.geodesic_distance(identity, rot.matrix_from_rotvec(POINTS.astype(dtype)))
    tiny = (LENGTHS < 1e-3) & (LENGTHS > 1e-18)  # the square of less is no float32
    np.testing.assert_allclose(distance[tiny], LENGTHS[tiny], rtol=4 * np.finfo(dtype).eps)


# --- gradients


def forms(r: jax.Array) -> dict[str, jax.Array]:
    """Every function at one rotation vector `[3]`; in one piece, because compiling costs more than computing."""
    matrix, quaternion = rot.matrix_from_rotvec(r), rot.quaternion_from_rotvec(r)
    return {
        "matrix_from_rotvec": matrix,
        "quaternion_from_rotvec": quaternion,
        "rotvec_from_matrix": rot.rotvec_from_matrix(matrix),
        "rotvec_from_quaternion": rot.rotvec_from_quaternion(quaternion),
        "matrix_from_quaternion": rot.matrix_from_quaternion(quaternion),
        "euler_tait_bryan": rot.euler_from_matrix(matrix, "zyx"),
        "euler_proper": rot.euler_from_matrix(matrix, "ZXZ"),
        "geodesic_distance": rot.geodesic_distance(jnp.eye(3, dtype=r.dtype), matrix),
    }


ROUGH = ("euler_tait_bryan", "euler_proper", "geodesic_distance")  # with cuts and corners on the axes and at 0


@functools.cache
def slopes(mode, dtype) -> dict[str, np.ndarray]:
    """Jacobians `[len(POINTS), ..., 3]`, forward or reverse."""
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(mode(forms)))(POINTS.astype(dtype)))


@functools.cache
def central_differences(step: float = 1e-5) -> dict[str, np.ndarray]:
    values = jax.jit(jax.vmap(forms))
    pairs = [(values(POINTS + step * e), values(POINTS - step * e)) for e in np.eye(3)]
    each = [jax.tree.map(lambda above, below: (above - below) / (2 * step), *pair) for pair in pairs]
    return jax.tree.map(lambda *columns: np.stack(columns, axis=-1), *each)


modes = pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])


@modes
def test_gradients_equal_central_differences(mode):
    smooth = np.abs(LENGTHS % (2 * PI) - PI) > 0.1  # differences fail across the cut at pi
    random = smooth & (np.arange(len(POINTS)) >= len(ROTVECS))
    for name, numeric in central_differences().items():
        where = random if name in ROUGH else smooth
        found = slopes(mode, np.float64)[name]
        np.testing.assert_allclose(found[where], numeric[where], atol=2e-9, rtol=1e-6, err_msg=name)


@modes
@dtypes
def test_gradients_are_finite_everywhere(mode, dtype):
    for name, slope in slopes(mode, dtype).items():
        assert slope.dtype == dtype, name
        assert np.all(np.isfinite(slope)), name


@modes
def test_gradients_at_the_identity_are_the_generators(mode):
    generators = np.zeros((3, 3, 3))
    for axis, (i, j) in enumerate([(2, 1), (0, 2), (1, 0)]):
        generators[i, j, axis], generators[j, i, axis] = 1, -1
    assert np.all(POINTS[0] == 0)
    found = slopes(mode, np.float64)
    np.testing.assert_array_equal(found["matrix_from_rotvec"][0], generators)
    np.testing.assert_allclose(found["rotvec_from_matrix"][0], np.eye(3), atol=1e-15)
    np.testing.assert_allclose(found["rotvec_from_quaternion"][0], np.eye(3), atol=1e-15)


def test_second_derivatives_are_finite():
    second = jax.jacfwd(jax.jacrev(lambda r: rot.rotvec_from_matrix(rot.matrix_from_rotvec(r))))
    assert np.all(np.isfinite(jax.jit(jax.vmap(second))(POINTS)))


@dtypes
def test_gradients_of_matrices_are_finite_at_exact_half_turns_and_identity(dtype):
    def everything(m):
        distance = rot.geodesic_distance(jnp.eye(3, dtype=dtype), m)
        return rot.quaternion_from_matrix(m), rot.rotvec_from_matrix(m), rot.euler_from_matrix(m, "ZXZ"), distance

    half_turns = np.array([np.diag(d) for d in ([1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1])], dtype)
    for mode in (jax.jacfwd, jax.jacrev):
        for slope in jax.jit(jax.vmap(mode(everything)))(half_turns):
            assert np.all(np.isfinite(slope))


def test_safe_norm_is_the_norm_with_gradient_zero_at_zero():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1e-20, 0.0]])
    np.testing.assert_array_equal(rot.safe_norm(x), [5, 0, 1e-20])
    gradient = jax.grad(lambda v: rot.safe_norm(v).sum())(jnp.asarray(x))
    np.testing.assert_allclose(gradient, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-15)
