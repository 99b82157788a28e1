"""Places of joints `[F, J, 3]`: in an .npz with their names and rate, or bare in an .npy.

They are a motion where the body is known: by the names of its joints, or, without names, by their number and by bones
that keep their lengths and are as long on the left as on the right. Rotations are then fitted to them. Of any other
body they are markers.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats._parsing.arrays import Archive, read_array, read_array_header
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.formats.smpl import RATES, choose, find_rate
from motion_jax.data.motion.motion import Markers, Motion, positions
from motion_jax.data.motion.retarget import plain_name
from motion_jax.data.motion.rotations_np import rotvec_from_matrix
from motion_jax.data.motion.units import check_unit
from motion_jax.data.text_files import MAX_NUMBERS
from motion_jax.errors import UserError
from motion_jax.geometry.fit_rotations import fit_frames, measure_bones
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.skeletons.smpl import BODIES, BODY

ARRAYS = ("positions", "joint_positions", "joints3d", "keypoints3d", "joints")
NAMES = ("joint_names", "joints", "names")

_UNITS = ((1000.0, "m"), (10.0, "cm"), (1.0, "mm"))
_HUMAN = (400.0, 3000.0)  # mm, the longest side of a body
_STEADY = 0.15  # of its length: a bone whose length varies by more is none
_ALIKE = 0.25  # of its length: left and right differ by less
_LISTED = 6


class Places(NamedTuple):
    """What a file holds."""

    points: np.ndarray  # [F, J, 3] mm
    unit_mm: float  # mm to the file's unit
    names: tuple[str, ...] | None  # [J]
    fps: float
    source: str
    notes: tuple[str, ...]


def positions_array(archive: Archive) -> str | None:
    """The array of places in an archive; None where there is none."""
    for name in ARRAYS:
        if name in archive.names and not archive.holds_objects(name):
            header = archive.header(name)
            if header.dtype.kind == "f" and len(header.shape) in (3, 4) and header.shape[-1] == 3:
                return name
    return None


def read_places(archive: Archive, name: str, options: ReadOptions) -> Places:
    """The places in one array of an archive. Raises `UserError` that names the array."""
    path = archive.path
    shape = archive.header(name).shape
    _check_size(shape, name, path)
    names = _names(archive, name, shape[-2])
    rate, told = find_rate(archive), options.unit_mm
    if rate is None and options.fps is None:
        raise UserError(_no_rate(path, f"no array {', '.join(RATES)}"))
    if told is None and "unit_mm" in archive.names:
        value = archive.read("unit_mm")
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise UserError(f"{path}: unit_mm must be one number")
        check_unit(told := float(value.ravel()[0]), f"{path}: unit_mm")
    return _places(archive.read(name), name, names, options.fps or rate or 0.0, told, options.person, path)


def read_npy_places(path: Path, options: ReadOptions) -> Places:
    """The places in an .npy. Raises `UserError`."""
    header = read_array_header(path)
    if header.dtype.kind != "f" or len(header.shape) not in (3, 4) or header.shape[-1] != 3:
        raise UserError(
            f"{path}: holds {header.dtype} {list(header.shape)}: it must be joint positions [F, J, 3], or [N, F, J, 3] "
            f"of N people, in floating-point numbers"
        )
    _check_size(header.shape, "its array", path)
    if options.fps is None:
        raise UserError(_no_rate(path, "an .npy holds one array and nothing else"))
    return _places(read_array(path), "its array", None, options.fps, options.unit_mm, options.person, path)


def as_motion(places: Places) -> Motion:
    """A motion whose rotations are fitted. Raises `UserError` where the body is not known, or a joint is nowhere."""
    body, columns, why = _body(places)
    if body is None:
        raise UserError(
            f"{places.source}: holds positions of {places.points.shape[1]} joints, and {why}: they are markers "
            f"(motion-jax convert, read_markers); a motion needs joints by the names of SMPL's body "
            f"({', '.join(BODY.joints[:3])}, ...)"
        )
    points = places.points[:, columns]
    bad = np.argwhere(~np.isfinite(points).all(axis=-1))
    if len(bad):
        where = f"frame {bad[0][0]} has no finite place of {body.joints[bad[0][1]]}"
        raise UserError(f"{places.source}: {where}: a motion needs all")
    measured = dataclasses.replace(measure_bones(body, points), translation_mm=places.unit_mm, true_scale=1.0)
    local = rotvec_from_matrix(fit_frames(measured, points))
    unit = measured.translation_mm
    left = [name for name in places.names or () if plain_name(name) not in map(plain_name, body.joints)]
    notes = [
        *places.notes,
        f"positions of {body.name}'s {len(body.joints)} joints ({why}); rotations are fitted to them, and a turn of a "
        f"bone about itself cannot be seen in them",
    ]
    if left:
        more = f" and {len(left) - _LISTED} more" * (len(left) > _LISTED)
        notes.append(f"not kept: {', '.join(left[:_LISTED])}{more}")
    return Motion(
        skeleton=measured,
        frames=np.concatenate([points[:, 0] / unit, local.reshape(len(local), -1)], axis=1),
        fps=places.fps,
        source=places.source,
        notes=tuple(notes),
    )


def onto_body(places: Places, body: Skeleton) -> np.ndarray:
    """Where a body's joints are, `[F, J, 3]` mm on the scale of its bones; NaN where a joint was not seen.

    Joints are found by their names; without names there must be as many as the body has, in its order.

    Raises:
        UserError: a joint is missing, or there is another number of nameless ones.
    """
    if places.names is None:
        if (found := places.points.shape[1]) != len(body.joints):
            raise UserError(
                f"{places.source}: holds positions of {found} joints without names ({', '.join(NAMES)}): the body "
                f"{body.name!r} has {len(body.joints)}"
            )
        return places.points / body.true_scale
    numbers = {plain_name(name): number for number, name in enumerate(places.names)}
    lacking = [name for name in body.joints if plain_name(name) not in numbers]
    if lacking:
        more = f" and {len(lacking) - _LISTED} more" * (len(lacking) > _LISTED)
        raise UserError(
            f"{places.source}: holds positions of {len(places.names)} joints, none called "
            f"{', '.join(lacking[:_LISTED])}{more}: the body {body.name!r} needs all its {len(body.joints)} joints"
        )
    return places.points[:, [numbers[plain_name(name)] for name in body.joints]] / body.true_scale


def as_markers(places: Places) -> Markers:
    """The places as markers."""
    names = places.names or tuple(f"joint {number}" for number in range(places.points.shape[1]))
    notes = (*places.notes, "positions of joints of an unknown body, kept as markers")
    return Markers(names, places.points, places.fps, 0, places.source, notes)


def is_known_body(places: Places) -> bool:
    """Whether `as_motion` knows whose joints they are."""
    return _body(places)[0] is not None


def write_positions(motion: Motion, path: Path) -> None:
    """Writes an .npz: positions `[F, J, 3]` in the motion's unit, joint_names, parents `[J]`, fps, unit_mm."""
    body = motion.skeleton
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            positions=_in_own_unit(motion),
            joint_names=np.array(body.joints),
            parents=np.array(body.parents, np.int64),
            fps=np.float64(motion.fps),
            unit_mm=np.float64(body.translation_mm * body.true_scale),
        )


