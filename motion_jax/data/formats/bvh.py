"""BVH, the hierarchy of Biovision: a tree of joints, their channels, and one row of numbers a frame.

The meaning is that which the programs that write the files give them: the local rotation of a joint is the product of
its rotation channels in their order, R = R1 R2 R3 on column vectors, wherever its position channels stand among them;
position channels say where a joint is from its parent and take the place of its OFFSET.

Written, it reads back as the same motion, and other programs open it. Positions, offsets and the frame time are written
with the digits that identify them; angles with twelve decimals of a degree, 1e-14 rad. Rotations come back as the same
rotation, by angles in the principal range.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from motion_jax.data.finite import LARGEST
from motion_jax.data.formats._parsing.body_parts import guess_body_parts
from motion_jax.data.formats._parsing.rows import decimal_comma, decode, fail, read_lines, read_rows
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import (
    euler_from_quaternion,
    quaternion_from_euler,
    quaternion_from_rotvec,
    rotvec_from_quaternion,
)
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")
MAX_JOINTS = 1024
UNIT_MM = 10.0  # cm, as most programs write it

_AXES = "XYZ"
_SCALES = ("Xscale", "Yscale", "Zscale")  # which MotionBuilder and others add
_CANONICAL = {word.upper(): word for word in (*CHANNELS, *_SCALES)}
_COMMENT = (b"#", b"//")
_HEAD_BYTES = 1 << 22  # the longest hierarchy
_LISTED = 6
_WORD = re.compile(r"[{}]|[^\s{}]+", re.ASCII)  # what bytes of another encoding mean is not known: they part no words
_MOTION = re.compile(rb"^[ \t]*MOTION[ \t]*$", re.IGNORECASE | re.MULTILINE)

_ROOT = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
_JOINT = _ROOT[3:]
_NOT_A_NAME = re.compile(r"[\0-\x1f\x7f{}\ud800-\udfff]|^ |  | $")
_DECIMALS = 12
_ROWS = 1024  # made into text at once
_STILL = 1e-9  # rad: an axis without a channel may turn by as much


class Node(NamedTuple):
    """A ROOT, a JOINT, or an End Site, which is named "<parent>.Site"."""

    name: str
    parent: int  # -1 for the root
    offset: tuple[float, float, float]  # the file's unit
    columns: tuple[str, ...]  # of a row, in the file's order: channels, and scales; () where it has none

    @property
    def channels(self) -> tuple[str, ...]:
        """The columns that place or rotate the joint."""
        return tuple(word for word in self.columns if word in CHANNELS)


@dataclasses.dataclass
class _Draft:
    """A node between its braces."""

    name: str
    parent: int
    word: str  # ROOT, JOINT or END
    offset: tuple[float, float, float] | None = None
    columns: tuple[str, ...] | None = None
    turned: bool = False  # OFFSET has three numbers more


def read_bvh(path: Path, options: ReadOptions) -> Motion:
    """One BVH file. It says nothing of its unit of length: without one in `options` it is cm, and a note says so.

    Raises:
        UserError: the file cannot be read or is not BVH; it names file and line.
    """
    data = read_lines(path)
    head = data[:_HEAD_BYTES]
    found = _MOTION.search(head)
    warnings: list[str] = []
    text, encoding = decode(head[: found.start()] if found else head, path)
    if encoding != "utf-8":
        warnings.append(f"names are not UTF-8: read as {encoding}, byte by byte")
    nodes = read_tree(text, path, warnings)
    if not found:
        fail(path, head.count(b"\n") + 1, "the hierarchy is not followed by a line MOTION")
    if not any(node.columns for node in nodes):
        fail(path, 1, "no joint has CHANNELS: there is no motion in it")
    line = head.count(b"\n", 0, found.start()) + 1
    numbers, fps = _motion(data, found.end() + 1, line + 1, nodes, path, options.fps, warnings)
    return _record(nodes, numbers, fps, path, options.unit_mm, warnings)


def _motion(
    data: bytes, start: int, line: int, nodes: list[Node], path: Path, fps: float | None, warnings: list[str]
) -> tuple[np.ndarray, float]:
    """What follows MOTION: numbers `[F, C]` of all columns, and the rate; `fps` takes the place of Frame Time."""
    text, start, line = _next_line(data, start, line)
    frames_line, declared = line, _field(text, "Frames", line, path)
    if not declared.isdecimal() or not declared.isascii() or len(declared) > 18 or not int(declared):
        fail(path, line, f"Frames: {declared[:32]!r}: it must be a whole number above 0")
    text, start, line = _next_line(data, start, line + 1)
    value = _field(text, "Frame Time", line, path)
    try:
        frame_time = float(value)
    except ValueError:
        frame_time = 0.0
    if fps is None and not 1e-6 <= frame_time <= 3600:
        comma = decimal_comma(value.encode())
        fail(path, line, f"Frame Time: {value[:32]!r}: it must be seconds from 1e-6 to 3600{comma}")
    columns, moving = sum(len(node.columns) for node in nodes), _any_moves(nodes)
    names = [f"{column} of {node.name}" for node in nodes for column in node.columns]
    width = 3 + (6 if moving else 3) * len(nodes)
    numbers = read_rows(data[start:], line + 1, columns, path, width, names)
    if len(numbers) < int(declared) and not data.endswith(b"\n"):
        fail(path, frames_line, f"Frames: {declared}, but {len(numbers)} rows follow, and the last has no line end: "
                                f"the file is torn")  # fmt: skip
    if not len(numbers):
        fail(path, frames_line, f"Frames: {declared}, but no row follows")
    if len(numbers) != int(declared):
        warnings.append(f"Frames: {declared}, but the whole rows that follow are {len(numbers)}: all of them are read")
    return numbers, fps or 1 / frame_time


def _next_line(data: bytes, start: int, line: int) -> tuple[bytes, int, int]:
    """The next line with something on it but a comment, where the one after begins, and its number."""
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if data[start:end].strip() and not data[start:end].lstrip().startswith(_COMMENT):
            return data[start : min(end, start + 256)], end + 1, line
        start, line = end + 1, line + 1
    return b"", start, line


def _field(text: bytes, name: str, line: int, path: Path) -> str:
    """What stands after `name:`; the colon may be missing."""
    words = text.decode("ascii", "backslashreplace").replace(":", " : ", 1).split()
    count = len(name.split())
    key, value = words[:count], " ".join(words[count:])
    if [word.upper() for word in key] != name.upper().split():
        shown = " ".join(words).partition(" :")[0][:32]
        fail(path, line, f"{shown!r} where '{name}:' must stand" if shown else f"ends where '{name}:' must stand")
    return value.removeprefix(":").strip()


def _record(
    nodes: list[Node], numbers: np.ndarray, fps: float, path: Path, unit_mm: float | None, warnings: list[str]
) -> Motion:
    unit = UNIT_MM if unit_mm is None else unit_mm
    names, parents = tuple(node.name for node in nodes), tuple(node.parent for node in nodes)
    offsets = np.array([node.offset for node in nodes])
    frames, places = _frames(nodes, offsets, numbers)
    rests = offsets if places is None else np.median(places, axis=0)  # of a place that stands still, exactly that
    x, y, z = nodes[0].offset
    body = Skeleton(
        name=path.stem,
        joints=names,
        parents=parents,
        parts=guess_body_parts(names, parents),
        offsets=np.concatenate([np.zeros((1, 3)), rests[1:] * unit]),  # the root is where its channels say
        translation_mm=unit,
    )
    note = f"unit of length {unit:g} mm, taken for granted: BVH names none"
    return Motion(
        skeleton=body,
        frames=frames,
        fps=fps,
        source=str(path),
        channels=tuple(node.channels for node in nodes),
        places=places,
        root_offset=(x, y, z),
        file_offsets=None if (rests[1:] == offsets[1:]).all() else offsets,
        notes=(note,) if unit_mm is None else (),
        warnings=tuple(warnings),
    )


def _any_moves(nodes: list[Node]) -> bool:
    """Whether a joint below the root has position channels."""
    return any(word.endswith("position") for node in nodes[1:] for word in node.channels)


def _frames(nodes: list[Node], offsets: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Frames `[F, 3 + 3 J]`, and places `[F, J, 3]` where a joint below the root has position channels."""
    frames = np.zeros((len(numbers), 3 + 3 * len(nodes)))
    frames[:, :3] = offsets[0]
    places = np.repeat(offsets[None], len(numbers), axis=0) if _any_moves(nodes) else None
    column = 0
    for joint, node in enumerate(nodes):
        own, column = numbers[:, column : column + len(node.columns)], column + len(node.columns)
        angles = [c for c, word in enumerate(node.columns) if word.endswith("rotation")]
        axes = "".join(node.columns[c][0] for c in angles)
        if angles:
            rotation = quaternion_from_euler(np.deg2rad(own[:, angles]), axes)
            frames[:, 3 + 3 * joint : 6 + 3 * joint] = -rotvec_from_quaternion(rotation)
        for c, word in enumerate(node.columns):
            if word.endswith("position"):
                place = frames[:, :3] if joint == 0 or places is None else places[:, joint]
                place[:, _AXES.index(word[0])] = own[:, c]
    if places is not None:
        places[:, 0] = frames[:, :3]
    return frames, places


