"""What a motion file holds, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from motion_jax.data.motion.motion import Markers, Motion, moving_joints, positions
from motion_jax.data.motion.rates import nominal_rate
from motion_jax.runtime.names import in_line

_STILL = 1e-6  # rad
_HUMAN = (400.0, 3000.0)  # mm: a body of another size was probably read in a wrong unit
_SAMPLED = 200  # frames in which it is measured
_LISTED = 12


def describe_motion(motion: Motion, form: str) -> str:
    """Several lines on a motion; `form` is the name of its format."""
    return "\n".join(f"{name:<12} {in_line(value)}" for name, value in _motion_lines(motion, form))


def describe_markers(markers: Markers, form: str) -> str:
    """Several lines on markers; `form` is the name of their format."""
    seen = np.isfinite(markers.points).all(axis=-1)
    rows = (
        ("file", markers.source),
        ("format", f"{form}: positions of labelled markers, no body and no rotations"),
        ("frames", _frames(len(markers.points), markers.fps) + f", the first is number {markers.first_frame}"),
        ("markers", f"{len(markers.names)}: {_listed(markers.names)}"),
        ("seen", f"{100 * seen.mean():.1f} % of all places" if seen.size else "none"),
    )
    return "\n".join(
        f"{name:<12} {in_line(value)}" for name, value in (*rows, *(("note", note) for note in markers.notes))
    )


def _motion_lines(motion: Motion, form: str) -> Iterator[tuple[str, str]]:
    body = motion.skeleton
    turning = np.ptp(motion.frames[:, 3:].reshape(len(motion.frames), -1, 3), axis=0).max(axis=-1) > _STILL
    yield "file", motion.source
    yield "format", form
    yield "body", f"{body.name}: {len(body.joints)} joints, {int(turning.sum())} of them turn; root {body.joints[0]}"
    if motion.channels is not None:
        yield "channels", _channels(motion)
    yield "frames", _frames(len(motion.frames), motion.fps)
    yield "unit", f"{body.translation_mm * body.true_scale:g} mm"
    yield "size", _size(motion)
    path = np.linalg.norm(np.diff(motion.frames[:, :3], axis=0), axis=1).sum() * body.translation_mm * body.true_scale
    yield "root", f"travels {path / 1000:.2f} m"
    yield "places", _places(motion)
    for note in (*motion.notes, *motion.warnings):
        yield "note", note


def _frames(count: int, fps: float) -> str:
    fps = nominal_rate(fps)
    return f"{count} at {fps:.6g} per second: {(count - 1) / fps:.3f} s"


def _channels(motion: Motion) -> str:
    """How many, and the orders of rotation with their joints counted."""
    channels = motion.channels or ((),)
    orders = ["".join(word[0] for word in words if word.endswith("rotation")) for words in channels if words]
    counts = ", ".join(f"{order or 'no rotation'} on {orders.count(order)}" for order in dict.fromkeys(orders))
    return f"{sum(map(len, channels))}; {counts}; root {' '.join(channels[0])}"


def _size(motion: Motion) -> str:
    """The longest side of the box around the body, in the middle of some frames; of a standing body, its height."""
    some = np.linspace(0, len(motion.frames) - 1, min(_SAMPLED, len(motion.frames))).astype(int)
    thin = Motion(
        motion.skeleton, motion.frames[some], motion.fps, motion.source, motion.channels,
        None if motion.places is None else motion.places[some],
    )  # fmt: skip
    size = float(np.median(np.ptp(positions(thin), axis=1).max(axis=-1))) * motion.skeleton.true_scale
    odd = "" if _HUMAN[0] <= size <= _HUMAN[1] else "; no human has this size: is the unit right (--unit_mm)?"
    return f"{size / 1000:.3f} m, the longest side of the body{odd}"


def _places(motion: Motion) -> str:
    if motion.places is None:
        return "only the root moves from its place"
    names = moving_joints(motion)
    held = sum(any(word.endswith("position") for word in words) for words in (motion.channels or ())[1:])
    return f"{held} joints below the root have positions; {len(names)} of them move{': ' * bool(names)}{_listed(names)}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest
