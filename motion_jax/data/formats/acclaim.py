"""Acclaim motion (.amc) of an Acclaim skeleton (.asf).

The format thinks in bones, `Skeleton` in joints. A bone starts where its parent's ends and is direction x length in
the frame of the body, which all bones share while nothing is turned; its values turn it about axes of its own. With C
the rotation of those axes and M that of the values, it turns by L = C M C^-1 in its parent's frame, on column vectors.
So a bone becomes the joint at its *start*, under its own name, whose offset is its parent's direction x length; the
end of a bone without children becomes the joint "<bone>.Site". Values are applied in the order of their names, about
axes that stand still: rx ry rz is Rz Ry Rx. Lengths divided by the skeleton's `length` are inches, which makes CMU's
0.45 a unit of 56.444 mm. Sources: the files and the questions and answers of the CMU Graphics Lab's database.
"""

from __future__ import annotations

import array
import collections
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.joints import build_frames, build_skeleton, check_size
from motion_jax.data.formats._parsing.lines import MAX_JOINTS, Line, check_last_number, clip, read_words
from motion_jax.data.formats._parsing.units import says_degrees
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import quaternion_conjugate, quaternion_from_euler, quaternion_multiply
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

ROOT = "root"
_INCH_MM = 25.4
_AXES = "XYZ"
_ROOT_ORDER = ("TX", "TY", "TZ", "RX", "RY", "RZ")
_DOF = {"rx": "X", "ry": "Y", "rz": "Z"}
_MAX_LINES = 30 * MAX_JOINTS
_SLACK = 0.01  # by which a direction may be longer or shorter than 1: the files print six digits
USUAL_FPS = 120.0  # of CMU's recordings, whose files do not say it
_LISTED = 12
_TAILS = 100  # frames before the last that show how its numbers are written


class Bone(NamedTuple):
    """A bone, or the root, which has no length."""

    name: str
    own_axes: np.ndarray  # [4] quaternion of its axes in the frame of the body
    dof: str  # the axes that its values rotate it about, the first applied first: letters of XYZ
    end: np.ndarray  # [3] from its start, in the frame of the body and the file's unit


class Body(NamedTuple):
    """What an .asf file holds."""

    bones: tuple[Bone, ...]  # the root first, each before its children, depth first
    parents: tuple[int, ...]  # -1 for the root
    root_order: tuple[str, ...]  # what the root's values are: of TX TY TZ RX RY RZ, each once
    root_position: np.ndarray  # [3] file unit, added to the root's translation
    unit_mm: float
    degrees: bool


class _Slot(NamedTuple):
    """Where the values of a bone stand in a row of the table."""

    start: int
    names: tuple[str, ...]  # of the values

    @property
    def stop(self) -> int:
        return self.start + len(self.names)


class _Values(NamedTuple):
    """The numbers of an .amc file."""

    table: np.ndarray  # [F, N] as they stand there, by bone in the order of the skeleton
    degrees: bool
    fps: float | None  # None: the file does not say
    warnings: tuple[str, ...]


def read_amc(path: Path, options: ReadOptions) -> Motion:
    """A motion and its body, which lies in an .asf file that `options` name or `find_asf` finds.

    Raises:
        UserError: a file cannot be read or is broken, it names file and line; or no skeleton was found.
    """
    asf = options.skeleton or find_asf(path)
    body = read_asf(asf)
    slots = _slots(body)
    values = _read_values(path, body, slots, options.fps)
    check_size(path, len(values.table), 2 * len(body.bones))
    angles = np.radians(values.table) if values.degrees else values.table
    built, numbers = _joints(asf.stem, body, options.unit_mm or body.unit_mm)
    return Motion(
        skeleton=built,
        frames=build_frames(built, numbers, _root_translation(body, values.table), _rotations(body, slots, angles)),
        fps=values.fps or USUAL_FPS,
        source=str(path),
        notes=_notes(asf, values.fps, options.unit_mm),
        warnings=values.warnings,
    )