def read_tree(text: str, path: Path, warnings: list[str]) -> list[Node]:
    """The nodes in the file's order, the root first. `text` is all above MOTION; to `warnings` is added what is odd.

    Raises `UserError` with the line.
    """
    words = _Words(text, path)
    words.expect("HIERARCHY")
    words.expect("ROOT")
    drafts, within = [_opened(words, "ROOT", -1)], [0]
    while within:
        word = words.take("'}'").upper()
        if word in ("JOINT", "END"):
            if drafts[within[-1]].word == "END":
                words.fail(f"{word} within an End Site: it holds no joint")
            if len(drafts) == MAX_JOINTS:
                words.fail(f"more than {MAX_JOINTS} joints")
            within.append(len(drafts))
            drafts.append(_opened(words, word, within[-2]))
        elif word == "}":
            _check_closed(words, drafts[within.pop()])
        else:
            _read_line(words, word, drafts[within[-1]])
    if left := words.peek():
        words.fail(f"{left[:32]!r} after the body" + ": a file must hold one ROOT" * (left.upper() == "ROOT"))
    _name_uniquely(drafts, warnings)
    if scaled := [draft.name for draft in drafts if set(draft.columns or ()) & set(_SCALES)]:
        others = ", ..." if len(scaled) > _LISTED else ""
        warnings.append(f"scales of joints are not used: {', '.join(scaled[:_LISTED])}{others}")
    if turned := [draft.name for draft in drafts if draft.turned]:
        listed = ", ".join(turned[:_LISTED]) + ", ..." * (len(turned) > _LISTED)
        warnings.append(f"rotations that stand after OFFSET's three numbers are not used: {listed}")
    return [Node(draft.name, draft.parent, draft.offset or (0.0, 0.0, 0.0), draft.columns or ()) for draft in drafts]


