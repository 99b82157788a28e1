"""What an HTR file says before its motion: the header, the segments and where they rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.lines import MAX_JOINTS, Line, clip
from motion_jax.data.formats._parsing.units import length_mm, says_degrees
from motion_jax.errors import UserError

PLACE = ("Tx", "Ty", "Tz", "Rx", "Ry", "Rz")

_SECTIONS = ("[header]", "[segmentnames&hierarchy]", "[baseposition]")
_GLOBAL = "GLOBAL"  # the parent of the root
_ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


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
