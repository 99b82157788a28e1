"""From joint rotations to positions in space, and from a root of differences to a walk.

The recordings hold the transposed local rotations: they act on row vectors, from the right, so that a joint's rotation
in space is G_j = R_j G_parent and its place is P_j = offset_j G_parent + P_parent (source: the forward kinematics of
the code of Martinez et al., CVPR 2017).
"""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.errors import UserError
from motion_jax.geometry.rotations import ArrayLike, matrix_from_rotvec, matrix_multiply, rotvec_from_matrix
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array

ROOT = 6  # leading columns: the root's translation and rotation, which errors of poses leave out


@functools.partial(jax.jit, static_argnames="skeleton")
def forward_kinematics(skeleton: Skeleton, rotvecs: ArrayLike, translation: ArrayLike | None = None) -> Array:
    """Local rotation vectors `[..., J, 3]`, rad, to joint places `[..., J, 3]`, mm.

    `translation` `[..., 3]`, mm, is where the root is; without it the root lies at its offset. Raises
    `UserError` if J is not the skeleton's.
    """
    rotvecs = jnp.asarray(rotvecs)
    if rotvecs.shape[-2:] != (len(skeleton.joints), 3):
        raise UserError(f"rotvecs {rotvecs.shape}: skeleton {skeleton.name} needs [..., {len(skeleton.joints)}, 3]")
    local = matrix_from_rotvec(rotvecs)
    offsets = jnp.asarray(skeleton.offsets, local.dtype)
    parents = np.array(skeleton.parents)
    levels = [np.array(level) for level in skeleton.levels]

    root = jnp.broadcast_to(offsets[levels[0]], (*rotvecs.shape[:-2], 1, 3))
    places = [root if translation is None else root + jnp.asarray(translation, local.dtype)[..., None, :]]
    turns = [local[..., levels[0], :, :]]
    for above, level in itertools.pairwise(levels):  # a whole level of the tree at once
        up = np.searchsorted(above, parents[level])
        turn = turns[-1][..., up, :, :]
        places.append(_turn_row(offsets[level], turn) + places[-1][..., up, :])
        turns.append(matrix_multiply(local[..., level, :, :], turn))
    return jnp.concatenate(places, axis=-2)[..., np.argsort(np.concatenate(levels)), :]


def frame_positions(skeleton: Skeleton, frames: ArrayLike) -> Array:
    """Raw frames `[..., D]` to joint places `[..., J, 3]`, mm on the scale of published errors.

    The root is taken as it stands: of a skeleton whose root holds differences, zero columns 0-5 to measure poses, or
    `integrate_root` first to draw a walk. Of a skeleton whose frames are positions, these. Raises `UserError` if D is
    not the skeleton's.
    """
    frames = _frames(skeleton, frames)
    if skeleton.positions:
        return frames.reshape(*frames.shape[:-1], len(skeleton.joints), 3)
    rotvecs = frames[..., 3:].reshape(*frames.shape[:-1], len(skeleton.joints), 3)
    return forward_kinematics(skeleton, rotvecs, frames[..., :3] * skeleton.translation_mm)


@functools.partial(jax.jit, static_argnames="skeleton")
def integrate_root(skeleton: Skeleton, frames: ArrayLike) -> Array:
    """Frames `[T, D]` of successive recorded rows to the same with an absolute root.

    From R = I and p = 0, each row turns R' = R(columns 3-5) R and moves p' = p + (columns 0-2) R, differences being
    told in the frame of the row before. Differences span one row of the file: of every second row, half the walk is
    missing. The identity where the root is absolute already. Raises `UserError` where it is told from its heading:
    `data.motion.root_forms` has all forms, in float64.
    """
    frames = _of_differences(skeleton, frames)
    if skeleton.positions or skeleton.root == "absolute":
        return frames

    def step(state: tuple[Array, Array], row: tuple[Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        turn, place = state
        change, move = row
        place = place + _turn_row(move, turn)
        turn = matrix_multiply(change, turn)
        return (turn, place), (turn, place)

    start = (jnp.eye(3, dtype=frames.dtype), jnp.zeros(3, frames.dtype))
    _, (turns, places) = jax.lax.scan(step, start, (matrix_from_rotvec(frames[:, 3:6]), frames[:, :3]))
    return _with_root(frames, places, turns)


@functools.partial(jax.jit, static_argnames="skeleton")
def differentiate_root(skeleton: Skeleton, frames: ArrayLike) -> Array:
    """Frames `[T, D]` with an absolute root to the recorded form; the inverse of `integrate_root`.

    The first row holds the difference to the origin. Angles come back in [0, pi]. Raises `UserError` as that.
    """
    frames = _of_differences(skeleton, frames)
    if skeleton.positions or skeleton.root == "absolute":
        return frames
    turns, places = matrix_from_rotvec(frames[:, 3:6]), frames[:, :3]
    before = jnp.concatenate([jnp.eye(3, dtype=frames.dtype)[None], turns[:-1]])
    back = jnp.swapaxes(before, -1, -2)
    moves = jnp.diff(places, axis=0, prepend=jnp.zeros((1, 3), frames.dtype))
    return _with_root(frames, _turn_row(moves, back), matrix_multiply(turns, back))


def pose_positions(skeleton: Skeleton, frames: ArrayLike) -> Array:
    """As `frame_positions`, with the root in place: its translation and rotation zeroed, as errors of poses have it."""
    frames = jnp.asarray(frames)
    return frame_positions(skeleton, frames if skeleton.positions else frames.at[..., :ROOT].set(0))


def _with_root(frames: Array, translations: Array, turns: Array) -> Array:
    return jnp.concatenate([translations, rotvec_from_matrix(turns), frames[:, 6:]], axis=-1)


def _turn_row(row: Array, matrix: Array) -> Array:
    """Row vectors `[..., 3]` times matrices `[..., 3, 3]`, as a sum for the reason in `matrix_multiply`."""
    return jnp.sum(row[..., :, None] * matrix, axis=-2)


def _of_differences(skeleton: Skeleton, frames: ArrayLike) -> Array:
    if skeleton.root == "heading":
        raise UserError(f"skeleton {skeleton.name}: its root is told from its heading, not by differences")
    return _frames(skeleton, frames, clip=True)


def _frames(skeleton: Skeleton, frames: ArrayLike, clip: bool = False) -> Array:
    frames = jnp.asarray(frames)
    if frames.shape[-1:] != (skeleton.columns,) or (clip and frames.ndim != 2):
        wanted = f"[{'T' if clip else '...'}, {skeleton.columns}]"
        raise UserError(f"frames {frames.shape}: skeleton {skeleton.name} needs {wanted}")
    return frames
