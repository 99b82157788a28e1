"""BVH, the hierarchy of Biovision: a tree of joints, their channels, and one row of numbers a frame.

The meaning is that which the programs that write the files give them: the local rotation of a joint is the product of
its rotation channels in their order, R = R1 R2 R3 on column vectors, wherever its position channels stand among them;
position channels say where a joint is from its parent and take the place of its OFFSET.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from motion_jax.data.formats._parsing.parts import guess_parts
from motion_jax.data.formats._parsing.rows import decode, fail, read_lines, read_rows
from motion_jax.data.formats.bvh_tree import Node, read_tree
from motion_jax.data.formats.format import ReadOptions
from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import quaternion_from_euler, rotvec_from_quaternion
from motion_jax.skeletons.skeleton import Skeleton

UNIT_MM = 10.0  # cm, as most programs write it

_HEAD_BYTES = 1 << 22  # the longest hierarchy
_MOTION = re.compile(rb"^[ \t]*MOTION[ \t]*$", re.IGNORECASE | re.MULTILINE)
_AXES = "XYZ"


def read_bvh(path: Path, options: ReadOptions) -> Motion:
    """One BVH file. It says nothing of its unit of length: without one in `options` it is cm, and a note says so.

    Raises:
        UserError: the file cannot be read or is not BVH; it names file and line.
    """
    data = read_lines(path)
    head = data[:_HEAD_BYTES]
    found = _MOTION.search(head)
    nodes = read_tree(decode(head[: found.start()] if found else head, path), path)
    if not found:
        fail(path, head.count(b"\n") + 1, "the hierarchy is not followed by a line MOTION")
    if not any(node.channels for node in nodes):
        fail(path, 1, "no joint has CHANNELS: there is no motion in it")
    line = head.count(b"\n", 0, found.start()) + 1
    numbers, fps = _motion(data, found.end() + 1, line + 1, nodes, path, options.fps)
    return _record(nodes, numbers, fps, path, options.unit_mm)


def _motion(
    data: bytes, start: int, line: int, nodes: list[Node], path: Path, fps: float | None
) -> tuple[np.ndarray, float]:
    """What follows MOTION: numbers `[F, C]` of all channels, and the rate; `fps` takes the place of Frame Time."""
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
        fail(path, line, f"Frame Time: {value[:32]!r}: it must be seconds from 1e-6 to 3600")
    columns, moving = sum(len(node.channels) for node in nodes), _any_moves(nodes)
    numbers = read_rows(data[start:], line + 1, columns, path, width=3 + (6 if moving else 3) * len(nodes))
    if len(numbers) != int(declared):
        fail(path, frames_line, f"Frames: {declared}, but {len(numbers)} rows follow: the counts must agree")
    return numbers, fps or 1 / frame_time


def _next_line(data: bytes, start: int, line: int) -> tuple[bytes, int, int]:
    """The next line with something on it, where the one after begins, and its number."""
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if data[start:end].strip():
            return data[start : min(end, start + 256)], end + 1, line
        start, line = end + 1, line + 1
    return b"", start, line


def _field(text: bytes, name: str, line: int, path: Path) -> str:
    """What stands after `name:`."""
    key, colon, value = text.decode("ascii", "backslashreplace").partition(":")
    if not colon or key.upper().split() != name.upper().split():
        shown = key.strip()[:32]
        fail(path, line, f"{shown!r} where '{name}:' must stand" if shown else f"ends where '{name}:' must stand")
    return value.strip()


def _record(nodes: list[Node], numbers: np.ndarray, fps: float, path: Path, unit_mm: float | None) -> Motion:
    unit = UNIT_MM if unit_mm is None else unit_mm
    names, parents = tuple(node.name for node in nodes), tuple(node.parent for node in nodes)
    offsets = np.array([node.offset for node in nodes])
    frames, places = _frames(nodes, offsets, numbers)
    x, y, z = nodes[0].offset
    body = Skeleton(
        name=path.stem,
        joints=names,
        parents=parents,
        parts=guess_parts(names, parents),
        offsets=np.concatenate([np.zeros((1, 3)), offsets[1:] * unit]),  # the root is where its channels say
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
        notes=(note,) if unit_mm is None else (),
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
        own, column = numbers[:, column : column + len(node.channels)], column + len(node.channels)
        turns = [c for c, word in enumerate(node.channels) if word.endswith("rotation")]
        axes = "".join(node.channels[c][0] for c in turns)
        if turns:
            turn = quaternion_from_euler(np.deg2rad(own[:, turns]), axes)
            frames[:, 3 + 3 * joint : 6 + 3 * joint] = -rotvec_from_quaternion(turn)
        for c, word in enumerate(node.channels):
            if word.endswith("position"):
                place = frames[:, :3] if joint == 0 or places is None else places[:, joint]
                place[:, _AXES.index(word[0])] = own[:, c]
    if places is not None:
        places[:, 0] = frames[:, :3]
    return frames, places
