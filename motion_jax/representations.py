"""Representations of rotations: raw frames to the numbers that a network reads, and back.

A raw frame `[D]` holds a translation and J exponential maps, D = 3 + 3 J. Features `[F]` are the translation and K
numbers a joint, F = 3 + K J:

    expmap       K = 3  the raw frame itself
    relative     K = 3  log(R_last^T R): the turn since the last observed pose; 0 where nothing moves
    rotation_6d  K = 6  the first two rows of R (Zhou 2019, "On the continuity of rotation representations")
    quaternion   K = 4  wxyz, of q and -q the one that goes on from frame to frame

All read windows: `last` is the last observed raw frame, which `relative` is relative to, and on whose side the
quaternions of a window are. `positions` is no representation of rotations: its raw frames are joint places already
(`data/positions.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from motion_jax.geometry.rotations import (
    matrix_from_rotvec,
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_matrix,
    rotvec_from_quaternion,
    safe_norm,
)
from motion_jax.types import Array

TRANSLATION = 3  # leading columns in front of the joints' exponential maps
_TINY = 1e-12  # least squared length that is divided by, as in float32 its square is
_WHOLE_TURN = 1e-3  # rad; nearer to a whole turn than this a rotation vector of about 2 pi has no axis


class Representation(NamedTuple):
    """How rotations are told to a network."""

    size: int  # K, numbers a joint
    encode: Callable[[Array, Array, int], Array]  # (rotation vectors [..., T, J, 3], of `last` [..., J, 3], end)
    decode: Callable[[Array, Array | None], Array]  # ([..., T, J, K], of `last` [..., J, 3]) to [..., T, J, 3]
    is_relative: bool = False  # whether decoding needs `last`, and the translation is relative to it


def features_of(name: str, frames: Array, last: Array, end: int = -1) -> Array:
    """Raw frames `[..., T, D]` to features `[..., T, F]`; `last` is `[..., D]`.

    `end` is the frame that lies next to `last` in time: -1 of what was observed, 0 of what comes after.
    """
    kind = REPRESENTATIONS[name]
    joints = kind.encode(_joints(frames), _joints(last), end)
    translation = frames[..., :TRANSLATION]
    if kind.is_relative:
        translation = translation - last[..., None, :TRANSLATION]
    return _joined(translation, joints)


def frames_of(name: str, features: Array, last: Array | None) -> Array:
    """Features `[..., T, F]` to raw frames `[..., T, D]` with angles in [0, pi], except of "expmap"."""
    kind = REPRESENTATIONS[name]
    numbers = features[..., TRANSLATION:].reshape(*features.shape[:-1], -1, kind.size)
    translation = features[..., :TRANSLATION]
    if kind.is_relative:
        assert last is not None
        translation = translation + last[..., None, :TRANSLATION]
    return _joined(translation, kind.decode(numbers, None if last is None else _joints(last)))


def continuous(quaternions: Array, reference: Array, end: int) -> Array:
    """Quaternions `[..., T, J, 4]`, each on the side of the one before; frame `end` on that of `reference`."""
    steps = jnp.sum(quaternions[..., 1:, :, :] * quaternions[..., :-1, :, :], axis=-1)
    chain = jnp.concatenate([jnp.ones_like(quaternions[..., :1, :, 0]), _products_of_signs(steps)], axis=-2)
    aligned = quaternions * chain[..., None]
    return aligned * _side(aligned[..., end, :, :], reference)[..., None, :, :]


def rotvec_on_its_side(quaternions: Array) -> Array:
    """Unit quaternions `[..., 4]` to rotation vectors of angle in [0, 2 pi): beyond pi where w is negative.

    Along `continuous` quaternions these have no jump at pi.
    """
    r = rotvec_from_quaternion(quaternions)
    length = safe_norm(r)[..., None]
    beyond = (quaternions[..., :1] < 0) & (length > _WHOLE_TURN)
    return jnp.where(beyond, r * (1 - 2 * jnp.pi / jnp.where(beyond, length, 1)), r)


def _encode_relative(rotvecs: Array, last: Array, end: int) -> Array:
    before = quaternion_conjugate(quaternion_from_rotvec(last))[..., None, :, :]
    turns = quaternion_multiply(before, quaternion_from_rotvec(rotvecs))
    identity = jnp.asarray([1, 0, 0, 0], turns.dtype)
    return rotvec_on_its_side(continuous(turns, identity, end))


def _decode_relative(turns: Array, last: Array | None) -> Array:
    assert last is not None
    before = quaternion_from_rotvec(last)[..., None, :, :].astype(turns.dtype)
    return rotvec_from_quaternion(quaternion_multiply(before, quaternion_from_rotvec(turns)))


def _encode_quaternion(rotvecs: Array, last: Array, end: int) -> Array:
    reference = quaternion_from_rotvec(last)
    reference = reference * _side(reference, jnp.asarray([1, 0, 0, 0], reference.dtype))
    return continuous(quaternion_from_rotvec(rotvecs), reference, end)


def _decode_quaternion(numbers: Array, last: Array | None) -> Array:
    del last
    vanishes = jnp.sum(numbers**2, axis=-1, keepdims=True) < _TINY
    return rotvec_from_quaternion(jnp.where(vanishes, jnp.asarray([1, 0, 0, 0], numbers.dtype), numbers))


def _encode_6d(rotvecs: Array, last: Array, end: int) -> Array:
    del last, end
    rows = matrix_from_rotvec(rotvecs)[..., :2, :]
    return rows.reshape(*rows.shape[:-2], 6)


def _decode_6d(numbers: Array, last: Array | None) -> Array:
    """Gram and Schmidt's rows."""
    del last
    first = _unit(numbers[..., :3])
    second = numbers[..., 3:]
    second = _unit(second - jnp.sum(first * second, axis=-1, keepdims=True) * first)
    return rotvec_from_matrix(jnp.stack([first, second, jnp.cross(first, second)], axis=-2))


