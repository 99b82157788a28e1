"""Numpy's archive: whatever the names of its arrays say, never a pickle.

A motion of ours (`frames` and `joints`: everything that the record holds, bit for bit), SMPL parameters
(`formats.smpl`), positions of joints (`formats.joint_positions`) or markers (`names` and `points`). Written is what a
motion came of, SMPL parameters or ours; `.motion.npz`, `.smpl.npz` and `.positions.npz` say which.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.formats import joint_positions, smpl
from motion_jax.data.formats._parsing.arrays import Archive, open_archive, read_array_header
from motion_jax.data.formats.bvh import CHANNELS
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.motion.motion import Channels, Markers, Motion
from motion_jax.data.motion.units import check_unit
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

_NEEDED = ("frames", "fps", "joints", "parents", "parts", "offsets", "translation_mm")
_EXTRA = "extra."  # before the names of arrays that a motion carries without reading them
_KINDS = {"i": "whole numbers", "f": "numbers", "U": "text"}


def write_npz(motion: Motion, path: Path) -> None:
    """Writes a motion in the arrays that it came of: SMPL parameters again, else ours."""
    (smpl.write_smpl if smpl.from_smpl(motion) else write_own)(motion, path)


def write_own(motion: Motion, path: Path) -> None:
    """Writes a motion in arrays of ours. Text is held as numpy's own; `channels` as one line of words a joint."""
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
    arrays |= {_EXTRA + name: array for name, array in motion.extras.items()}
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
    """The motion in an archive, of whatever arrays. Raises `UserError`."""
    with open_archive(path) as archive:
        if {"frames", "joints"} <= set(archive.names):
            return _read_own(archive, options)
        if smpl.is_smpl(archive.names):
            return smpl.read_smpl(archive, options)
        if {"names", "points"} <= set(archive.names):
            raise UserError(f"{path}: holds markers (names, points), and a motion needs the rotations of joints")
        if (name := joint_positions.positions_array(archive)) is not None:
            return joint_positions.as_motion(joint_positions.read_places(archive, name, options))
        return _read_own(archive, options)


def read_npz_markers(path: Path, options: ReadOptions) -> Markers:
    """Markers that `write_npz_markers` wrote, or positions of joints. Raises `UserError`."""
    with open_archive(path) as archive:
        if {"names", "points"} <= set(archive.names):
            return _read_own_markers(archive, options)
        if (name := joint_positions.positions_array(archive)) is not None:
            return joint_positions.as_markers(joint_positions.read_places(archive, name, options))
        raise UserError(
            f"{path}: holds no markers: looked for names and points, or one of {', '.join(joint_positions.ARRAYS)}"
        )


def read_places(path: Path, options: ReadOptions) -> joint_positions.Places | None:
    """The positions of joints in an .npz or .npy; None where it holds something else. Raises `UserError`."""
    if path.suffix.lower() == ".npy":
        return joint_positions.read_npy_places(path, options)
    with open_archive(path) as archive:
        name = joint_positions.positions_array(archive)
        if {"frames", "joints"} <= set(archive.names) or smpl.is_smpl(archive.names) or name is None:
            return None
        return joint_positions.read_places(archive, name, options)


def holds_motion(path: Path) -> bool:
    """Whether an .npz or .npy holds a motion, by the names and shapes of its arrays; a broken one may."""
    return _holds(path) == "motion"


def holds_markers(path: Path) -> bool:
    """Whether an .npz or .npy holds markers, or positions of joints of an unknown body."""
    return _holds(path) == "markers"


def _holds(path: Path) -> str:
    """What an .npz or .npy holds: motion, markers, or neither ("")."""
    try:
        if path.suffix.lower() == ".npy":
            shape = read_array_header(path).shape
            if len(shape) not in (3, 4) or shape[-1] != 3:
                return ""
            return _kind_of_places(joint_positions.read_npy_places(path, _LOOKING))
        with open_archive(path) as archive:
            names = set(archive.names)
            if {"frames", "joints"} <= names or smpl.is_smpl(archive.names):
                return "motion"
            if {"names", "points"} <= names:
                return "markers"
            name = joint_positions.positions_array(archive)
            return "" if name is None else _kind_of_places(joint_positions.read_places(archive, name, _LOOKING))
    except UserError:
        return "motion"  # reading says why not