def find_asf(path: Path) -> Path:
    """The skeleton that lies beside a motion: of the longest name that starts the motion's, else the only one.

    For 01_01.amc these are 01_01.asf and 01.asf. Raises `UserError` that names what was looked for.
    """
    pieces = path.stem.split("_")
    wanted = ["_".join(pieces[:count]) + ".asf" for count in range(len(pieces), 0, -1)]
    try:
        there = {item.name.lower(): item for item in sorted(path.parent.iterdir()) if item.suffix.lower() == ".asf"}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    for name in wanted:
        if name.lower() in there:
            return there[name.lower()]
    if len(there) == 1:
        return next(iter(there.values()))
    raise UserError(
        f"{path}: its skeleton was not found: {' and '.join(wanted)} are not in {path.parent}, which has {len(there)} "
        f".asf files and not one; name it (skeleton)"
    )


def _joints(name: str, body: Body, unit_mm: float) -> tuple[Skeleton, np.ndarray]:
    """The bones as joints, and which joints they are."""
    ends = [bone.end for bone in body.bones]
    offsets = np.stack([ends[parent] if parent >= 0 else np.zeros(3) for parent in body.parents])
    leaves = {number: end for number, end in enumerate(ends) if number not in body.parents and end.any()}
    return build_skeleton(name, [bone.name for bone in body.bones], body.parents, offsets, leaves, unit_mm)


def _notes(asf: Path, fps: float | None, unit_mm: float | None) -> tuple[str, ...]:
    notes = [f"skeleton {asf}"]
    if unit_mm is None:
        notes.append("unit of length: an inch divided by the skeleton's 'length', as in CMU's recordings")
    if fps is None:
        notes.append(f"{USUAL_FPS:g} frames per second taken for granted, CMU's rate: the file does not say")
    return tuple(notes)


def _slots(body: Body) -> dict[str, _Slot]:
    """Of the bones that move, in the order of the skeleton."""
    slots: dict[str, _Slot] = {}
    start = 0
    for bone in body.bones:
        names = body.root_order if bone is body.bones[0] else tuple("r" + axis.lower() for axis in bone.dof)
        if names:
            slots[bone.name] = slot = _Slot(start, names)
            start = slot.stop
    return slots


def _read_values(path: Path, body: Body, slots: dict[str, _Slot], told: float | None) -> _Values:
    """The numbers; the rate `told` takes the place of the file's."""
    lines = read_words(path)
    degrees, fps = body.degrees, told
    for line in lines:
        key = line.words[0].lower()
        if key.startswith(":samples-per-second"):
            fps = told or line.above(line.words[1:], key, 1e-3)
        elif key in (":degrees", ":radians"):
            degrees = says_degrees(line, key[1:])
        elif not key.startswith(":"):
            table, warnings = _read_frames(line, lines, slots)
            return _Values(table, degrees, fps, warnings)
    raise UserError(f"{path}: holds no frame: a number on a line of its own must begin each")


