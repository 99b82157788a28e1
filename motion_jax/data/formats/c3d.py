"""C3D, the format of biomechanics: labelled markers in space.

A file holds no body and no rotation, so that it becomes `Markers` and never a motion. It is made of blocks of 512
bytes: a header, parameters by group and name, then frame by frame four numbers a point (x, y, z, residual) and the
samples of other instruments, all integers or all floats, in the bytes of an Intel, DEC or MIPS processor. Header and
parameters say several things twice, and programs that write the files contradict themselves; what makes the length of
the file right is believed, and a note says so. Source: the C3D user guide (c3d.org).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import mmap
import struct
from pathlib import Path

import numpy as np

from motion_jax.data.formats._parsing.rows import decode_name
from motion_jax.data.formats._parsing.units import LENGTHS_MM
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.motion.motion import Markers
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file

MAX_BYTES = 1 << 30  # the other instruments take most of it
MAX_PLACES = 1 << 23  # 14 minutes of 100 markers at 100 Hz

_BLOCK = 512
_KEY = 0x50  # the second byte of every C3D file
_ENDIAN = {84: "<", 85: "<", 86: ">"}  # Intel, DEC, MIPS
_DEC = 85
_FULL = 0xFFFF  # the largest number that a word of the header can hold: there may be more


@dataclasses.dataclass(frozen=True)
class _Parameter:
    """A value among the parameters; text has type -1, a byte 1, an integer 2, a float 4."""

    kind: int
    dimensions: tuple[int, ...]
    data: bytes


@dataclasses.dataclass(frozen=True)
class _File:
    """Bytes, and how their numbers are written."""

    path: Path
    data: mmap.mmap
    processor: int
    parameters: dict[str, _Parameter]  # "GROUP:NAME" in capitals

    def unsigned(self, offset: int) -> int:
        """A 16-bit word of the file."""
        return int(struct.unpack_from(_ENDIAN[self.processor] + "H", self.data, offset)[0])

    def floats(self, data: bytes) -> np.ndarray:
        """Numbers of 4 bytes each."""
        if self.processor == _DEC:  # the halves are swapped, and the exponent is 2 more
            words = np.frombuffer(data, "<u2").reshape(-1, 2)[:, ::-1].astype("<u2")
            return np.frombuffer(words.tobytes(), "<f4") / np.float32(4)
        return np.frombuffer(data, _ENDIAN[self.processor] + "f4")

    def numbers(self, name: str) -> list[float]:
        """The numbers of a parameter, integers as unsigned; [] where there is none."""
        found = self.parameters.get(name)
        if found is None or found.kind not in (1, 2, 4) or len(found.data) < found.kind:
            return []
        data = found.data[: len(found.data) // found.kind * found.kind]
        if found.kind == 4:
            return [float(value) for value in self.floats(data)]
        return np.frombuffer(data, f"{_ENDIAN[self.processor]}u{found.kind}").astype(float).tolist()

    def texts(self, name: str) -> list[str]:
        """The texts of a parameter, the length of each is its first dimension; [] where there is none."""
        found = self.parameters.get(name)
        if found is None or found.kind != -1 or not found.dimensions or not found.dimensions[0]:
            return []
        length = found.dimensions[0]
        texts = (found.data[start : start + length] for start in range(0, len(found.data), length))
        return [decode_name(text.strip(b" \0")) for text in texts]

    def whole(self, name: str) -> int | None:
        """One number of 16 bits, or of 32 in two words, the lower first; None where there is none."""
        values = self.numbers(name)
        if not values or not all(math.isfinite(value) for value in values[:2]):
            return None
        found = self.parameters[name]
        low, high = values[0], values[1] if len(values) == 2 and found.kind == 2 else 0
        return int(low + high * 65536)


@dataclasses.dataclass(frozen=True)
class _Table:
    """Where the frames lie."""

    start: int  # bytes
    frames: int
    points: int
    others: int  # numbers of other instruments in a frame
    word: int  # bytes of a number: 2 integers, 4 floats

    @property
    def row(self) -> int:
        """Bytes of a frame."""
        return self.word * (4 * self.points + self.others)

    @property
    def end(self) -> int:
        """Where the last frame ends."""
        return self.start + self.frames * self.row


def read_c3d(path: Path, options: ReadOptions) -> Markers:
    """The labelled markers of one .c3d file; a marker that was not seen (residual below 0) is NaN.

    Raises:
        UserError: the file cannot be read, is no C3D or is broken.
    """
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UserError(f"{path}: has {size} bytes: it must be at most {MAX_BYTES}")
        if size < 2 * _BLOCK:
            raise UserError(f"{path}: has {size} bytes: C3D has {2 * _BLOCK} or more")
        with open_file(path) as opened:  # a file may be large, and its points be a small part of it
            file = _open(path, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    notes: list[str] = []
    scale = _scale(file)
    table = _table(file, 4 if scale < 0 else 2, notes)
    unit = _unit_mm(file, options.unit_mm, notes)
    rate = options.fps or _rate(file)
    return Markers(
        names=_names(file, table.points),
        points=_points(file, table, abs(scale)) * unit,
        fps=rate,
        first_frame=_first_frame(file),
        source=str(path),
        notes=tuple(notes),
    )


def _open(path: Path, data: mmap.mmap) -> _File:
    """The parameters of a file, found by following their offsets; of two with one name the first counts."""
    if data[1] != _KEY:
        raise UserError(f"{path}: is not C3D: its second byte must be 0x50")
    start = _BLOCK * (data[0] - 1)
    if data[0] < 2 or start + 4 > len(data) or data[start + 3] not in _ENDIAN:
        raise UserError(f"{path}: is not C3D: no parameters of a known processor lie at block {data[0]}")
    file = _File(path, data, data[start + 3], {})
    groups: dict[int, str] = {}
    members: list[tuple[int, str, _Parameter]] = []
    place = start + 4
    while place + 4 <= len(data):
        length, group = struct.unpack_from("bb", data, place)  # a name's length is negative where it is locked
        after = place + 2 + abs(length)
        if length == 0 or after + 2 > len(data):
            break
        name = decode_name(data[place + 2 : after]).upper()
        if group < 0:
            groups.setdefault(-group, name)
        elif parameter := _parameter(data, after + 2):
            members.append((group, name, parameter))
        offset = file.unsigned(after)
        if not 2 <= offset < 1 << 15:
            break
        place = after + offset
    for group, name, parameter in members:
        file.parameters.setdefault(f"{groups.get(group, '')}:{name}", parameter)
    return file


def _parameter(data: mmap.mmap, place: int) -> _Parameter | None:
    """The parameter whose type stands at `place`; None where the file ends before it does."""
    if place + 2 > len(data):
        return None
    kind, count = struct.unpack_from("bB", data, place)
    dimensions = tuple(data[place + 2 : place + 2 + count])
    start, length = place + 2 + count, abs(kind) * math.prod(dimensions)
    if kind not in (-1, 1, 2, 4) or count > 7 or start + length > len(data):
        return None
    return _Parameter(kind, dimensions, data[start : start + length])


def _scale(file: _File) -> float:
    """What integers are multiplied by; negative where the numbers are floats."""
    header = float(file.floats(file.data[12:16])[0])
    found = file.numbers("POINT:SCALE")[:1]
    if found and not math.isclose(found[0], header, rel_tol=1e-5):
        raise UserError(
            f"{file.path}: POINT:SCALE is {found[0]:g}, and the header says {header:g}: they must agree, as every "
            f"place is multiplied by it"
        )
    if not (math.isfinite(header) and header):
        raise UserError(f"{file.path}: the header's scale is {header:g}: it must be a number other than 0")
    return header


def _rate(file: _File) -> float:
    """POINT:RATE, or the header's where that is none."""
    rates = [*file.numbers("POINT:RATE")[:1], float(file.floats(file.data[20:24])[0])]
    good = [rate for rate in rates if math.isfinite(rate) and rate > 0]
    if not good:
        raise UserError(f"{file.path}: POINT:RATE is {rates[0]:g}: it must be frames per second above 0 (--input_fps)")
    return good[0]


