"""Exponential maps as text, the form in which Human3.6M and CMU circulate: the width of a row tells the body.

Human3.6M's root columns are differences to the row before. They are summed on reading, so that a `Motion` is absolute
whatever its format, and taken again on writing.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from motion_jax.data.expmap import load_expmap, write_expmap
from motion_jax.data.formats.format import ReadOptions
from motion_jax.data.layouts import LAYOUTS, Layout
from motion_jax.data.motion.motion import Motion, moving_joints
from motion_jax.data.motion.rotations_np import (
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import SKELETONS

_BY_COLUMNS = {layout.columns: layout for layout in LAYOUTS.values()}
_ROUNDING = 1e-9  # mm and rad; the files have seven decimals


def read_text(path: Path, options: ReadOptions) -> Motion:
    """Frames of Human3.6M (99 columns, 50 Hz) or CMU (117 columns, 120 Hz), neither of which is said in the file.

    Raises:
        UserError: the file cannot be read, has another width, or is broken; it names file and line.
    """
    if options.unit_mm is not None:
        raise UserError(f"{path}: its body's unit of length is known: unit_mm={options.unit_mm} must not be given")
    frames, warnings = load_expmap(path)
    layout = _layout(frames.shape[1], path)
    skeleton, wide = SKELETONS[layout.skeleton], frames.astype(np.float64)
    return Motion(
        skeleton=dataclasses.replace(skeleton, root_is_difference=False),
        frames=integrate_root(wide) if layout.root_steps else wide,
        fps=layout.fps,
        source=str(path),
        notes=(_note(layout, options.fps),),
        warnings=warnings,
    )


def write_text(motion: Motion, path: Path) -> None:
    """Frames as float32, lengths as they stand; a body of Human3.6M gets its differences back.

    Ends of bones may be called ".Site" or ".End".

    Raises:
        UserError: the body would be taken for another one by its width, or joints below the root move.
    """
    layout = _BY_COLUMNS.get(motion.skeleton.columns)
    if layout and _plain(motion.skeleton.joints) != _plain(SKELETONS[layout.skeleton].joints):
        raise UserError(
            f"{path}: a body of {len(motion.skeleton.joints)} joints would be read as {layout.name}'s, whose joints "
            f"have other names: it must be written as .bvh or .npz"
        )
    if moving_joints(motion):
        raise UserError(f"{path}: joints below the root move, which rows of rotations cannot hold: write .bvh or .npz")
    write_expmap(path, differentiate_root(motion.frames) if layout and layout.root_steps else motion.frames)


def integrate_root(frames: np.ndarray) -> np.ndarray:
    """`kinematics.integrate_root` of `[F, D]` in float64."""
    turns = quaternion_from_rotvec(frames[:, 3:6])
    reach = 1
    while reach < len(turns):  # each product of a run of rows is doubled until it begins at the first
        turns = np.concatenate([turns[:reach], quaternion_multiply(turns[reach:], turns[:-reach])])
        reach *= 2
    moves = np.einsum("fi,fij->fj", frames[:, :3], matrix_from_quaternion(_before(turns)))
    return np.concatenate([np.cumsum(moves, axis=0), rotvec_from_quaternion(turns), frames[:, 6:]], axis=1)


def differentiate_root(frames: np.ndarray) -> np.ndarray:
    """The inverse of `integrate_root`; what is below any file's decimals is rounding, and 0."""
    turns = quaternion_from_rotvec(frames[:, 3:6])
    before = _before(turns)
    moves = np.diff(frames[:, :3], axis=0, prepend=np.zeros((1, 3)))
    moves = np.einsum("fi,fji->fj", moves, matrix_from_quaternion(before))
    steps = rotvec_from_quaternion(quaternion_multiply(turns, quaternion_conjugate(before)))
    root = np.concatenate([moves, steps], axis=1)
    root[np.abs(root) < _ROUNDING] = 0.0
    return np.concatenate([root, frames[:, 6:]], axis=1)


def _note(layout: Layout, fps: float | None) -> str:
    rate = f" and {layout.fps:g} frames per second" if fps is None else ""
    return f"body{rate} of {layout.name}, told by {layout.columns} columns"


def _plain(joints: tuple[str, ...]) -> list[str]:
    return [f"{joint.removesuffix('.End')}.Site" if joint.endswith(".End") else joint for joint in joints]


def _before(turns: np.ndarray) -> np.ndarray:
    """The turn at the row before each; none before the first."""
    return np.concatenate([[[1.0, 0.0, 0.0, 0.0]], turns[:-1]])


def _layout(columns: int, path: Path) -> Layout:
    """Whose rows are of this width. Raises `UserError`."""
    if columns not in _BY_COLUMNS:
        allowed = " or ".join(f"{width} ({layout.name})" for width, layout in _BY_COLUMNS.items())
        raise UserError(f"{path}: {columns} columns: it must have {allowed}, which tell the body")
    return _BY_COLUMNS[columns]