def _read_frames(line: Line, rest: Iterator[Line], slots: dict[str, _Slot]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The table `[F, N]`, from the line on that numbers the first frame, and warnings."""
    width = list(slots.values())[-1].stop
    table, row, open_slots = array.array("d"), [0.0] * width, dict(slots)
    first = number = line.whole(line.words, "the number of the first frame", 0)
    tails: collections.deque[str] = collections.deque(maxlen=_TAILS)  # the last number of each frame
    last = line
    for line in rest:
        name, *words = line.words
        if slot := open_slots.pop(name, None):
            row[slot.start : slot.stop] = line.numbers(words, slot.names)
            last = line
        elif words or open_slots or name in slots:
            raise line.error(_odd_line(line, number, slots, open_slots))
        else:
            number = line.whole(line.words, "the number of a frame", 0)
            if number != first + len(table) // width + 1:
                raise line.error(f"frame {number} follows frame {first + len(table) // width}: none may be missing")
            table.extend(row)
            tails.append(last.words[-1])
            open_slots = dict(slots)
    if open_slots:
        raise line.error(f"frame {number} ends here without bone {next(iter(open_slots))!r}: the file is torn")
    table.extend(row)
    return np.frombuffer(table).reshape(-1, width), check_last_number(line, tails)


def _odd_line(line: Line, frame: int, slots: dict[str, _Slot], open_slots: dict[str, _Slot]) -> str:
    name = line.words[0]
    if name in slots:
        return f"bone {clip(name)!r} a second time in frame {frame}"
    if not name.isdecimal():
        known = ", ".join([*slots][:_LISTED]) + ", ..." * (len(slots) > _LISTED)
        return f"bone {clip(name)!r} has no values in the skeleton: those with dof are {known}"
    if open_slots:
        return f"frame {frame} has no line for bone {next(iter(open_slots))!r}"
    return f"the number of a frame stands on a line of its own, not {clip(' '.join(line.words))!r}"


def _root_translation(body: Body, table: np.ndarray) -> np.ndarray:
    """Where the root is, `[F, 3]` in the file's unit."""
    places = np.tile(body.root_position, (len(table), 1))
    for column, name in enumerate(body.root_order):
        if name[0] == "T":
            places[:, "XYZ".index(name[1])] += table[:, column]
    return places


def _rotations(body: Body, slots: dict[str, _Slot], angles: np.ndarray) -> Iterator[np.ndarray | None]:
    """Bone by bone its rotations L = C M C^-1, `[F, 4]`; None of a bone without values."""
    for bone in body.bones:
        rotation = None
        if bone.dof:
            slot = slots[bone.name]
            columns = [slot.start + c for c, name in enumerate(slot.names) if name[0] in "rR"]
            rotation = quaternion_multiply(bone.own_axes, quaternion_in_order(angles[:, columns], bone.dof))
            rotation = quaternion_multiply(rotation, quaternion_conjugate(bone.own_axes))
        yield rotation


def read_asf(path: Path) -> Body:
    """The body in an .asf file. Raises `UserError` that names file and line."""
    sections = _sections(path)
    unit_mm, degrees = _units(sections.get(":units", ()))
    order, position = _root(sections[":root"])
    bones = _bones(sections[":bonedata"], degrees)
    names, parents = _tree(path, sections[":hierarchy"], bones)
    root = Bone(ROOT, np.array([1.0, 0, 0, 0]), "".join(word[1] for word in order if word[0] == "R"), np.zeros(3))
    return Body((root, *(bones[name] for name in names[1:])), parents, order, position, unit_mm, degrees)


def quaternion_in_order(angles: np.ndarray, axes: str) -> np.ndarray:
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
    axes = _own_axes(fields["axis"], degrees) if "axis" in fields else np.array([1.0, 0, 0, 0])
    return Bone(name.words[1], axes, _dof(fields["dof"]) if "dof" in fields else "", direction * length)


def _own_axes(line: Line, degrees: bool) -> np.ndarray:
    """`axis` x y z ORDER: the angles of the axes' rotation, in the order of the letters, as a quaternion."""
    *words, order = line.words[1:] if len(line.words) > 1 else [""]
    angles = np.array(line.numbers(words, _AXES))
    if sorted(order.upper()) != list(_AXES):
        raise line.error(f"axis in order {clip(order)!r}: it must be X, Y and Z in some order")
    picked = angles[[_AXES.index(letter) for letter in order.upper()]]
    return quaternion_in_order(np.radians(picked) if degrees else picked, order.upper())


def _dof(line: Line) -> str:
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


FORMAT = Format("Acclaim motion (AMC)", read=read_amc, separate_skeleton=True)
SKELETON_FORMAT = Format("Acclaim skeleton (ASF)")  # which is read with its motion