class _Words:
    """The words of a text, each with its line; braces are words of their own."""

    def __init__(self, text: str, path: Path) -> None:
        self.line = 1
        self._path = path
        self._words = self._split(text)

    def _split(self, text: str) -> Iterator[tuple[int, str]]:
        for line, content in enumerate(text.split("\n"), 1):
            if not content.lstrip().startswith(("#", "//")):
                for word in _WORD.findall(content):
                    yield line, word

    def peek(self) -> str:
        """The next word, which is gone then; "" at the end."""
        self.line, word = next(self._words, (self.line, ""))
        return word

    def take(self, wanted: str) -> str:
        """The next word; there must be one."""
        word = self.peek()
        return word or self.fail(f"the hierarchy ends where {wanted} must stand")

    def expect(self, wanted: str) -> None:
        """The next word, which must be this one."""
        word = self.take(wanted)
        if word.upper() != wanted:
            self.fail(f"{word[:32]!r} where {wanted} must stand")

    def number(self, wanted: str) -> float:
        """The next word as a number that motion can have."""
        word = self.take(wanted)
        value = _value(word)
        if abs(value) <= LARGEST:
            return value
        if abs(value) > LARGEST:
            self.fail(f"{word[:32]!r}: {wanted} must be within ±{LARGEST:.0f}")
        self.fail(f"{word[:32]!r} where {wanted} must stand{decimal_comma(word.encode())}")

    def fail(self, message: str) -> NoReturn:
        """Raises `UserError` at the last word."""
        fail(self._path, self.line, message)


