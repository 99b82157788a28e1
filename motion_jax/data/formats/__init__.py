"""Motion files by suffix: one plain table says which module reads and writes which.

A format is a module with a record `Format` and a line in `FORMATS`. Another package adds its own by an entry point of
the group `motion_jax.formats`, whose name is the suffix and whose object is the record; see docs/adding_a_format.md.
Of a suffix of two words (`.smpl.npz`) the longer one counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from motion_jax.data.finite import check_values
from motion_jax.data.formats import acclaim, bva, bvh, c3d, htr, joint_positions, npz, text
from motion_jax.data.formats._plugins import Registry
from motion_jax.data.formats.format import Format, ReadOptions
from motion_jax.data.formats.joint_positions import Places
from motion_jax.data.formats.npz import holds_motion
from motion_jax.data.formats.unread import why_unread
from motion_jax.data.motion.motion import Markers, Motion, in_unit, positions
from motion_jax.data.motion.rates import check_rate
from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.units import check_unit
from motion_jax.errors import UserError
from motion_jax.runtime.files import written_atomically

__all__ = [
    "FORMATS", "Format", "Markers", "Motion", "Places", "ReadOptions", "check_written", "format_of", "holds_markers",
    "holds_motion", "in_unit", "positions", "read_markers", "read_motion", "read_places", "resample", "write_markers",
    "write_motion",
]  # fmt: skip

FORMATS: Mapping[str, Format] = Registry(
    {
        ".bvh": bvh.FORMAT,
        ".txt": text.FORMAT,
        ".npz": npz.FORMAT,
        ".motion.npz": npz.OWN_FORMAT,
        ".smpl.npz": npz.SMPL_FORMAT,
        ".positions.npz": npz.POSITIONS_FORMAT,
        ".npy": joint_positions.NPY_FORMAT,
        ".amc": acclaim.FORMAT,
        ".asf": acclaim.SKELETON_FORMAT,
        ".htr": htr.FORMAT,
        ".bva": bva.FORMAT,
        ".c3d": c3d.FORMAT,
    }
)


def read_motion(
    path: Path | str,
    unit_mm: float | None = None,
    skeleton: Path | str | None = None,
    fps: float | None = None,
    person: int | None = None,
) -> Motion:
    """The body and its motion in one file, by its suffix.

    Args:
        path: a file of one of the formats that hold rotations.
        unit_mm: how many mm its unit of length is. None: as the file says; BVH says nothing and is taken as cm.
        skeleton: the file that holds the body, where it is one of its own (.asf); None: looked for beside `path`.
        fps: frames per second at which it was recorded, in place of what the file says. None: as the file says, or as
            is usual for its format. No frame is changed.
        person: which of several people, from 1, where a file may hold them (.npz, .npy). None: the only one.

    Raises:
        UserError: the suffix is unknown, an argument is impossible, the file cannot be read, or it is broken; it names
            file and line.
    """
    path, form = Path(path), _form(Path(path))
    options = _options(unit_mm, fps, skeleton, person)
    if skeleton is not None and not form.separate_skeleton:
        raise UserError(f"{path}: {form.name} holds its own skeleton: skeleton={skeleton} must not be given")
    if person is not None and not form.several_people:
        raise UserError(f"{path}: {form.name} holds one person: person={person} must not be given")
    if form.read is None:
        raise UserError(f"{path}: {_no_rotations(form)} Motion is read from {_suffixes('read')}")
    _check_not_empty(path)
    try:
        motion = form.read(path, options)
    except UserError as error:
        if str(error).startswith("skeleton "):  # a body is not told where it comes from
            raise UserError(f"{path}: {error}") from None
        raise
    check_values(motion.frames, str(path))
    return motion if fps is None else dataclasses.replace(motion, fps=float(fps))


def write_motion(motion: Motion, path: Path | str) -> None:
    """Writes a motion in the form that the suffix names; the file appears whole, or not at all.

    Raises:
        UserError: the format cannot be written, cannot hold this motion, or the file cannot be written.
    """
    check_written(path)
    path, write = Path(path), _form(Path(path)).write
    assert write is not None
    check_values(motion.frames, str(path))  # what is written can be read
    with _draft_of(path) as draft:
        write(motion, draft)


def read_markers(
    path: Path | str, unit_mm: float | None = None, fps: float | None = None, person: int | None = None
) -> Markers:
    """The labelled markers in one file. Arguments and errors are those of `read_motion`."""
    path, form = Path(path), _form(Path(path))
    if form.read_markers is None:
        raise UserError(f"{path}: {form.name} holds no markers: it must be one of {_suffixes('read_markers')}")
    _check_not_empty(path)
    markers = form.read_markers(path, _options(unit_mm, fps, person=person))
    return markers if fps is None else dataclasses.replace(markers, fps=float(fps))


def read_places(path: Path | str, fps: float | None = None, person: int | None = None) -> Places | None:
    """The positions of joints in one file (.npz, .npy), of whatever body; None where it holds something else.

    Arguments and errors are those of `read_motion`.
    """
    path = Path(path)
    if path.suffix.lower() not in (".npz", ".npy"):
        return None
    _check_not_empty(path)
    return npz.read_places(path, _options(None, fps, person=person))


def write_markers(markers: Markers, path: Path | str) -> None:
    """Writes markers in the form that the suffix names. Raises `UserError` as `write_motion` does."""
    check_written(path, markers=True)
    path, write = Path(path), _form(Path(path)).write_markers
    assert write is not None
    with _draft_of(path) as draft:
        write(markers, draft)


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """As `written_atomically`; a writer's `UserError` names `path`, not the draft that it was handed."""
    with written_atomically(path) as draft:
        try:
            yield draft
        except UserError as error:
            raise UserError(str(error).replace(str(draft), str(path))) from None