def write_npy(motion: Motion, path: Path) -> None:
    """Writes an .npy: positions `[F, J, 3]` in the motion's unit, and nothing else."""
    with path.open("wb") as file:
        np.save(file, _in_own_unit(motion))


def _in_own_unit(motion: Motion) -> np.ndarray:
    return positions(motion) / motion.skeleton.translation_mm


def _no_rate(path: Path, why: str) -> str:
    return f"{path}: does not say its frames per second ({why}): give them by --input_fps (in Python fps=)"


def _check_size(shape: tuple[int, ...], name: str, path: Path) -> None:
    numbers = int(np.prod([float(length) for length in shape]))
    if not 1 <= numbers <= MAX_NUMBERS or shape[-2] > 1024:
        raise UserError(
            f"{path}: {name} is {list(shape)}: it must be frames of 1024 joints at most, {MAX_NUMBERS} numbers together"
        )


def _names(archive: Archive, name: str, joints: int) -> tuple[str, ...] | None:
    for other in NAMES:
        if other != name and other in archive.names and archive.header(other).dtype.kind == "U":
            names = archive.read(other)
            if names.shape != (joints,) or len(set(names.tolist())) < joints:
                raise UserError(
                    f"{archive.path}: {other} is {list(names.shape)}: it must be {joints} different names, as {name} "
                    f"has {joints} joints"
                )
            return tuple(names.tolist())
    return None