def _value(word: str) -> float:
    """A word as a number; NaN where it is none."""
    try:
        return float(word) if word.isascii() and "_" not in word else float("nan")
    except ValueError:
        return float("nan")


def _opened(words: _Words, word: str, parent: int) -> _Draft:
    """A node up to its brace; names may have spaces."""
    own: list[str] = []
    while (part := words.take("'{'")) not in ("{", "}") and len(own) < 16:
        own.append(part)
    if part != "{":
        words.fail(f"{part[:32]!r} where '{{' must stand, after {word} and its name")
    name = " ".join(own)
    if word == "END":
        return _Draft("", parent, word)
    if not name:
        words.fail(f"{word} without a name")
    return _Draft(name, parent, word)


def _read_line(words: _Words, word: str, draft: _Draft) -> None:
    """OFFSET or CHANNELS."""
    if word == "OFFSET" and draft.offset is None:
        x, y, z = (words.number("OFFSET's three numbers") for _ in range(3))
        draft.offset = (x, y, z)
    elif draft.offset is not None and draft.columns is None and not draft.turned and abs(_value(word)) <= LARGEST:
        for _ in range(2):  # SOMA's rotation at rest, which its channels hold too
            words.number("OFFSET's six numbers")
        draft.turned = True
    elif word == "CHANNELS" and draft.columns is None:
        draft.columns = _channels(words)
    elif word in ("OFFSET", "CHANNELS"):
        words.fail(f"{word} a second time")
    else:
        words.fail(f"{word[:32]!r}: it must be OFFSET, CHANNELS, JOINT, End Site or '}}'")


def _channels(words: _Words) -> tuple[str, ...]:
    """The count, and as many different channels: 0 to 6, and up to 3 scales."""
    count = words.take("the count of CHANNELS")
    if count not in tuple("0123456789"):
        words.fail(f"CHANNELS {count[:32]}: the count must be 0 to 6, or to 9 with scales")
    channels: list[str] = []
    for _ in range(int(count)):
        word = words.take(f"one of {count} channels")
        if word.upper() not in _CANONICAL:
            words.fail(f"channel {word[:32]!r}: CHANNELS {count} must be followed by {count} of {', '.join(CHANNELS)}")
        if _CANONICAL[word.upper()] in channels:
            words.fail(f"channel {word} twice in one joint")
        channels.append(_CANONICAL[word.upper()])
    return tuple(channels)


def _name_uniquely(drafts: list[_Draft], warnings: list[str]) -> None:
    """Of several joints of one name the first keeps it, and the others are numbered as Blender does: Spine.001.

    End Sites are called by their parent, and numbered where that is taken.
    """
    names = {draft.name for draft in drafts}
    held: set[str] = set()
    for draft in drafts:
        if draft.word == "END":
            continue
        if draft.name in held:
            numbered = (f"{draft.name}.{number:03d}" for number in range(1, MAX_JOINTS + 1))
            free = next(name for name in numbered if name not in names)
            warnings.append(f"several joints are called {draft.name!r}: another is read as {free!r}")
            draft.name = free
        held.add(draft.name)
        names.add(draft.name)
    for draft in drafts:
        if draft.word == "END":
            first = f"{drafts[draft.parent].name}.Site"
            others = (f"{first}{number}" for number in range(2, MAX_JOINTS + 2))
            draft.name = first if first not in names else next(name for name in others if name not in names)
            names.add(draft.name)


