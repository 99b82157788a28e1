"""Acclaim skeletons (.asf): bones with a direction, a length and axes of their own, told in the frame of the body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.lines import MAX_JOINTS, Line, clip, read_words
from motion_jax.data.formats._parsing.units import says_degrees
from motion_jax.data.motion.rotations_np import quaternion_from_euler
from motion_jax.errors import UserError

ROOT = "root"

_INCH_MM = 25.4
_AXES = "XYZ"
_ROOT_ORDER = ("TX", "TY", "TZ", "RX", "RY", "RZ")
_DOF = {"rx": "X", "ry": "Y", "rz": "Z"}
_MAX_LINES = 30 * MAX_JOINTS
_SLACK = 0.01  # by which a direction may be longer or shorter than 1: the files print six digits


class Bone(NamedTuple):
    """A bone, or the root, which has no length."""

    name: str
    own_axes: np.ndarray  # [4] quaternion of its axes in the frame of the body
    moves: str  # the axes that its values turn it about, the first applied first: letters of XYZ
    end: np.ndarray  # [3] from its start, in the frame of the body and the file's unit


class Body(NamedTuple):
    """What an .asf file holds."""

    bones: tuple[Bone, ...]  # the root first, each before its children, depth first
    parents: tuple[int, ...]  # -1 for the root
    root_order: tuple[str, ...]  # what the root's values are: of TX TY TZ RX RY RZ, each once
    root_position: np.ndarray  # [3] file unit, added to the root's translation
    unit_mm: float
    degrees: bool


def read_asf(path: Path) -> Body:
    """The body in an .asf file. Raises `UserError` that names file and line."""
    sections = _sections(path)
    unit_mm, degrees = _units(sections.get(":units", ()))
    order, position = _root(sections[":root"])
    bones = _bones(sections[":bonedata"], degrees)
    names, parents = _tree(path, sections[":hierarchy"], bones)
    root = Bone(ROOT, np.array([1.0, 0, 0, 0]), "".join(word[1] for word in order if word[0] == "R"), np.zeros(3))
    return Body((root, *(bones[name] for name in names[1:])), parents, order, position, unit_mm, degrees)


def turn_in_order(angles: np.ndarray, axes: str) -> np.ndarray:
    """Angles `[..., N]`, rad, about N axes that stand still, the first applied first, to quaternions `[..., 4]`."""
    return quaternion_from_euler(angles[..., ::-1], axes[::-1])


def _sections(path: Path) -> dict[str, list[Line]]:
    """By keyword, the lines below it; what stands behind it on its own line is the first."""
    sections: dict[str, list[Line]] = {}
    current: list[Line] = []
    for count, line in enumerate(read_words(path)):
        key = line.words[0].lower()
        if count == _MAX_LINES:
            raise line.error(f"a skeleton (ASF) of more than {_MAX_LINES} lines: {MAX_JOINTS} bones need fewer")
        if key.startswith(":"):
            if key in sections:
                raise line.error(f"a second {clip(key)}: a skeleton (ASF) has one")
            current = sections[key] = []
            line = line._replace(words=line.words[1:])
        if line.words:
            current.append(line)
    for needed in (":root", ":bonedata", ":hierarchy"):
        if needed not in sections:
            raise UserError(f"{path}: has no {needed}: a skeleton (ASF) needs :root, :bonedata and :hierarchy")
    return sections


def _units(lines: Sequence[Line]) -> tuple[float, bool]:
    """mm to the unit of length, and whether angles are in degrees. A length divided by `length` is inches."""
    length, degrees = 1.0, True
    for line in lines:
        key, words = line.words[0].lower(), line.words[1:]
        if key == "length":
            length = line.above(words, "length", 1e-6)
        elif key == "angle":
            degrees = says_degrees(line, " ".join(words))
    return _INCH_MM / length, degrees


def _root(lines: Sequence[Line]) -> tuple[tuple[str, ...], np.ndarray]:
    """What the root's values are, and its position."""
    order, position = _ROOT_ORDER, np.zeros(3)
    for line in lines:
        key, words = line.words[0].lower(), line.words[1:]
        if key == "order":
            order = tuple(word.upper() for word in words)
            if not set(order) <= set(_ROOT_ORDER) or len(set(order)) < max(len(order), 1):
                raise line.error(f"order {clip(' '.join(words))!r}: it must be of {' '.join(_ROOT_ORDER)}, each once")
        elif key == "position":
            position = np.array(line.numbers(words, _AXES))
        elif key == "orientation" and any(line.numbers(words, _AXES)):
            raise line.error(f"orientation {clip(' '.join(words))}: it must be 0 0 0; programs disagree about others")
    return order, position


