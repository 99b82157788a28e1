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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.joints import build_frames, build_skeleton, check_size
from motion_jax.data.formats._parsing.lines import MAX_JOINTS, Line, check_ended, clip, following, read_words
from motion_jax.data.formats._parsing.units import length_mm, says_degrees
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import quaternion_from_euler, quaternion_multiply
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

PLACE = ("Tx", "Ty", "Tz", "Rx", "Ry", "Rz")
_SECTIONS = ("[header]", "[segmentnames&hierarchy]", "[baseposition]")
_GLOBAL = "GLOBAL"  # the parent of the root
_ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
_END = "[endoffile]"
_UNSEEN = 9999999.0


class Header(NamedTuple):
    """What applies to the whole file."""

    frames: int
    segments: int
    fps: float
    order: str  # of the rotations
    unit_mm: float
    scale: float  # the file's numbers times this are in its unit
    degrees: bool
    bone_axis: int  # 0, 1 or 2


class Tree(NamedTuple):
    """The N segments, each before its children."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for the root
    base: np.ndarray  # [N, 7] Tx Ty Tz Rx Ry Rz BoneLength


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
        frames=build_frames(built, numbers, tree.base[0, :3] + rows[:, 0, :3], _rotations(rows, header, tree)),
        fps=header.fps,
        source=str(path),
        places=_places(rows, tree, built, numbers),
        notes=("columns SF, factors of drawn bones, are not used",),
    )


def read_head(path: Path, lines: Iterator[Line], fps: float | None) -> tuple[Header, Tree, Line]:
    """Header and segments, and the line that begins the first segment's rows. `fps` takes the place of the file's.

    Raises `UserError`.
    """
    sections, block = _sections(path, lines)
    header = _header(path, {line.words[0].lower(): line for line in sections[_SECTIONS[0]]}, fps)
    children = _children(sections[_SECTIONS[1]])
    names, parents = _order(path, children)
    if len(names) != header.segments:
        raise UserError(
            f"{path}: NumSegments is {header.segments}, and the hierarchy has {len(names)}: they must agree"
        )
    return header, Tree(names, parents, _base(path, sections[_SECTIONS[2]], names)), block


def _sections(path: Path, lines: Iterator[Line]) -> tuple[dict[str, list[Line]], Line]:
    """The lines of each section before the motion, and the line behind them."""
    sections: dict[str, list[Line]] = {}
    current: list[Line] = []
    for line in lines:
        name = " ".join(line.words).lower()
        if name in _SECTIONS[len(sections) : len(sections) + 1]:
            current = sections[name] = []
        elif name.startswith("[") or not sections:
            break
        elif len(current) > MAX_JOINTS:
            raise line.error(f"a section of more than {MAX_JOINTS} lines before the motion")
        else:
            current.append(line)
    else:
        raise UserError(f"{path}: no segment follows [BasePosition]: the file has no motion, or is torn")
    if len(sections) < len(_SECTIONS):
        raise line.error(f"{clip(name)!r} where {_SECTIONS[len(sections)]} must stand")
    return sections, line


def _header(path: Path, fields: Mapping[str, Line], fps: float | None) -> Header:
    def field(name: str) -> tuple[Line, list[str]]:
        if name.lower() not in fields:
            raise UserError(f"{path}: [Header] has no {name}")
        return fields[name.lower()], fields[name.lower()].words[1:]

    def choice(name: str, allowed: tuple[str, ...]) -> str:
        line, words = field(name)
        if (word := " ".join(words).upper()) not in allowed:
            raise line.error(f"{name} is {clip(' '.join(words))!r}: it must be one of {', '.join(allowed)}")
        return word

    def number(name: str, least: float) -> float:
        line, words = field(name)
        return line.above(words, name, least)

    def whole(name: str) -> int:
        line, words = field(name)
        return line.whole(words, name)

    choice("DataType", ("HTRS",))
    (unit_line, unit), (angle_line, angle) = field("CalibrationUnits"), field("RotationUnits")
    return Header(
        frames=whole("NumFrames"),
        segments=whole("NumSegments"),
        fps=fps or number("DataFrameRate", 1e-3),
        order=choice("EulerRotationOrder", _ORDERS),
        unit_mm=length_mm(unit_line, " ".join(unit)),
        scale=number("ScaleFactor", 1e-6),
        degrees=says_degrees(angle_line, " ".join(angle)),
        bone_axis="XYZ".index(choice("BoneLengthAxis", ("X", "Y", "Z"))),
    )


def _children(lines: list[Line]) -> dict[str, list[str]]:
    """By parent, the segments that hang on it."""
    children: dict[str, list[str]] = {}
    for line in lines:
        if len(line.words) != 2:
            raise line.error(f"{clip(' '.join(line.words))!r}: it must be a segment and its parent")
        child, parent = line.words
        children.setdefault(parent, []).append(child)
    return children


def _order(path: Path, children: Mapping[str, list[str]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names from the root on, depth first, and the number of each one's parent."""
    named = [child for below in children.values() for child in below]
    roots = children.get(_GLOBAL, [])
    if len(roots) != 1:
        raise UserError(f"{path}: {len(roots)} segments have the parent {_GLOBAL}: it must be one, the root")
    names, parents, waiting = [], [], [(roots[0], -1)]
    while waiting and len(names) <= len(named):
        name, parent = waiting.pop()
        waiting += [(child, len(names)) for child in reversed(children.get(name, []))]
        names.append(name)
        parents.append(parent)
    if sorted(names) != sorted(set(named)):
        odd = next((name for name in named if names.count(name) != 1), named[0])
        raise UserError(f"{path}: segment {clip(odd)!r} does not hang on the root by one line of the hierarchy")
    return tuple(names), tuple(parents)


def _base(path: Path, lines: list[Line], names: tuple[str, ...]) -> np.ndarray:
    """Where the segments rest, `[N, 7]`."""
    base = {line.words[0]: line.numbers(line.words[1:], (*PLACE, "BoneLength")) for line in lines}
    if missing := [name for name in names if name not in base]:
        raise UserError(f"{path}: [BasePosition] has no segment {clip(missing[0])!r}")
    return np.array([base[name] for name in names])


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


def _rotations(rows: np.ndarray, header: Header, tree: Tree) -> Iterator[np.ndarray]:
    """Segment by segment the rotations Rb Rf, `[F, 4]`."""
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


FORMAT = Format("HTR", read=read_htr)
