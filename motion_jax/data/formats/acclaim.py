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
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.joints import build_frames, build_skeleton, check_size
from motion_jax.data.formats._parsing.lines import Line, check_ended, clip, read_words
from motion_jax.data.formats._parsing.units import says_degrees
from motion_jax.data.formats.acclaim_skeleton import Body, read_asf, turn_in_order
from motion_jax.data.formats.format import ReadOptions
from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import quaternion_conjugate, quaternion_multiply
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

USUAL_FPS = 120.0  # of CMU's recordings, whose files do not say it

_LISTED = 12


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
        frames=build_frames(built, numbers, _moves(body, values.table), _turns(body, slots, angles)),
        fps=values.fps or USUAL_FPS,
        source=str(path),
        notes=_notes(asf, values.fps, options.unit_mm),
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
        names = body.root_order if bone is body.bones[0] else tuple("r" + axis.lower() for axis in bone.moves)
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
            return _Values(_read_frames(line, lines, slots), degrees, fps)
    raise UserError(f"{path}: holds no frame: a number on a line of its own must begin each")


def _read_frames(line: Line, rest: Iterator[Line], slots: dict[str, _Slot]) -> np.ndarray:
    """The table `[F, N]`, from the line on that numbers the first frame."""
    width = list(slots.values())[-1].stop
    table, row, open_slots = array.array("d"), [0.0] * width, dict(slots)
    first = number = line.whole(line.words, "the number of the first frame", 0)
    for line in rest:
        name, *words = line.words
        if slot := open_slots.pop(name, None):
            row[slot.start : slot.stop] = line.numbers(words, slot.names)
        elif words or open_slots or name in slots:
            raise line.error(_odd_line(line, number, slots, open_slots))
        else:
            number = line.whole(line.words, "the number of a frame", 0)
            if number != first + len(table) // width + 1:
                raise line.error(f"frame {number} follows frame {first + len(table) // width}: none may be missing")
            table.extend(row)
            open_slots = dict(slots)
    check_ended(line)
    if open_slots:
        raise line.error(f"frame {number} ends here without bone {next(iter(open_slots))!r}: the file is torn")
    table.extend(row)
    return np.frombuffer(table).reshape(-1, width)


def _odd_line(line: Line, frame: int, slots: dict[str, _Slot], open_slots: dict[str, _Slot]) -> str:
    name = line.words[0]
    if name in slots:
        return f"bone {clip(name)!r} a second time in frame {frame}"
    if not name.isdigit():
        known = ", ".join([*slots][:_LISTED]) + ", ..." * (len(slots) > _LISTED)
        return f"bone {clip(name)!r} has no values in the skeleton: those with dof are {known}"
    if open_slots:
        return f"frame {frame} has no line for bone {next(iter(open_slots))!r}"
    return f"the number of a frame stands on a line of its own, not {clip(' '.join(line.words))!r}"


def _moves(body: Body, table: np.ndarray) -> np.ndarray:
    """Where the root is, `[F, 3]` in the file's unit."""
    moves = np.tile(body.root_position, (len(table), 1))
    for column, name in enumerate(body.root_order):
        if name[0] == "T":
            moves[:, "XYZ".index(name[1])] += table[:, column]
    return moves


def _turns(body: Body, slots: dict[str, _Slot], angles: np.ndarray) -> Iterator[np.ndarray | None]:
    """Bone by bone its turns L = C M C^-1, `[F, 4]`; None of a bone without values."""
    for bone in body.bones:
        turn = None
        if bone.moves:
            slot = slots[bone.name]
            columns = [slot.start + c for c, name in enumerate(slot.names) if name[0] in "rR"]
            turn = quaternion_multiply(bone.own_axes, turn_in_order(angles[:, columns], bone.moves))
            turn = quaternion_multiply(turn, quaternion_conjugate(bone.own_axes))
        yield turn
