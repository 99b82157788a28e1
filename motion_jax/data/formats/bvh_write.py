"""Writes BVH that reads back as the same motion, and that other programs open.

Positions, offsets and the frame time are written with the digits that identify them; angles with twelve decimals of a
degree, 1e-14 rad. Rotations come back as the same rotation, by angles in the principal range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rotations_np import euler_from_quaternion, quaternion_from_rotvec
from motion_jax.errors import UserError

_ROOT = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
_JOINT = _ROOT[3:]
_DECIMALS = 12
_ROWS = 1024  # made into text at once
_STILL = 1e-9  # rad: an axis without a channel may turn by as much
_AXES = "XYZ"


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
        if not name or " ".join(name.split()) != name or set(name) & set("{}") or not name.isprintable():
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


def _angles(turn: np.ndarray, axes: str, kept: int) -> np.ndarray:
    """Angles `[F, 3]`, rad. Every rotation has two triples; of two kept axes, the one that leaves the third still."""
    angles = euler_from_quaternion(turn, axes)
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
    return np.broadcast_to(_rest(motion, joint), (len(motion.frames), 3))


def _rest(motion: Motion, joint: int) -> np.ndarray:
    """The OFFSET `[3]`, the file's unit."""
    body = motion.skeleton
    return np.array(motion.root_offset) if joint == 0 else body.offsets[joint] / body.translation_mm


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
    unit = motion.skeleton.translation_mm if joint else 1.0
    lengths = motion.skeleton.offsets[joint] if joint else motion.root_offset
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
