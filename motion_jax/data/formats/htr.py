"""HTR, the hierarchical translations and rotations of Motion Analysis: one block of rows for each segment.

A segment's place in its parent's frame is its base translation plus the row's, and its rotation is the base rotation
times the row's, Rb Rf on column vectors; angles are about axes that turn with the segment, in the order that
EulerRotationOrder names (ZYX is Rz Ry Rx). Lengths times ScaleFactor are in CalibrationUnits. A segment without
children ends BoneLength away along BoneLengthAxis; the last column of a row, a factor for that length, moves no joint
and is not used. 9999999 marks what was not seen. Sources: J. Lander's description of the format (University of
Wisconsin, CS 838, 1999) and the reader of Syzygy (University of Illinois); no file of Motion Analysis was at hand.
"""

from __future__ import annotations

import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from motion_jax.data.formats._parsing.joints import build_frames, build_skeleton, check_size
from motion_jax.data.formats._parsing.lines import Line, check_ended, clip, following, read_words
from motion_jax.data.formats.format import ReadOptions
from motion_jax.data.formats.htr_head import PLACE, Header, Tree, read_head
from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import quaternion_from_euler, quaternion_multiply
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

_END = "[endoffile]"
_UNSEEN = 9999999.0


def read_htr(path: Path, options: ReadOptions) -> Motion:
    """One .htr file; its ScaleFactor applies to the unit of `options` too.

    Raises:
        UserError: the file cannot be read or is broken; it names file and line.
    """
    lines = read_words(path)
    header, tree, line = read_head(path, lines, options.fps)
    check_size(path, header.frames, 2 * len(tree.names))
    rows = _rows(path, line, lines, header, tree)
    unit = header.scale * (options.unit_mm or header.unit_mm)
    bone = np.eye(3)[header.bone_axis]
    ends = {j: bone * tree.base[j, 6] for j in range(len(tree.names)) if j not in tree.parents}
    offsets = tree.base[:, :3] + np.median(rows[:, :, :3], axis=0)
    offsets[0] = 0
    built, numbers = build_skeleton(path.stem, tree.names, tree.parents, offsets, ends, unit)
    return Motion(
        skeleton=built,
        frames=build_frames(built, numbers, tree.base[0, :3] + rows[:, 0, :3], _turns(rows, header, tree)),
        fps=header.fps,
        source=str(path),
        places=_places(rows, tree, built, numbers),
        notes=("columns SF, factors of drawn bones, are not used",),
    )


def _rows(path: Path, line: Line, lines: Iterator[Line], header: Header, tree: Tree) -> np.ndarray:
    """The numbers of all blocks, `[F, N, 6]`, from the line on that begins the first."""
    blocks: dict[str, np.ndarray] = {}
    while (name := " ".join(line.words)).lower() != _END:
        if name[1:-1] not in tree.names or name[1:-1] in blocks or f"[{name[1:-1]}]" != name:
            raise line.error(f"{clip(name)}: it must be a segment of the hierarchy, each once, in brackets")
        last, blocks[name[1:-1]] = _block(line, lines, header.frames)
        if (line := next(lines, last)) is last:
            check_ended(last)
            break
    if missing := [name for name in tree.names if name not in blocks]:
        raise UserError(f"{path}: has no rows of segment {clip(missing[0])!r}")
    return np.stack([blocks[name] for name in tree.names], axis=1)


def _block(line: Line, lines: Iterator[Line], frames: int) -> tuple[Line, np.ndarray]:
    """The rows `[F, 6]` of the segment that a line begins, and the last one's line."""
    table, first = array.array("d"), 0
    for count in range(frames):
        line = following(line, lines, f"{count} rows of a segment: it must be NumFrames, {frames}")
        if line.words[0].startswith("["):
            raise line.error(f"{count} rows before this line: it must be NumFrames, {frames}")
        number = line.whole(line.words[:1], "Fr", least=0)
        first = number if not count else first
        if number != first + count:
            raise line.error(f"row {number}: it must be {first + count}, the next of {frames}")
        values = line.numbers(line.words[1:], (*PLACE, "SF"))
        if _UNSEEN in values:
            raise line.error(f"{_UNSEEN:.0f} says that the segment was not seen: the gap must be filled")
        table.extend(values[:6])
    return line, np.frombuffer(table).reshape(-1, 6)


def _turns(rows: np.ndarray, header: Header, tree: Tree) -> Iterator[np.ndarray]:
    """Segment by segment the turns Rb Rf, `[F, 4]`."""
    axes = ["XYZ".index(letter) for letter in header.order]
    unit = np.pi / 180 if header.degrees else 1.0
    for number in range(len(tree.names)):
        base = quaternion_from_euler(tree.base[number, 3:6][axes] * unit, header.order)
        own = quaternion_from_euler(rows[:, number, 3:][:, axes] * unit, header.order)
        yield quaternion_multiply(base, own)


def _places(rows: np.ndarray, tree: Tree, built: Skeleton, numbers: np.ndarray) -> np.ndarray | None:
    """Each joint from its parent, `[F, J, 3]` file unit; None where no segment below the root moves in its parent."""
    if not np.ptp(rows[:, 1:, :3], axis=0).any():
        return None
    places = np.repeat(built.offsets[None] / built.translation_mm, len(rows), axis=0)
    places[:, numbers] = tree.base[:, :3] + rows[:, :, :3]
    return places