def _check_closed(words: _Words, draft: _Draft) -> None:
    if draft.offset is None:
        words.fail(f"{draft.word} {draft.name[:64]} has no OFFSET".replace("END", "End"))


def write_bvh(motion: Motion, path: Path) -> None:
    """Writes lengths in the motion's own unit; joints depth first, as the format nests them.

    A joint keeps the channels that it was read with; channels are added where it moves in ways that those cannot hold.
    A leaf named "<parent>.Site" or "<parent>.End" that never turns becomes an End Site.

    Raises:
        UserError: a joint's name cannot be written.
        OSError: the file cannot be written.
    """
    _check_names(motion, path)
    order = _depth_first(motion.skeleton.parents)
    sites = {joint for joint in order if _is_site(motion, joint)}
    channels, columns = {}, []
    for joint in order:
        words, numbers = ((), []) if joint in sites else _joint(motion, joint)
        channels[joint] = words
        columns += numbers
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in _hierarchy(motion, order, channels, sites))
        file.write(f"MOTION\nFrames: {len(motion.frames)}\nFrame Time: {_frame_time(motion.fps)}\n")
        for start in range(0, len(motion.frames), _ROWS):
            table = np.stack([column[start : start + _ROWS] for column in columns], axis=1) + 0.0  # no -0
            file.writelines(f"{_row(row)}\n" for row in table.tolist())


def _check_names(motion: Motion, path: Path) -> None:
    for name in motion.skeleton.joints:
        if not name or _NOT_A_NAME.search(name):
            raise UserError(f"{path}: joint {name!r} cannot be written: it must be printable, without braces")


def _depth_first(parents: tuple[int, ...]) -> list[int]:
    """Each joint before its children, and a child's own children before the next child."""
    order, open_ = [], [0]
    children: dict[int, list[int]] = {}
    for joint, parent in enumerate(parents):
        children.setdefault(parent, []).append(joint)
    while open_:
        order.append(open_.pop())
        open_ += reversed(children.get(order[-1], []))
    return order


def _is_site(motion: Motion, joint: int) -> bool:
    """Whether a joint is only the end of its parent's bone."""
    body = motion.skeleton
    if joint == 0 or joint in body.parents or (motion.channels is not None and motion.channels[joint]):
        return False
    stem, _, number = body.joints[joint].removeprefix(body.joints[body.parents[joint]]).partition(".")
    named = number in ("End", "Site") or number.removeprefix("Site").isdecimal()
    return not stem and named and not _rotation(motion, joint).any() and not _wandering(motion, joint, ())


def _joint(motion: Motion, joint: int) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The channels of a joint, and what each holds, `[F]`: the file's unit, or degrees."""
    words = _JOINT if joint else _ROOT
    if motion.channels is not None:
        words = motion.channels[joint]
    words = (*_wandering(motion, joint, words), *words)
    kept = "".join(word[0] for word in words if word.endswith("rotation"))
    axes = kept + "".join(axis for axis in "ZXY" if axis not in kept)
    angles = _angles(quaternion_from_rotvec(-_rotation(motion, joint)), axes, len(kept))
    if (np.abs(angles[:, len(kept) :]) > _STILL).any():
        words += tuple(f"{axis}rotation" for axis in axes[len(kept) :])
    degrees = np.round(np.rad2deg(angles), _DECIMALS)
    places = _places(motion, joint)
    return words, [
        degrees[:, axes.index(word[0])] if word.endswith("rotation") else places[:, _AXES.index(word[0])]
        for word in words
    ]


def _angles(rotation: np.ndarray, axes: str, kept: int) -> np.ndarray:
    """Angles `[F, 3]`, rad. Every rotation has two triples; of two kept axes, the one that leaves the third still."""
    angles = euler_from_quaternion(rotation, axes)
    if kept == 2:
        over = np.abs(angles[:, 2]) > np.pi / 2
        other = angles * [1, -1, 1] + np.pi
        angles[over] = np.remainder(other[over] + np.pi, 2 * np.pi) - np.pi
    return angles


