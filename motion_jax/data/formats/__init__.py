"""Motion files by suffix: one plain table says who reads and who writes which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from motion_jax.data.formats.acclaim import read_amc
from motion_jax.data.formats.bva import read_bva
from motion_jax.data.formats.bvh_read import read_bvh
from motion_jax.data.formats.bvh_write import write_bvh
from motion_jax.data.formats.c3d_read import read_c3d
from motion_jax.data.formats.htr import read_htr
from motion_jax.data.formats.npz import read_npz, write_npz, write_npz_markers
from motion_jax.data.formats.text import read_text, write_text
from motion_jax.data.motion.motion import Markers, Motion, in_unit, positions
from motion_jax.data.motion.resample import resample
from motion_jax.errors import UserError
from motion_jax.runtime.files import written_atomically

__all__ = [
    "FORMATS", "Format", "Markers", "Motion", "check_written", "in_unit", "positions", "read_markers", "read_motion",
    "resample", "write_markers", "write_motion",
]  # fmt: skip

Read = Callable[[Path, float | None], Motion]  # the file; mm to its unit of length, None: as it says or as is usual
ReadPair = Callable[[Path, float | None, Path | None], Motion]  # the same, and the file of its skeleton


class Format(NamedTuple):
    """What can be done with the files of one suffix; None: not that."""

    name: str
    read: Read | None = None
    read_pair: ReadPair | None = None  # where the skeleton lies in a file of its own
    write: Callable[[Motion, Path], None] | None = None
    read_markers: Callable[[Path], Markers] | None = None
    write_markers: Callable[[Markers, Path], None] | None = None


FORMATS: dict[str, Format] = {
    ".bvh": Format("BVH", read=read_bvh, write=write_bvh),
    ".txt": Format("exponential-map text", read=read_text, write=write_text),
    ".npz": Format("numpy's archive", read=read_npz, write=write_npz, write_markers=write_npz_markers),
    ".amc": Format("Acclaim motion (AMC)", read_pair=read_amc),
    ".asf": Format("Acclaim skeleton (ASF)"),
    ".htr": Format("HTR", read=read_htr),
    ".bva": Format("BVA", read=read_bva),
    ".c3d": Format("C3D", read_markers=read_c3d),
}


def read_motion(path: Path | str, unit_mm: float | None = None, skeleton: Path | str | None = None) -> Motion:
    """The body and its motion in one file, by its suffix.

    Args:
        path: a file of one of the formats that hold rotations.
        unit_mm: how many mm its unit of length is. None: as the file says; BVH says nothing and is taken as cm.
        skeleton: the file that holds the body, where it is one of its own (.asf); None: looked for beside `path`.

    Raises:
        UserError: the suffix is unknown, the file cannot be read, or it is broken; it names file and line.
    """
    path, form = Path(path), _form(Path(path))
    if unit_mm is not None and not 0 < unit_mm < float("inf"):
        raise UserError(f"unit_mm={unit_mm}: it must be a finite number above 0")
    if form.read_pair:
        return form.read_pair(path, unit_mm, None if skeleton is None else Path(skeleton))
    if skeleton is not None:
        raise UserError(f"{path}: {form.name} holds its own skeleton: skeleton={skeleton} must not be given")
    if form.read is None:
        raise UserError(f"{path}: {_no_rotations(form)} Motion is read from {_suffixes('read', 'read_pair')}")
    return form.read(path, unit_mm)


def write_motion(motion: Motion, path: Path | str) -> None:
    """Writes a motion in the form that the suffix names; the file appears whole, or not at all.

    Raises:
        UserError: the format cannot be written, cannot hold this motion, or the file cannot be written.
    """
    path, write = Path(path), _form(Path(path)).write
    if write is None:
        check_written(path)
    else:
        with written_atomically(path) as draft:
            write(motion, draft)


def read_markers(path: Path | str) -> Markers:
    """The labelled markers in one file. Raises `UserError` as `read_motion` does."""
    path, form = Path(path), _form(Path(path))
    if form.read_markers is None:
        raise UserError(f"{path}: {form.name} holds no markers: it must be one of {_suffixes('read_markers')}")
    return form.read_markers(path)


def write_markers(markers: Markers, path: Path | str) -> None:
    """Writes markers in the form that the suffix names. Raises `UserError` as `write_motion` does."""
    path, write = Path(path), _form(Path(path)).write_markers
    if write is None:
        check_written(path, markers=True)
    else:
        with written_atomically(path) as draft:
            write(markers, draft)


def check_written(path: Path | str, markers: bool = False) -> None:
    """Raises `UserError` if motions, or markers, cannot be written in the form that the suffix names."""
    form = _form(Path(path))
    if markers and form.write_markers is None:
        allowed = _suffixes("write_markers")
        raise UserError(f"{path}: {form.name} cannot hold markers, which do not turn: it must be one of {allowed}")
    if not markers and form.write is None:
        raise UserError(f"{path}: {form.name} is not written: it must be one of {_suffixes('write')}")


def _form(path: Path) -> Format:
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise UserError(f"{path}: suffix {path.suffix!r} is unknown: it must be one of {', '.join(FORMATS)}")
    return form


def _no_rotations(form: Format) -> str:
    if form.read_markers:
        return f"{form.name} holds positions of markers, and a motion needs the rotations of joints."
    return f"{form.name} is not read as a motion."


def _suffixes(*can: str) -> str:
    """The suffixes of the formats that can do one of these."""
    return ", ".join(suffix for suffix, form in FORMATS.items() if any(getattr(form, name) for name in can))
