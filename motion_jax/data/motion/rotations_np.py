"""Rotations of files, in double precision and without a device: a file must come back as it was.

`geometry.rotations` serves training in float32 on an accelerator; here are its few maps that readers and writers need,
in numpy's float64. Conventions are the same: quaternions wxyz, matrices act on column vectors, angles in rad.
"""

from __future__ import annotations

import numpy as np

_SERIES = 1e-5  # below this squared angle three terms of a series are exact in float64
_LOCKED = 16 * np.finfo(np.float64).eps  # a projection this short is rounding: there is no direction in it


def quaternion_from_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Rotation vectors `[..., 3]` of any length to unit quaternions `[..., 4]`."""
    angle = np.sqrt(np.sum(rotvec * rotvec, axis=-1, keepdims=True))
    return np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * rotvec], axis=-1)


def rotvec_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """Quaternions `[..., 4]` to rotation vectors `[..., 3]` of length in [0, pi]."""
    q = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    w, v = q[..., :1], q[..., 1:]
    squared = np.sum(v * v, axis=-1, keepdims=True)
    small = squared < _SERIES * w * w
    length, safe_w = np.sqrt(np.where(small, 1, squared)), np.where(small, w, 1)
    tangent = squared / safe_w**2
    series = 2 / safe_w * (1 - tangent / 3 + tangent**2 / 5)  # 2 atan(x) / x in x^2
    return v * np.where(small, series, 2 * np.arctan2(length, w) / length)


def quaternion_multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton products `[..., 4]`: first b, then a."""
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    w = aw * bw - ax * bx - ay * by - az * bz
    product = np.empty((*np.shape(w), 4), np.result_type(a, b))  # np.stack takes most of the time of a single pose
    product[..., 0] = w
    product[..., 1] = aw * bx + ax * bw + ay * bz - az * by
    product[..., 2] = aw * by - ax * bz + ay * bw + az * bx
    product[..., 3] = aw * bz + ax * by - ay * bx + az * bw
    return product


def quaternion_conjugate(quaternion: np.ndarray) -> np.ndarray:
    """The inverse rotations of unit quaternions `[..., 4]`."""
    return quaternion * np.array([1.0, -1.0, -1.0, -1.0])


def matrix_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """Unit quaternions `[..., 4]` to matrices `[..., 3, 3]`."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Matrices `[..., 3, 3]` to unit quaternions `[..., 4]`; of the four ways the one that divides by the largest."""
    m = [[matrix[..., row, column] for column in range(3)] for row in range(3)]
    ways = np.stack(
        [
            np.stack([1 + m[0][0] + m[1][1] + m[2][2], m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]], -1),
            np.stack([m[2][1] - m[1][2], 1 + m[0][0] - m[1][1] - m[2][2], m[0][1] + m[1][0], m[0][2] + m[2][0]], -1),
            np.stack([m[0][2] - m[2][0], m[0][1] + m[1][0], 1 - m[0][0] + m[1][1] - m[2][2], m[1][2] + m[2][1]], -1),
            np.stack([m[1][0] - m[0][1], m[0][2] + m[2][0], m[1][2] + m[2][1], 1 - m[0][0] - m[1][1] + m[2][2]], -1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(ways, axis1=-2, axis2=-1), axis=-1)
    chosen = np.take_along_axis(ways, best[..., None, None], axis=-2)[..., 0, :]
    return chosen / np.linalg.norm(chosen, axis=-1, keepdims=True)


def rotvec_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Matrices `[..., 3, 3]` to rotation vectors `[..., 3]` of length in [0, pi]."""
    return rotvec_from_quaternion(quaternion_from_matrix(matrix))


def matrix_from_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Rotation vectors `[..., 3]` to matrices `[..., 3, 3]`."""
    return matrix_from_quaternion(quaternion_from_rotvec(rotvec))


def quaternion_from_euler(angles: np.ndarray, axes: str) -> np.ndarray:
    """Angles `[..., N]` about N axes that turn with the body to unit quaternions `[..., 4]`.

    Axes "ZXY" are the product Rz Rx Ry on column vectors: the last is applied first. No axis is the identity.
    """
    rotation = np.broadcast_to(np.array([1.0, 0.0, 0.0, 0.0]), (*angles.shape[:-1], 4))
    for number, axis in enumerate(axes):
        half = angles[..., number] / 2
        one = np.zeros((*half.shape, 4))
        one[..., 0], one[..., 1 + "XYZ".index(axis)] = np.cos(half), np.sin(half)
        rotation = quaternion_multiply(rotation, one)
    return rotation


def euler_from_quaternion(quaternion: np.ndarray, axes: str) -> np.ndarray:
    """Unit quaternions `[..., 4]` to angles `[..., 3]` about three different axes that turn with the body.

    The first and the third lie in [-pi, pi], the second in [-pi/2, pi/2]; where the second is at an end and the others
    turn about one line, the third is 0. Each angle is taken from what the ones before it have left, so that the
    product is exact near the ends too.
    """
    matrix = matrix_from_quaternion(quaternion)
    i, j, k = ("XYZ".index(axis) for axis in axes)
    side = 1 if (j - i) % 3 == 1 else -1  # whether the three are a right-handed frame
    y, x = -side * matrix[..., j, k], matrix[..., k, k]
    locked = np.hypot(y, x) < _LOCKED
    first = np.arctan2(np.where(locked, side * matrix[..., k, j], y), np.where(locked, matrix[..., j, j], x))
    back = quaternion_from_euler(-first[..., None], axes[0])
    rest = matrix_from_quaternion(quaternion_multiply(back, quaternion))
    second = np.arctan2(side * rest[..., i, k], rest[..., k, k])
    third = np.where(locked, 0, np.arctan2(side * rest[..., j, i], rest[..., j, j]))
    return np.stack([first, second, third], axis=-1)


def slerp(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """From quaternions a to b `[..., 4]` on the shorter way at constant speed; `weight` `[...]` in [0, 1]."""
    step = rotvec_from_quaternion(quaternion_multiply(quaternion_conjugate(a), b))
    return quaternion_multiply(a, quaternion_from_rotvec(weight[..., None] * step))


def rotate(quaternion: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Column vectors `[..., 3]` turned by unit quaternions `[..., 4]`; leading dimensions are broadcast."""
    w, v = quaternion[..., :1], quaternion[..., 1:]
    across = 2 * np.cross(v, vectors)
    return vectors + w * across + np.cross(v, across)


def rotation_between(before: np.ndarray, after: np.ndarray, about: int = 0) -> np.ndarray:
    """The least rotation `[4]` from one unit vector `[3]` to another.

    Of opposite ones every axis across them is as good: the one nearest to the axis `about` of the world is taken.
    """
    half = np.concatenate([[1 + before @ after], np.cross(before, after)])
    length = float(np.linalg.norm(half))
    if length > np.sqrt(_SERIES):  # 2 cos of half the angle: shorter, and its direction is rounding
        return half / length
    axis = np.eye(3)[about] - before * before[about]
    if np.linalg.norm(axis) < 0.1:  # along that axis itself: another
        axis = np.eye(3)[about - 1] - before * before[about - 1]
    return np.concatenate([[0.0], axis / np.linalg.norm(axis)])
