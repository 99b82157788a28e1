"""Exponential maps as text, the form in which Human3.6M and CMU circulate: the width of a row tells the body.

Human3.6M's root columns are differences to the row before. They are summed on reading, so that a `Motion` is absolute
whatever its format, and taken again on writing.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from motion_jax.data.datasets import LAYOUTS
from motion_jax.data.expmap import load_expmap, write_expmap
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.layouts import Layout
from motion_jax.data.motion.motion import Motion, moving_joints
from motion_jax.data.motion.root_differences import differentiate_root, integrate_root
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import SKELETONS

_BY_COLUMNS = {layout.columns: layout for layout in LAYOUTS.values()}


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


def _note(layout: Layout, fps: float | None) -> str:
    rate = f" and {layout.fps:g} frames per second" if fps is None else ""
    return f"body{rate} of {layout.name}, told by {layout.columns} columns"


def _plain(joints: tuple[str, ...]) -> list[str]:
    return [f"{joint.removesuffix('.End')}.Site" if joint.endswith(".End") else joint for joint in joints]


def _layout(columns: int, path: Path) -> Layout:
    """Whose rows are of this width. Raises `UserError`."""
    if columns not in _BY_COLUMNS:
        allowed = " or ".join(f"{width} ({layout.name})" for width, layout in _BY_COLUMNS.items())
        raise UserError(f"{path}: {columns} columns: it must have {allowed}, which tell the body")
    return _BY_COLUMNS[columns]


FORMAT = Format("exponential-map text", read=read_text, write=write_text)