def _first_frame(file: _File) -> int:
    """The number of the first frame; of the parameter where the header's 16 bits do not hold it."""
    header, told = file.unsigned(6), file.whole("TRIAL:ACTUAL_START_FIELD")
    return told if told is not None and header == _FULL else header


def _table(file: _File, word: int, notes: list[str]) -> _Table:
    """How many frames, points and other numbers there are.

    Raises:
        UserError: the file is shorter than that, or longer than can be read.
    """
    block = file.unsigned(16) or file.whole("POINT:DATA_START") or 0
    table = _Table(_BLOCK * (block - 1), _frames(file), *_columns(file)[0], word)
    if block < 2 or table.points < 1 or not 1 <= table.frames <= MAX_PLACES // table.points:
        raise UserError(
            f"{file.path}: {table.frames} frames of {table.points} points from block {block} on: it must be 1 to "
            f"{MAX_PLACES} places from block 2 on"
        )
    table = _columns_of_this_length(file, table, notes)
    if file.unsigned(8) == _FULL and table.frames == _FULL - file.unsigned(6) + 1:
        table = _beyond_the_header(file, table, notes)
    if table.end > len(file.data):
        whole = max(len(file.data) - table.start, 0) // table.row
        raise UserError(
            f"{file.path}: has {len(file.data)} bytes, and {table.frames} frames of {table.points} points need "
            f"{table.end}: it is torn; {whole} frames are whole"
        )
    return table