def check_written(path: Path | str, markers: bool = False) -> None:
    """Raises `UserError` if motions, or markers, cannot be written in the form that the suffix names."""
    form = format_of(path)
    if form is None:
        allowed = _suffixes("write_markers" if markers else "write")
        raise UserError(f"{path}: suffix {Path(path).suffix!r} is unknown: it must be one of {allowed}")
    if markers and form.write_markers is None:
        allowed = _suffixes("write_markers")
        raise UserError(f"{path}: {form.name} cannot hold markers, which do not turn: it must be one of {allowed}")
    if not markers and form.write is None:
        raise UserError(f"{path}: {form.name} is not written: it must be one of {_suffixes('write')}")


def format_of(path: Path | str) -> Format | None:
    """The format that a file's suffix names; None where it names none."""
    name = Path(path).name.lower()
    fitting = [suffix for suffix in FORMATS if name.endswith(suffix) and name != suffix]
    return FORMATS[max(fitting, key=len)] if fitting else None


def holds_markers(path: Path | str) -> bool:
    """Whether a file is one for `read_markers`: its format holds nothing else, or this file of it does not."""
    form = format_of(path)
    if form is None or form.read_markers is None:
        return False
    return form.read is None or npz.holds_markers(Path(path))


def _options(
    unit_mm: float | None, fps: float | None, skeleton: Path | str | None = None, person: int | None = None
) -> ReadOptions:
    check_unit(unit_mm)
    check_rate(fps)
    if person is not None and not (isinstance(person, int) and person >= 1):
        raise UserError(f"person={person}: it must be a whole number, 1 or more")
    return ReadOptions(unit_mm, fps, None if skeleton is None else Path(skeleton), person)


def _check_not_empty(path: Path) -> None:
    """Raises `UserError` where there is a file of no bytes, which no format is."""
    if path.is_file() and not path.stat().st_size:
        raise UserError(f"{path}: the file is empty")


def _form(path: Path) -> Format:
    form = format_of(path)
    if form is None:
        if (why := why_unread(path)) is not None:
            raise UserError(why)
        raise UserError(f"{path}: suffix {path.suffix!r} is unknown: it must be one of {', '.join(FORMATS)}")
    return form


def _no_rotations(form: Format) -> str:
    if form.read_markers:
        return f"{form.name} holds positions of markers, and a motion needs the rotations of joints."
    return f"{form.name} is not read as a motion."


def _suffixes(*can: str) -> str:
    """The suffixes of the formats that can do one of these."""
    return ", ".join(suffix for suffix, form in FORMATS.items() if any(getattr(form, name) for name in can))
