"""Rotations in four forms and the maps between them.

    rotation vector  [..., 3]     unit axis times angle, rad; the exponential map of the motion capture formats
    quaternion       [..., 4]     w, x, y, z; q and -q are one rotation
    matrix           [..., 3, 3]  turns column vectors: R v
    Euler angles     [..., 3]     rad, about three named axes

Every function works on any leading dimensions, keeps the floating dtype and is finite in value and gradient for every
rotation, 0 and pi included. Where a formula is 0/0 a series takes over; the argument of the branch that is not taken is
replaced as well, or its NaN would reach the gradient through `where`.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from motion_jax.errors import UserError
from motion_jax.types import Array

ArrayLike = Array | np.ndarray


def matrix_from_rotvec(rotvec: ArrayLike) -> Array:
    """Rotation vectors `[..., 3]` (rad, any length) to matrices `[..., 3, 3]`.

    Rodrigues' formula, R = cos t I + sin t / t [r]x + (1 - cos t) / t^2 r r^T with t = |r|.
    """
    r = _as_float(rotvec)
    squared = jnp.sum(r * r, axis=-1)[..., None, None]
    sine = _sinc(squared)
    versine = 0.5 * _sinc(squared / 4) ** 2  # (1 - cos t) / t^2 by the half angle: nothing cancels
    x, y, z = jnp.moveaxis(r, -1, 0)
    zero = jnp.zeros_like(x)
    cross = _stack([[zero, -z, y], [z, zero, -x], [-y, x, zero]])
    outer = r[..., :, None] * r[..., None, :]
    return (1 - versine * squared) * jnp.eye(3, dtype=r.dtype) + sine * cross + versine * outer


def rotvec_from_matrix(matrix: ArrayLike) -> Array:
    """Matrices `[..., 3, 3]` to rotation vectors `[..., 3]`, rad, of length in [0, pi].

    At pi both signs of the axis are right; the one returned follows `quaternion_from_matrix`.
    """
    return rotvec_from_quaternion(quaternion_from_matrix(matrix))


def quaternion_from_rotvec(rotvec: ArrayLike) -> Array:
    """Rotation vectors `[..., 3]` (rad, any length) to unit quaternions wxyz `[..., 4]`."""
    r = _as_float(rotvec)
    squared = jnp.sum(r * r, axis=-1, keepdims=True)
    w = 1 - squared / 8 * _sinc(squared / 16) ** 2  # cos(t/2) = 1 - 2 sin(t/4)^2, smooth in t^2
    return jnp.concatenate([w, 0.5 * _sinc(squared / 4) * r], axis=-1)


def rotvec_from_quaternion(quaternion: ArrayLike) -> Array:
    """Quaternions wxyz `[..., 4]` (any length but 0) to rotation vectors `[..., 3]`, rad, of length in [0, pi]."""
    q = _as_float(quaternion)
    q = q * jnp.where(q[..., :1] < 0, -1, 1)  # of q and -q, the one whose angle is at most pi
    w, v = q[..., :1], q[..., 1:]
    squared = jnp.sum(v * v, axis=-1, keepdims=True)
    small = squared < _series_limit(q.dtype) * w * w
    length = jnp.sqrt(jnp.where(small, 1, squared))
    safe_w = jnp.where(small, w, 1)
    tangent = squared / safe_w**2
    series = 2 / safe_w * (1 - tangent / 3 + tangent**2 / 5)  # 2 atan(x) / x in x^2 = tan(t/2)^2
    return v * jnp.where(small, series, 2 * jnp.arctan2(length, w) / length)


def wrap_rotvec(rotvec: ArrayLike) -> Array:
    """The same rotations `[..., 3]` with their angle in [0, pi] rad."""
    return rotvec_from_quaternion(quaternion_from_rotvec(rotvec))


def matrix_from_quaternion(quaternion: ArrayLike) -> Array:
    """Quaternions wxyz `[..., 4]` (any length but 0) to matrices `[..., 3, 3]`."""
    q = _as_float(quaternion)
    q = q * jnp.sqrt(2 / jnp.sum(q * q, axis=-1, keepdims=True))  # products of two come out doubled, as they are needed
    w, x, y, z = jnp.moveaxis(q, -1, 0)
    return _stack(
        [
            [1 - y * y - z * z, x * y - w * z, x * z + w * y],
            [x * y + w * z, 1 - x * x - z * z, y * z - w * x],
            [x * z - w * y, y * z + w * x, 1 - x * x - y * y],
        ]
    )


def quaternion_from_matrix(matrix: ArrayLike) -> Array:
    """Matrices `[..., 3, 3]` to unit quaternions wxyz `[..., 4]` whose largest component is positive.

    The matrix gives 4 q q^T; its row with the largest diagonal entry is q up to a length of at least 2, so that no
    root or quotient comes near 0 (Shepperd 1978).
    """
    m = jnp.moveaxis(_as_float(matrix), (-2, -1), (0, 1))
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = m
    products = _stack(
        [
            [1 + xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz],
        ]
    )
    largest = jnp.argmax(jnp.diagonal(products, axis1=-2, axis2=-1), axis=-1)
    row = jnp.take_along_axis(products, largest[..., None, None], axis=-2)[..., 0, :]
    return row / jnp.sqrt(jnp.sum(row * row, axis=-1, keepdims=True))


def matrix_multiply(a: ArrayLike, b: ArrayLike) -> Array:
    """Products `[..., 3, 3]`: first b, then a, on column vectors.

    Written as a sum because accelerators run `matmul` at reduced precision unless told otherwise, and a chain of
    joints multiplies the error; it also fuses with its neighbours.
    """
    return jnp.sum(a[..., :, :, None] * b[..., None, :, :], axis=-2)


def quaternion_multiply(a: ArrayLike, b: ArrayLike) -> Array:
    """Hamilton products wxyz `[..., 4]`: first b, then a."""
    aw, ax, ay, az = jnp.moveaxis(_as_float(a), -1, 0)
    bw, bx, by, bz = jnp.moveaxis(_as_float(b), -1, 0)
    return jnp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quaternion_conjugate(quaternion: ArrayLike) -> Array:
    """Conjugates wxyz `[..., 4]`; of a unit quaternion, the inverse rotation."""
    q = _as_float(quaternion)
    return jnp.concatenate([q[..., :1], -q[..., 1:]], axis=-1)


def rotate_by_quaternion(quaternion: ArrayLike, vector: ArrayLike) -> Array:
    """Turns vectors `[..., 3]` by unit quaternions wxyz `[..., 4]`; lengths that are not 1 scale the result."""
    q, v = _as_float(quaternion), _as_float(vector)
    w, axis = q[..., :1], q[..., 1:]
    twice = 2 * jnp.cross(axis, v)
    return v + w * twice + jnp.cross(axis, twice)


def geodesic_distance(a: ArrayLike, b: ArrayLike) -> Array:
    """The angle of the rotation between matrices `[..., 3, 3]` and `[..., 3, 3]`: `[...]` rad in [0, pi].

    By the arctangent of the half angle, which keeps full precision at 0 and pi where the usual arccosine of the trace
    loses half the digits and has no gradient. At exactly 0 and pi, where there is none, the gradient is finite.
    """
    q = quaternion_from_matrix(matrix_multiply(jnp.swapaxes(_as_float(a), -1, -2), _as_float(b)))
    return 2 * jnp.arctan2(safe_norm(q[..., 1:]), jnp.abs(q[..., 0]))


def safe_norm(vector: ArrayLike) -> Array:
    """Euclidean lengths `[...]` of `[..., K]`, with gradient 0 in place of NaN at the zero vector."""
    v = _as_float(vector)
    squared = jnp.sum(v * v, axis=-1)
    zero = squared == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, squared)))


def matrix_from_euler(angles: ArrayLike, order: str) -> Array:
    """Euler angles `[..., 3]` (rad, in the order of the letters) to matrices `[..., 3, 3]`.

    `order` names three axes. Upper case: each axis turns with the body (intrinsic), 'ZXY' is Rz(a) Rx(b) Ry(c). Lower
    case: axes fixed in space (extrinsic), 'zxy' is Ry(c) Rx(b) Rz(a). Raises `UserError` on any other text.
    """
    axes, extrinsic = _parse_order(order)
    angles = _as_float(angles)
    unit = jnp.eye(3, dtype=angles.dtype)
    turns = [matrix_from_rotvec(angles[..., i, None] * unit[axis]) for i, axis in enumerate(axes)]
    first, second, third = reversed(turns) if extrinsic else turns
    return matrix_multiply(matrix_multiply(first, second), third)


def euler_from_matrix(matrix: ArrayLike, order: str) -> Array:
    """Matrices `[..., 3, 3]` to Euler angles `[..., 3]`, rad; `order` as in `matrix_from_euler`.

    The second angle lies in [-pi/2, pi/2] for three different axes and in [0, pi] when the third repeats the first. In
    gimbal lock, where only a sum or difference of the outer angles is defined, the third is 0 up to rounding. Raises
    `UserError` on an unknown order.
    """
    axes, extrinsic = _parse_order(order)
    m = _as_float(matrix)
    if not extrinsic:
        return _intrinsic_angles(m, axes, side=1)
    return -_intrinsic_angles(jnp.swapaxes(m, -1, -2), axes, side=-1)  # the inverse undoes the same axes in reverse


def _intrinsic_angles(m: Array, axes: tuple[int, int, int], side: int) -> Array:
    """Angles a, b, c with m = Ri(a) Rj(b) Rl(c); where l = i, the sign of b is `side`.

    The first angle comes from the direction of the third axis; the others are read from Ri(-a) m, so that they make
    up for the first even where it is ill-conditioned (after Mike Day, "Extracting Euler angles from a rotation
    matrix").
    """
    i, j, last = axes
    k = 3 - i - j
    parity = 1 if (j - i) % 3 == 1 else -1  # whether i, j, k is a right-handed frame
    proper = last == i
    other, turn, front = (k, -parity, -parity * side) if proper else (i, parity, 1)

    y, x = -parity * front * m[..., j, last], front * m[..., k, last]
    # A projection this short is the rounding of a product of three matrices: there is no direction in it.
    locked = y * y + x * x < (16 * float(jnp.finfo(m.dtype).eps)) ** 2
    y, x = jnp.where(locked, parity * m[..., k, j], y), jnp.where(locked, m[..., j, j], x)
    first = jnp.arctan2(y, x)

    unit = jnp.eye(3, dtype=m.dtype)[i]
    rest = matrix_multiply(matrix_from_rotvec(-first[..., None] * unit), m)
    sine = turn * rest[..., other, last]
    sine = side * jnp.abs(sine) if proper else sine  # rounding must not turn 0 into -0 and pi into -pi
    second = jnp.arctan2(sine, rest[..., last, last])
    third = jnp.arctan2(turn * rest[..., j, other], rest[..., j, j])
    return jnp.stack([first, second, third], axis=-1)


def _parse_order(order: str) -> tuple[tuple[int, int, int], bool]:
    """The axes as numbers, and whether they are fixed in space."""
    letters = order.lower()
    known = len(order) == 3 and set(letters) <= set("xyz") and order in (letters, letters.upper())
    if not known or letters[1] in (letters[0], letters[2]):
        raise UserError(
            f"order={order!r}: must be three of x, y, z with no letter twice in a row, all upper case (axes turn with "
            f"the body) or all lower case (axes fixed in space), like 'ZXY' or 'xyz'"
        )
    first, second, third = ("xyz".index(letter) for letter in letters)
    return (first, second, third), order == letters


def _sinc(squared: Array) -> Array:
    """sin(x) / x as a function of x^2, in which it is smooth at 0; sqrt is not."""
    small = squared < _series_limit(squared.dtype)
    x = jnp.sqrt(jnp.where(small, 1, squared))
    return jnp.where(small, 1 - squared / 6 + squared**2 / 120, jnp.sin(x) / x)


def _series_limit(dtype: DTypeLike) -> float:
    """Below it a series in x cut after x^2 is exact: what it drops, a fraction of x^3, is under machine precision.

    Above it the quotient's gradient cancels by no more than eps / x, times a factor x where it is used.
    """
    return float(jnp.finfo(dtype).eps) ** (1 / 3)


def _as_float(x: ArrayLike) -> Array:
    """Floating arrays as they are, whole numbers in the default precision."""
    return jnp.asarray(x, jnp.result_type(x, float))


def _stack(rows: list[list[Array]]) -> Array:
    """Arrays `[...]` in rows and columns to `[..., rows, columns]`."""
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