def _bones(lines: Sequence[Line], degrees: bool) -> dict[str, Bone]:
    """By name, what stands between each begin and end."""
    bones: dict[str, Bone] = {}
    fields: dict[str, Line] | None = None
    for line in lines:
        key = line.words[0].lower()
        if (key == "begin") == (fields is not None):
            raise line.error(f"{clip(line.words[0])!r}: bones stand one by one between begin and end")
        if key == "begin":
            fields = {}
        elif key == "end" and fields is not None:
            bone = _bone(line, fields, degrees)
            if bone.name in bones or bone.name == ROOT or len(bones) == MAX_JOINTS:
                raise line.error(f"bone {clip(bone.name)!r}: names must differ, and be at most {MAX_JOINTS}")
            bones[bone.name], fields = bone, None
        elif fields is not None:
            fields[key] = line
    if fields is not None:
        raise lines[-1].error("the file ends within a bone: it is torn")
    return bones


def _bone(end: Line, fields: Mapping[str, Line], degrees: bool) -> Bone:
    """One bone; limits, masses and unknown fields say nothing about where it is."""
    for needed in ("name", "direction", "length"):
        if needed not in fields:
            raise end.error(f"a bone without {needed}: it needs name, direction and length")
    name, way = fields["name"], fields["direction"]
    direction = np.array(way.numbers(way.words[1:], _AXES))
    length = fields["length"].above(fields["length"].words[1:], "length", 0)
    if length and abs(np.linalg.norm(direction) - 1) > _SLACK:
        raise way.error(f"direction {clip(' '.join(way.words[1:]))}: it must have length 1")
    if len(name.words) != 2:
        raise name.error(f"name {clip(' '.join(name.words[1:]))!r}: it must be one word")
    turns = _own_axes(fields["axis"], degrees) if "axis" in fields else np.array([1.0, 0, 0, 0])
    return Bone(name.words[1], turns, _moves(fields["dof"]) if "dof" in fields else "", direction * length)


def _own_axes(line: Line, degrees: bool) -> np.ndarray:
    """`axis` x y z ORDER: the angles of the axes' turn, in the order of the letters, as a quaternion."""
    *words, order = line.words[1:] if len(line.words) > 1 else [""]
    angles = np.array(line.numbers(words, _AXES))
    if sorted(order.upper()) != list(_AXES):
        raise line.error(f"axis in order {clip(order)!r}: it must be X, Y and Z in some order")
    picked = angles[[_AXES.index(letter) for letter in order.upper()]]
    return turn_in_order(np.radians(picked) if degrees else picked, order.upper())


def _moves(line: Line) -> str:
    words = [word.lower() for word in line.words[1:]]
    if not set(words) <= _DOF.keys() or len(set(words)) < len(words):
        raise line.error(f"dof {clip(' '.join(words))!r}: it must be of rx ry rz; bones keep their length")
    return "".join(_DOF[word] for word in words)


def _tree(path: Path, lines: Sequence[Line], bones: Mapping[str, Bone]) -> tuple[list[str], tuple[int, ...]]:
    """The names from the root on, depth first, and the number of each one's parent."""
    children, line_of = _children(path, lines, bones)
    names, parents, waiting = [], [], [(ROOT, -1)]
    while waiting:
        name, parent = waiting.pop()
        waiting += [(child, len(names)) for child in reversed(children.get(name, []))]
        names.append(name)
        parents.append(parent)
    found = set(names)
    if lost := next((name for name in bones if name not in found), None):
        where = f"{path}:{line_of[lost].number}" if lost in line_of else path
        raise UserError(f"{where}: bone {clip(lost)!r} does not hang on the root: :hierarchy must join each bone to it")
    return names, tuple(parents)


def _children(
    path: Path, lines: Sequence[Line], bones: Mapping[str, Bone]
) -> tuple[dict[str, list[str]], dict[str, Line]]:
    """By parent, its children; and by child, the line that says so. No bone has two parents, and the root none."""
    children: dict[str, list[str]] = {}
    line_of: dict[str, Line] = {}
    for line in lines:
        parent, *below = line.words
        if parent.lower() in ("begin", "end") and not below:
            continue
        if parent not in bones and parent != ROOT:
            raise line.error(f"bone {clip(parent)!r} is not in :bonedata")
        for child in below:
            if child not in bones:
                raise line.error(f"bone {clip(child)!r} is not in :bonedata")
            if child in line_of:
                raise line.error(
                    f"bone {clip(child)!r} has a second parent: the first is in line {line_of[child].number}"
                )
            line_of[child] = line
        children.setdefault(parent, []).extend(below)
    if not lines or lines[-1].words[0].lower() != "end":
        raise UserError(f"{path}: :hierarchy is not closed by a line end: the file is torn")
    return children, line_of
