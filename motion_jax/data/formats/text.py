"""Exponential maps as text, the form in which Human3.6M and CMU circulate: the width of a row tells the body.

Human3.6M's root columns are differences to the row before. They are summed on reading, so that a `Motion` is absolute
whatever its format, and taken again on writing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from motion_jax.data.datasets import LAYOUTS
from motion_jax.data.expmap import load_expmap, write_expmap
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.layouts import Layout
from motion_jax.data.motion.motion import Motion, in_unit, moving_joints
from motion_jax.data.motion.rates import nominal_rate
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
        skeleton=skeleton.with_absolute_root,
        frames=integrate_root(wide) if layout.root_steps else wide,
        fps=layout.fps,
        source=str(path),
        notes=(_note(layout, options.fps),),
        warnings=warnings,
    )


def write_text(motion: Motion, path: Path) -> None:
    """Frames as float32, lengths in the unit that `read_text` takes them for; Human3.6M's root gets its differences.

    Ends of bones may be called ".Site" or ".End".

    Raises:
        UserError: the body or the rate is not one that `read_text` would find again, or joints below the root move.
    """
    if moving_joints(motion):
        raise UserError(f"{path}: joints below the root move, which rows of rotations cannot hold: write .bvh or .npz")
    layout = _BY_COLUMNS.get(motion.skeleton.columns)
    if layout is None:
        known = " or ".join(f"{len(SKELETONS[each.skeleton].joints)} ({each.name})" for each in _BY_COLUMNS.values())
        raise UserError(
            f"{path}: a body of {len(motion.skeleton.joints)} joints could not be read again: it must have {known}, "
            f"or be written as .bvh or .npz"
        )
    body = SKELETONS[layout.skeleton]
    if _plain(motion.skeleton.joints) != _plain(body.joints):
        raise UserError(
            f"{path}: a body of {len(motion.skeleton.joints)} joints would be read as {layout.name}'s, whose joints "
            f"have other names: it must be written as .bvh or .npz"
        )
    if nominal_rate(motion.fps) != layout.fps:
        raise UserError(
            f"{path}: {nominal_rate(motion.fps):g} frames per second would be read as {layout.name}'s {layout.fps:g}: "
            f"resample it (motion-jax convert --fps={layout.fps:g}), or write .bvh or .npz"
        )
    frames = in_unit(motion, body.translation_mm * body.true_scale).frames
    write_expmap(path, differentiate_root(frames) if layout.root_steps else frames)


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


FORMAT = Format("exponential-map text", read=read_text, write=write_text, own_unit=True)
