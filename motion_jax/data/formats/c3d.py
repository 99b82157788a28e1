"""C3D, the format of biomechanics: labelled markers in space, read with the package `c3d` (extra `c3d`).

A file holds no body and no rotation, so that it becomes `Markers` and never a motion.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.formats._parsing.units import LENGTHS_MM
from motion_jax.data.formats.format import ReadOptions
from motion_jax.data.motion.motion import Markers
from motion_jax.errors import UserError

MAX_BYTES = 1 << 30  # read frame by frame; the other instruments take most of it
MAX_FRAMES = 1 << 17  # 22 minutes at 100 Hz; the package takes some 10 microseconds a frame
MAX_PLACES = 1 << 23  # 14 minutes of 100 markers at 100 Hz
MAX_LABELS = 1 << 16

_MOST_BYTES = (1 << 16) - 1  # of a frame's points: the package counts them in 16 bits


def read_c3d(path: Path, options: ReadOptions) -> Markers:
    """The labelled markers of one .c3d file; a marker that was not seen (residual below 0) is NaN.

    Raises:
        UserError: the package is missing, or the file cannot be read, is no C3D or is broken.
    """
    try:
        import c3d
    except ImportError:
        raise UserError(f"{path}: C3D is read by the package c3d: pip install 'motion-jax[c3d]'") from None
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: has {size} bytes: it must be at most {MAX_BYTES}")
        with path.open("rb") as file, warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of what the package finds odd; what matters is checked below
            return _markers(path, c3d.Reader(file), size, options)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UserError:
        raise
    except Exception as error:  # the package asserts, unpacks and indexes what the file says
        what = " ".join(str(error).split())
        raise UserError(f"{path}: is not C3D, or is broken: {type(error).__name__}: {what[:200]}") from None


def _markers(path: Path, reader: Any, size: int, options: ReadOptions) -> Markers:
    frames = _check_size(path, reader, size)
    names = _names(path, reader)
    rate = options.fps or float(reader.point_rate)
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"{path}: POINT:RATE is {rate}: it must be frames per second above 0")
    unit = options.unit_mm or _unit_mm(path, reader)
    rows = np.empty((frames, reader.point_used, 4), np.float32)
    count = 0
    for count, (_, row, _) in enumerate(reader.read_frames(copy=False, check_nan=False), 1):
        rows[count - 1] = row[:, :4]
    seen = (rows[..., 3:] >= 0) & np.isfinite(rows).all(axis=-1, keepdims=True)
    points = np.where(seen, rows[..., :3].astype(np.float64) * unit, np.nan)
    if count != frames:
        raise UserError(f"{path}: {count} frames of the {frames} that its header names: the file is torn")
    return Markers(names, points, rate, int(reader.first_frame), str(path))


def _check_size(path: Path, reader: Any, size: int) -> int:
    """How many frames there are. Raises `UserError` where the file is too small for what its header says."""
    points, frames = int(reader.point_used), int(reader.last_frame) - int(reader.first_frame) + 1
    if points < 1 or not 1 <= frames <= min(MAX_FRAMES, MAX_PLACES // points):
        allowed = f"1 to {MAX_FRAMES} of at least 1, {MAX_PLACES} places at most"
        raise UserError(f"{path}: {frames} frames of {points} points: it must be {allowed}")
    word = 4 if reader.point_scale < 0 else 2
    channels = int(reader.analog_used) * int(reader.analog_per_frame)
    if word * max(4 * points, channels) > _MOST_BYTES:
        raise UserError(f"{path}: {points} points and {channels} other numbers a frame: the package c3d reads fewer")
    needed = 512 * (reader.header.data_block - 1) + frames * word * (4 * points + channels)
    if needed > size:
        raise UserError(f"{path}: has {size} bytes, and {frames} frames of {points} points need {needed}: it is torn")
    return frames


def _names(path: Path, reader: Any) -> tuple[str, ...]:
    """The labels of the points; those beyond the labels are numbered."""
    points = int(reader.point_used)
    labels: list[str] = []
    for key in ("POINT:LABELS", *(f"POINT:LABELS{number}" for number in range(2, 260))):
        parameter = reader.get(key)
        if parameter is None or len(labels) >= points:
            break
        if math.prod(parameter.dimensions[1:]) > min(MAX_LABELS, len(parameter.bytes)):
            raise UserError(f"{path}: {key} has dimensions {parameter.dimensions} in {len(parameter.bytes)} bytes")
        labels += [str(label).strip(" \0") for label in np.ravel(parameter.string_array)]
    labels = labels[:points]
    return tuple(label or f"point {n}" for n, label in enumerate([*labels, *[""] * (points - len(labels))], 1))


def _unit_mm(path: Path, reader: Any) -> float:
    parameter = reader.get("POINT:UNITS")
    word = "" if parameter is None else parameter.string_value.strip(" \0").lower()
    if word not in LENGTHS_MM:
        raise UserError(f"{path}: POINT:UNITS is {word[:32]!r}: it must be one of {', '.join(LENGTHS_MM)}")
    return LENGTHS_MM[word]