def _rotation(motion: Motion, joint: int) -> np.ndarray:
    return motion.frames[:, 3 + 3 * joint : 6 + 3 * joint]


def _places(motion: Motion, joint: int) -> np.ndarray:
    """Where a joint is from its parent, the root from the origin: `[F, 3]`, the file's unit."""
    if joint == 0:
        return motion.frames[:, :3]
    if motion.places is not None:
        return motion.places[:, joint]
    return np.broadcast_to(_bone(motion, joint), (len(motion.frames), 3))


def _rest(motion: Motion, joint: int) -> np.ndarray:
    """The OFFSET `[3]`, the file's unit."""
    if joint == 0:
        return np.array(motion.root_offset)
    return _bone(motion, joint) if motion.file_offsets is None else motion.file_offsets[joint]


def _bone(motion: Motion, joint: int) -> np.ndarray:
    """Where a joint of the body is from its parent, `[3]`, the file's unit."""
    return motion.skeleton.offsets[joint] / motion.skeleton.translation_mm


def _wandering(motion: Motion, joint: int, words: tuple[str, ...]) -> tuple[str, ...]:
    """The position channels that a joint needs beside its own, because it is not where its OFFSET says."""
    rest = _rest(motion, joint)
    away = np.abs(_places(motion, joint) - rest).max(axis=0)
    channels = [f"{axis}position" for axis, most, own in zip(_AXES, away, rest, strict=True) if most > 1e-12 * abs(own)]
    return tuple(word for word in channels if word not in words)


def _hierarchy(
    motion: Motion, order: list[int], channels: dict[int, tuple[str, ...]], sites: set[int]
) -> Iterator[str]:
    """The lines above MOTION."""
    body, depths = motion.skeleton, {-1: -1}
    yield "HIERARCHY"
    for joint, following in zip(order, [*order[1:], -1], strict=True):
        depth = depths[joint] = depths[body.parents[joint]] + 1
        word = "ROOT " if joint == 0 else "JOINT "
        yield "\t" * depth + ("End Site" if joint in sites else word + body.joints[joint])
        yield "\t" * depth + "{"
        yield "\t" * (depth + 1) + "OFFSET " + _offset(motion, joint)
        if joint not in sites:
            yield "\t" * (depth + 1) + " ".join(("CHANNELS", str(len(channels[joint])), *channels[joint]))
        next_depth = depths[body.parents[following]] + 1 if following >= 0 else 0
        for closed in range(depth, next_depth - 1, -1):
            yield "\t" * closed + "}"


def _offset(motion: Motion, joint: int) -> str:
    of_file = not joint or motion.file_offsets is not None
    unit = 1.0 if of_file else motion.skeleton.translation_mm
    lengths = _rest(motion, joint) if of_file else motion.skeleton.offsets[joint]
    return " ".join(_shortest(mm / unit, lambda value, mm=mm: value * unit == mm) for mm in map(float, lengths))


def _frame_time(fps: float) -> str:
    return _shortest(1 / fps, lambda seconds: seconds > 0 and 1 / seconds == fps)


def _shortest(value: float, is_same: Callable[[float], bool]) -> str:
    """The shortest decimal that a reader turns into the same number."""
    near = (value, float(np.nextafter(value, np.inf)), float(np.nextafter(value, -np.inf)))
    texts = [f"{value:.{digits}g}" for digits in range(1, 17)] + [repr(one) for one in near]
    found = next((text for text in texts if is_same(float(text))), repr(value))
    return _plain(float(found))


def _row(row: list[float]) -> str:
    text = " ".join(map(repr, row)) + " "
    return " ".join(map(_plain, row)) if "e" in text else text.replace(".0 ", " ").rstrip()


def _plain(value: float) -> str:
    """The digits that identify a number, without an exponent, which some programs do not read."""
    return np.format_float_positional(value + 0.0, trim="-")


FORMAT = Format("BVH", read=read_bvh, write=write_bvh)
