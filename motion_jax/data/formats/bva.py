"""BVA of Biovision, older than BVH: one block of rows for each segment, and no word of how they hang together.

Each segment has its translation, rotation and scale in space for itself. As there is no tree, the first segment
becomes the root and all others its children, which move in its frame: places in space are kept, bones that would join
the segments are not known. A rotation is Rz Rx Ry on column vectors, Biovision's order, whatever the order of the
columns. Scales, which say how long a segment is drawn, are not used. Source: J. Lander's description of the format
(University of Wisconsin, CS 838, 1999); no file of Biovision was at hand, and that the values are told in space and
not in a parent's frame follows from there being no parents.
"""

from __future__ import annotations

import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.joints import build_frames, build_skeleton, check_size
from motion_jax.data.formats._parsing.lines import MAX_JOINTS, Line, check_last_number, clip, following, read_words
from motion_jax.data.formats._parsing.units import length_mm, says_degrees
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import (
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_euler,
    quaternion_multiply,
)
from motion_jax.errors import UserError

_NEEDED = ("XTRAN", "YTRAN", "ZTRAN", "ZROT", "XROT", "YROT")
_COLUMNS = (*_NEEDED, "XSCALE", "YSCALE", "ZSCALE")
_ORDER = "ZXY"
_HEAD = "a block ends within its head"


class _Segment(NamedTuple):
    """One block."""

    name: str
    fps: float
    unit_mm: float
    places: np.ndarray  # [F, 3] in space, file unit
    rotations: np.ndarray  # [F, 4] quaternions, in space
    warnings: tuple[str, ...]


def read_bva(path: Path, options: ReadOptions) -> Motion:
    """One .bva file.

    Raises:
        UserError: the file cannot be read or is broken; it names file and line.
    """
    segments = list(_segments(path, options.fps))
    if not segments:
        raise UserError(f"{path}: holds no Segment:")
    root, names = segments[0], [segment.name for segment in segments]
    back = quaternion_conjugate(root.rotations)
    to_root = matrix_from_quaternion(back)
    places = np.stack(
        [root.places] + [np.einsum("fij,fj->fi", to_root, segment.places - root.places) for segment in segments[1:]],
        axis=1,
    )
    rotations = [root.rotations] + [quaternion_multiply(back, segment.rotations) for segment in segments[1:]]
    offsets = np.median(places, axis=0)
    offsets[0] = 0
    parents = [-1] + [0] * (len(names) - 1)
    built, numbers = build_skeleton(path.stem, names, parents, offsets, {}, options.unit_mm or root.unit_mm)
    return Motion(
        skeleton=built,
        frames=build_frames(built, numbers, root.places, rotations),
        fps=root.fps,
        source=str(path),
        places=places if len(names) > 1 else None,
        notes=(f"BVA has no tree: every segment hangs on the first, {names[0]}, and moves in its frame",),
        warnings=segments[-1].warnings,
    )


def _segments(path: Path, fps: float | None) -> Iterator[_Segment]:
    """The blocks of the file, which all have as many frames, at the same rate and in the same unit."""
    lines = read_words(path)
    first: _Segment | None = None
    names: set[str] = set()
    for line in lines:
        segment = _segment(line, lines, fps)
        first = first or segment
        if segment.name in names or len(names) == MAX_JOINTS:
            raise line.error(f"segment {clip(segment.name)!r}: each has one block, and there are at most {MAX_JOINTS}")
        same = (len(segment.places), segment.fps, segment.unit_mm)
        if same != (len(first.places), first.fps, first.unit_mm):
            raise line.error(f"segment {clip(segment.name)!r}: frames, frame time and unit must be the first segment's")
        names.add(segment.name)
        check_size(path, len(first.places), 4 * len(names))
        yield segment


def _segment(line: Line, lines: Iterator[Line], fps: float | None) -> _Segment:
    """One block; `line` is its first, the others are taken from `lines`. `fps` takes the place of its Frame Time."""
    name = " ".join(_field(line, "Segment:"))
    line = following(line, lines, _HEAD)
    frames = line.whole(_field(line, "Frames:"), "Frames:")
    check_size(line.path, frames, 4)
    line = following(line, lines, _HEAD)
    words = _field(line, "Frame", "Time:")
    fps = fps or 1 / line.above(words, "Frame Time:", 1e-6)
    titles = following(line, lines, _HEAD)
    columns = _columns(titles)
    line = following(titles, lines, _HEAD)
    unit_mm, degrees = _units(line, columns)
    table = array.array("d")
    tails: list[str] = []
    for count in range(frames):
        line = following(line, lines, f"segment {clip(name)!r} has {count} rows: it must be Frames: {frames}")
        table.extend(line.numbers(line.words, columns))
        tails.append(line.words[-1])
    rows = np.frombuffer(table).reshape(frames, -1)[:, [columns.index(column) for column in _NEEDED]]
    angles = np.radians(rows[:, 3:]) if degrees else rows[:, 3:]
    warnings = check_last_number(line, tails[:-1])
    return _Segment(name, fps, unit_mm, rows[:, :3], quaternion_from_euler(angles, _ORDER), warnings)


def _columns(line: Line) -> list[str]:
    columns = [word.upper() for word in line.words]
    if not set(_NEEDED) <= set(columns) <= set(_COLUMNS) or len(set(columns)) < len(columns):
        raise line.error(f"columns {clip(' '.join(line.words))!r}: they must be {' '.join(_COLUMNS)}")
    return columns


def _units(line: Line, columns: list[str]) -> tuple[float, bool]:
    """mm to the unit of translations, and whether rotations are in degrees."""
    if len(line.words) != len(columns):
        raise line.error(f"{len(line.words)} units: it must be one for each of the {len(columns)} columns")
    units = dict(zip(columns, line.words, strict=True))
    lengths = {length_mm(line, units[column]) for column in _NEEDED[:3]}
    degrees = {says_degrees(line, units[column]) for column in _NEEDED[3:]}
    if len(lengths) + len(degrees) > 2:
        raise line.error("translations, and rotations, must have one unit each")
    return lengths.pop(), degrees.pop()


def _field(line: Line, *keys: str) -> list[str]:
    """The words behind those that a line must begin with."""
    found = [word.lower() for word in line.words[: len(keys)]]
    if found != [key.lower() for key in keys] or len(line.words) == len(keys):
        raise line.error(f"{clip(' '.join(line.words))!r} where '{' '.join(keys)} ...' must stand")
    return line.words[len(keys) :]


FORMAT = Format("BVA", read=read_bva)