def _places(
    values: np.ndarray,
    name: str,
    names: tuple[str, ...] | None,
    fps: float,
    unit_mm: float | None,
    person: int | None,
    path: Path,
) -> Places:
    people = len(values) if values.ndim == 4 else 1
    if person is None and people > 1:
        raise UserError(f"{path}: {name} holds {people} people: {choose(people)}")
    if person is not None and person > people:
        raise UserError(f"{path}: person {person}: it holds {people}: it must be 1 to {people}")
    points = (values[(person or 1) - 1] if values.ndim == 4 else values).astype(np.float64)
    if np.abs(points[np.isfinite(points)]).max(initial=0.0) > 1e9:
        raise UserError(f"{path}: {name} has {np.nanmax(np.abs(points)):g}: no body is so far away")
    notes: tuple[str, ...] = ()
    if unit_mm is None:
        unit_mm, word = _unit(points, path)
        notes = (f"unit of length {word}, taken for granted by the body's size (--unit_mm says otherwise)",)
    return Places(points * unit_mm, unit_mm, names, fps, str(path), notes)


def _unit(points: np.ndarray, path: Path) -> tuple[float, str]:
    """mm to the unit in which a body has a human's size. Raises `UserError` where there is none."""
    give = "give --unit_mm where a command has it, or unit_mm in an .npz"
    whole = points[np.isfinite(points).all(axis=(1, 2))]
    if not len(whole):
        raise UserError(
            f"{path}: none of its {len(points)} frames has a place of every joint, which its unit is told by: {give}"
        )
    whole = whole[whole.any(axis=(1, 2))]
    if not len(whole):
        raise UserError(f"{path}: nobody is in any of its {len(points)} frames: all places are zero")
    size = float(np.median(np.ptp(whole, axis=1).max(axis=-1)))
    for unit, word in _UNITS:
        if _HUMAN[0] <= size * unit <= _HUMAN[1]:
            return unit, word
    raise UserError(f"{path}: the body is {size:g} long, which is no human's size in m, cm or mm: {give}")


def _body(places: Places) -> tuple[Skeleton | None, list[int], str]:
    """The body, the place of each of its joints in the file, and why it is that one or none."""
    if places.names is not None:
        numbers = {plain_name(name): number for number, name in enumerate(places.names)}
        own = sorted(BODIES.values(), key=lambda body: -len(body.joints))
        for body in (*own, *(body.with_absolute_root for body in SKELETONS.values())):
            found = [numbers.get(plain_name(name)) for name in body.joints]
            if None not in found:
                return body, [number for number in found if number is not None], "by their names"
        return None, [], "their names are those of no known body"
    body = BODIES.get(places.points.shape[1])
    if body is None:
        return None, [], f"there is no array of their names ({', '.join(NAMES)})"
    if (odd := _oddity(places.points, body)) is not None:
        return None, [], f"there is no array of their names, and in SMPL's order {odd}"
    return body, list(range(len(body.joints))), "in SMPL's order, by their number and bones"


def _oddity(points: np.ndarray, body: Skeleton) -> str | None:
    """What tells that places are not those of this body's joints."""
    seen = points[np.isfinite(points).all(axis=(1, 2))]
    if not len(seen):
        return "no frame is whole"
    children = list(range(1, 22))
    lengths = np.linalg.norm(seen[:, children] - seen[:, [body.parents[child] for child in children]], axis=-1)
    middle = np.median(lengths, axis=0)
    varied = np.std(lengths, axis=0) > _STEADY * middle
    if varied.any():
        return f"the bone to {body.joints[children[int(np.argmax(varied))]]} changes its length"
    for number, child in enumerate(children):
        name = body.joints[child]
        if name.startswith("left_"):
            other = middle[children.index(body.joints.index(name.replace("left_", "right_")))]
            if abs(middle[number] - other) > _ALIKE * max(middle[number], other):
                return f"the bones to {name} and to its like on the right differ in length"
    return None


def _read_npy(path: Path, options: ReadOptions) -> Motion:
    return as_motion(read_npy_places(path, options))


def _read_npy_markers(path: Path, options: ReadOptions) -> Markers:
    return as_markers(read_npy_places(path, options))


NPY_FORMAT = Format(
    "numpy's array of positions",
    read=_read_npy,
    write=write_npy,
    read_markers=_read_npy_markers,
    several_people=True,
)
