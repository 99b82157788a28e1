"""A motion in numpy's archive: everything that the record holds, bit for bit, and no pickle."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from motion_jax.data.formats._parsing.arrays import read_arrays
from motion_jax.data.formats.bvh import CHANNELS
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.motion.motion import Channels, Markers, Motion
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

_NEEDED = ("frames", "fps", "joints", "parents", "parts", "offsets", "translation_mm")
_KINDS = {"i": "whole numbers", "f": "numbers", "U": "text"}


def write_npz(motion: Motion, path: Path) -> None:
    """Writes a motion. Text is held as numpy's own; `channels` as one line of words a joint."""
    body = motion.skeleton
    arrays = {
        "frames": motion.frames,
        "fps": np.float64(motion.fps),
        "name": np.array(body.name),
        "joints": np.array(body.joints),
        "parents": np.array(body.parents, np.int64),
        "parts": np.array(body.parts),
        "offsets": body.offsets,
        "translation_mm": np.float64(body.translation_mm),
        "true_scale": np.float64(body.true_scale),
        "root_offset": np.array(motion.root_offset, np.float64),
    }
    if motion.channels is not None:
        arrays["channels"] = np.array([" ".join(words) for words in motion.channels])
    if motion.file_offsets is not None:
        arrays["file_offsets"] = motion.file_offsets
    if motion.places is not None:
        arrays["places"] = motion.places
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def write_npz_markers(markers: Markers, path: Path) -> None:
    """Writes markers: names `[M]`, points `[F, M, 3]` mm, fps, first_frame."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            names=np.array(markers.names),
            points=markers.points,
            fps=np.float64(markers.fps),
            first_frame=np.int64(markers.first_frame),
        )


def read_npz(path: Path, options: ReadOptions) -> Motion:
    """A motion that `write_npz` wrote, or that has its arrays. Raises `UserError`."""
    if options.unit_mm is not None:
        raise UserError(f"{path}: it states its unit of length itself: unit_mm={options.unit_mm} must not be given")
    arrays = read_arrays(path)
    for name in _NEEDED:
        if name not in arrays and not (name == "fps" and options.fps):
            raise UserError(f"{path}: holds no array {name!r}: a motion needs {', '.join(_NEEDED)}")
    frames = _table(arrays, "frames", "f", 2, path)
    return Motion(
        skeleton=_skeleton(arrays, path),
        frames=frames.astype(np.float64),
        fps=options.fps or _number(arrays, "fps", path),
        source=str(path),
        channels=_channels(arrays, path),
        places=_table(arrays, "places", "f", 3, path).astype(np.float64) if "places" in arrays else None,
        root_offset=_root_offset(arrays, path),
        file_offsets=_file_offsets(arrays, path),
    )


def _skeleton(arrays: dict[str, np.ndarray], path: Path) -> Skeleton:
    joints = _table(arrays, "joints", "U", 1, path)
    if len(joints) > 1024:
        raise UserError(f"{path}: {len(joints)} joints: it must be 1024 at most")
    name = str(_table(arrays, "name", "U", 0, path)) if "name" in arrays else path.stem
    try:
        return Skeleton(
            name=name,
            joints=tuple(joints.tolist()),
            parents=tuple(_table(arrays, "parents", "i", 1, path).tolist()),
            parts=tuple(_table(arrays, "parts", "U", 1, path).tolist()),
            offsets=_table(arrays, "offsets", "f", 2, path),
            translation_mm=_number(arrays, "translation_mm", path),
            true_scale=_number(arrays, "true_scale", path) if "true_scale" in arrays else 1.0,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}".replace(f"{path}: {path}: ", f"{path}: ")) from None


def _channels(arrays: dict[str, np.ndarray], path: Path) -> Channels | None:
    if "channels" not in arrays:
        return None
    channels = tuple(tuple(words.split()) for words in _table(arrays, "channels", "U", 1, path).tolist())
    for words in channels:
        if len(set(words)) < len(words) or set(words) - set(CHANNELS):
            raise UserError(f"{path}: channels {' '.join(words)[:99]}: must be different ones of {', '.join(CHANNELS)}")
    return channels


def _root_offset(arrays: dict[str, np.ndarray], path: Path) -> tuple[float, float, float]:
    if "root_offset" not in arrays:
        return 0.0, 0.0, 0.0
    values = _table(arrays, "root_offset", "f", 1, path).tolist()
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise UserError(f"{path}: root_offset {values[:4]}: it must be 3 finite numbers")
    return values[0], values[1], values[2]


def _file_offsets(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray | None:
    if "file_offsets" not in arrays:
        return None
    values = _table(arrays, "file_offsets", "f", 2, path).astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"{path}: file_offsets must be finite numbers")
    return values


def _number(arrays: dict[str, np.ndarray], name: str, path: Path) -> float:
    value = float(_table(arrays, name, "f", 0, path))
    if not 0 < value < math.inf:
        raise UserError(f"{path}: {name} is {value}: it must be a finite number above 0")
    return value


def _table(arrays: dict[str, np.ndarray], name: str, kind: str, axes: int, path: Path) -> np.ndarray:
    """An array of a kind and a number of axes; whole numbers are numbers too."""
    array = arrays[name]
    if array.dtype.kind not in {"f": "fiu", "i": "iu"}.get(kind, kind) or array.ndim != axes:
        found = f"{array.dtype} {list(array.shape)}"
        raise UserError(f"{path}: {name} is {found}: it must be {_KINDS[kind]} with {axes} axes")
    return array


FORMAT = Format("numpy's archive", read=read_npz, write=write_npz, write_markers=write_npz_markers)