def _kind_of_places(places: joint_positions.Places) -> str:
    return "motion" if joint_positions.is_known_body(places) else "markers"


def _read_own_markers(archive: Archive, options: ReadOptions) -> Markers:
    """Markers in arrays of ours."""
    path, arrays = archive.path, archive.read_all()
    names, points = _table(arrays, "names", "U", 1, path), _table(arrays, "points", "f", 3, path)
    if points.shape[1:] != (len(names), 3) or not len(points):
        raise UserError(f"{path}: points is {list(points.shape)}: it must be [F, {len(names)}, 3], as there are names")
    if "fps" not in arrays and not options.fps:
        raise UserError(f"{path}: holds no array 'fps': give the rate by --input_fps (in Python fps=)")
    return Markers(
        names=tuple(names.tolist()),
        points=points.astype(np.float64) * (options.unit_mm or 1.0),
        fps=options.fps or _number(arrays, "fps", path),
        first_frame=int(_table(arrays, "first_frame", "i", 0, path)) if "first_frame" in arrays else 0,
        source=str(path),
    )


def _read_own(archive: Archive, options: ReadOptions) -> Motion:
    """A motion in arrays of ours. Raises `UserError`."""
    path = archive.path
    if options.unit_mm is not None:
        raise UserError(f"{path}: it states its unit of length itself: unit_mm={options.unit_mm} must not be given")
    arrays = archive.read_all()
    for name in _NEEDED:
        if name not in arrays and not (name == "fps" and options.fps):
            raise UserError(f"{path}: holds no array {name!r}: {_looked_for(arrays)}")
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
        extras={name.removeprefix(_EXTRA): array for name, array in arrays.items() if name.startswith(_EXTRA)},
    )


def _looked_for(arrays: dict[str, np.ndarray]) -> str:
    """What an archive of other arrays lacks."""
    needed = f"a motion needs {', '.join(_NEEDED)}"
    if set(arrays) & set(_NEEDED[:1] + _NEEDED[2:]):
        return needed
    return (
        f"{needed}; or SMPL parameters (poses and trans; root_orient and pose_body; global_orient and body_pose; "
        f"pose_world), or positions [F, J, 3]; it has {', '.join(name[:32] for name in list(arrays)[:12]) or 'none'}"
    )


def _skeleton(arrays: dict[str, np.ndarray], path: Path) -> Skeleton:
    joints = _table(arrays, "joints", "U", 1, path)
    if len(joints) > 1024:
        raise UserError(f"{path}: {len(joints)} joints: it must be 1024 at most")
    name = str(_table(arrays, "name", "U", 0, path)) if "name" in arrays else path.stem
    check_unit(unit := _number(arrays, "translation_mm", path), f"{path}: translation_mm")
    try:
        return Skeleton(
            name=name,
            joints=tuple(joints.tolist()),
            parents=tuple(_table(arrays, "parents", "i", 1, path).tolist()),
            parts=tuple(_table(arrays, "parts", "U", 1, path).tolist()),
            offsets=_table(arrays, "offsets", "f", 2, path),
            translation_mm=unit,
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


_LOOKING = ReadOptions(unit_mm=1.0, fps=1.0, person=1)
_READ: dict[str, Any] = {"read": read_npz, "read_markers": read_npz_markers, "several_people": True}

FORMAT = Format("numpy's archive", write=write_npz, write_markers=write_npz_markers, **_READ)
OWN_FORMAT = Format("numpy's archive of a motion", write=write_own, **_READ)
SMPL_FORMAT = Format("SMPL parameters", write=smpl.write_smpl, own_unit=True, **_READ)
POSITIONS_FORMAT = Format("positions in numpy's archive", write=joint_positions.write_positions, **_READ)