REPRESENTATIONS: dict[str, Representation] = {
    "expmap": Representation(3, lambda rotvecs, last, end: rotvecs, lambda numbers, last: numbers),
    "relative": Representation(3, _encode_relative, _decode_relative, is_relative=True),
    "rotation_6d": Representation(6, _encode_6d, _decode_6d),
    "quaternion": Representation(4, _encode_quaternion, _decode_quaternion),
}


def _joints(frames: Array) -> Array:
    """Raw frames `[..., D]` to exponential maps `[..., J, 3]`."""
    return frames[..., TRANSLATION:].reshape(*frames.shape[:-1], -1, 3)


def _joined(translation: Array, joints: Array) -> Array:
    return jnp.concatenate([translation, joints.reshape(*joints.shape[:-2], -1)], axis=-1)


def _products_of_signs(values: Array) -> Array:
    """Of `[..., T, J]`, the product of the signs of the first 1, 2, ... T; 0 counts as positive.

    By counting, as a product with a triangular matrix: running products are slow on every platform.
    """
    length = values.shape[-2]
    until = jnp.tril(jnp.ones((length, length), values.dtype))
    negative = jnp.einsum("ts,...sj->...tj", until, (values < 0).astype(values.dtype), precision="highest")
    return 1 - 2 * jnp.mod(negative, 2)


def _side(quaternions: Array, reference: Array) -> Array:
    dot = jnp.sum(quaternions * reference, axis=-1, keepdims=True)
    return jnp.where(dot < 0, -1, 1).astype(quaternions.dtype)


def _unit(vectors: Array) -> Array:
    return vectors / jnp.sqrt(jnp.maximum(jnp.sum(vectors**2, axis=-1, keepdims=True), _TINY))


def per_joint(name: str) -> int:
    """K, numbers a joint; of positions 3."""
    return REPRESENTATIONS[name].size if name in REPRESENTATIONS else 3


def triples_and_axes(name: str, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each kept feature, which triple of the raw frame it tells of, and which of that triple's numbers it is."""
    if name == "positions":
        return kept // 3, kept % 3
    size, joint = per_joint(name), kept - TRANSLATION
    is_translation = kept < TRANSLATION
    return np.where(is_translation, 0, 1 + joint // size), np.where(is_translation, kept, joint % size)


def columns_of(name: str, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The raw columns that the features `kept` are of, and where among the features of these columns alone they are."""
    size = per_joint(name)
    joints, place = np.unique((kept[kept >= TRANSLATION] - TRANSLATION) // size, return_inverse=True)
    columns = np.concatenate([np.arange(TRANSLATION), (TRANSLATION + 3 * joints[:, None] + np.arange(3)).reshape(-1)])
    axes = (kept[kept >= TRANSLATION] - TRANSLATION) % size
    return columns, np.concatenate([kept[kept < TRANSLATION], TRANSLATION + size * place + axes])