def _frames(file: _File) -> int:
    """By the header's first and last frame; where those do not fit into it, by the parameters."""
    first, last = file.unsigned(6), file.unsigned(8)
    if last != _FULL:
        return last - first + 1
    start, end = file.whole("TRIAL:ACTUAL_START_FIELD"), file.whole("TRIAL:ACTUAL_END_FIELD")
    if start is not None and end is not None and end >= start:
        return end - start + 1
    told = [file.whole(name) or 0 for name in ("POINT:LONG_FRAMES", "POINT:FRAMES")]
    return max(*told, last - first + 1)


def _columns(file: _File) -> list[tuple[int, int]]:
    """The numbers of points and of other instruments' numbers in a frame, by the header and by the parameters."""
    points = dict.fromkeys([file.unsigned(2), file.whole("POINT:USED") or file.unsigned(2)])
    others = dict.fromkeys([file.unsigned(4)])
    if (channels := file.whole("ANALOG:USED")) is not None:
        others[channels * file.unsigned(18)] = None
    return list(itertools.product(points, others))


def _columns_of_this_length(file: _File, table: _Table, notes: list[str]) -> _Table:
    """Of contradicting counts those after whose frames only the zeros that fill a block are left, the fewest first."""
    choices = [dataclasses.replace(table, points=points, others=others) for points, others in _columns(file)]
    if len(choices) == 1:
        return table
    fitting = [choice for choice in choices if choice.points and _ends_here(file, choice)]
    if not fitting:
        told = " or ".join(f"{choice.points} points and {choice.others} other numbers" for choice in choices)
        raise UserError(
            f"{file.path}: header and parameters contradict each other: {told} a frame, and with none of them "
            f"{table.frames} frames fill the file's {len(file.data)} bytes"
        )
    best = min(fitting, key=lambda choice: choice.row)
    notes.append(
        f"header and parameters contradict each other: {best.points} points and {best.others} other numbers a frame "
        f"make the length of the file right"
    )
    return best


def _ends_here(file: _File, table: _Table) -> bool:
    return 0 <= len(file.data) - table.end < _BLOCK and not any(file.data[table.end :])


def _beyond_the_header(file: _File, table: _Table, notes: list[str]) -> _Table:
    """All frames of a file whose header ends at the largest number that it can hold; zeros fill the last block."""
    rows = (len(file.data) - table.start) // table.row
    if rows <= table.frames + _BLOCK // table.row:
        return table
    last = file.data[table.start + rows * table.row - min(rows * table.row, _BLOCK) : table.start + rows * table.row]
    filling = len(last) - len(last.rstrip(b"\0"))
    frames = min(rows - filling // table.row, MAX_PLACES // table.points)
    notes.append(f"the header ends at frame {_FULL}, the largest number that it can hold; {frames} are in the file")
    return dataclasses.replace(table, frames=frames)


def _points(file: _File, table: _Table, scale: float) -> np.ndarray:
    """`[F, M, 3]` float64 in the file's unit, NaN where a marker was not seen."""
    rows = np.frombuffer(file.data, np.uint8, table.frames * table.row, table.start).reshape(table.frames, -1)
    own = np.ascontiguousarray(rows[:, : 4 * table.word * table.points]).tobytes()
    if table.word == 4:
        numbers, scale = file.floats(own), 1.0
    else:
        numbers = np.frombuffer(own, _ENDIAN[file.processor] + "i2")
    places = numbers.reshape(table.frames, table.points, 4).astype(np.float64)
    seen = (places[..., 3:] >= 0) & np.isfinite(places).all(axis=-1, keepdims=True)
    return np.where(seen, places[..., :3] * scale, np.nan)


def _names(file: _File, points: int) -> tuple[str, ...]:
    """The labels of the points; those beyond the labels are numbered."""
    labels: list[str] = []
    for key in ("POINT:LABELS", *(f"POINT:LABELS{number}" for number in range(2, 260))):
        if key not in file.parameters or len(labels) >= points:
            break
        labels += file.texts(key)
    labels = [*labels[:points], *[""] * (points - len(labels))]
    return tuple(label or f"point {number}" for number, label in enumerate(labels, 1))


def _unit_mm(file: _File, told: float | None, notes: list[str]) -> float:
    """mm to the file's unit of length; a note where nobody says it."""
    if told is not None:
        return told
    word = "".join(file.texts("POINT:UNITS")[:1]).lower()
    if not word:
        notes.append("unit of length 1 mm, taken for granted: POINT:UNITS is missing")
        return 1.0
    if word not in LENGTHS_MM:
        allowed = ", ".join(LENGTHS_MM)
        raise UserError(f"{file.path}: POINT:UNITS is {word[:32]!r}: it must be one of {allowed}, or told by --unit_mm")
    return LENGTHS_MM[word]


FORMAT = Format("C3D", read_markers=read_c3d)
