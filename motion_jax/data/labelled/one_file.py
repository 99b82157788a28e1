"""One file of a labelled data set as a sequence, whatever it is called: what a trained recogniser is to label."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from motion_jax.data.datasets import find_dataset
from motion_jax.data.formats import Motion, format_of, read_motion
from motion_jax.data.labelled import feature_arrays, msr_action3d, ntu, sbu
from motion_jax.data.labelled.files import read_bytes
from motion_jax.data.labelled.sequences import Sequence
from motion_jax.errors import UserError


class _Files(NamedTuple):
    """How the files of a data set are called, and the arrays and remarks that are in one."""

    pattern: str  # of names
    parse: Callable[[bytes, Path, float], tuple[dict[str, np.ndarray], list[str]]]


def _msr_action3d(content: bytes, path: Path, fps: float) -> tuple[dict[str, np.ndarray], list[str]]:  # noqa: ARG001
    places, odd = msr_action3d.parse_frames(_text(content), path.stem.lower().endswith("3d"))
    return {"positions": places}, odd


def _ntu(content: bytes, path: Path, fps: float) -> tuple[dict[str, np.ndarray], list[str]]:  # noqa: ARG001
    places, odd = ntu.parse_frames(_text(content))
    return {"positions": places}, odd


def _sbu(content: bytes, path: Path, fps: float) -> tuple[dict[str, np.ndarray], list[str]]:  # noqa: ARG001
    return {"positions": sbu.parse_frames(_text(content))}, []


def _feature_arrays(content: bytes, path: Path, fps: float) -> tuple[dict[str, np.ndarray], list[str]]:
    arrays = feature_arrays.read_archive(content, str(path))
    rate = float(np.asarray(arrays.pop("fps", feature_arrays.FPS)).ravel()[0])
    if not np.isclose(rate, fps):
        raise UserError(f"{path}: fps is {rate:g}: the network was trained on {fps:g}")
    return arrays, []


_FILES = {
    "msr_action3d": _Files(msr_action3d.FILES.pattern, _msr_action3d),
    "ntu": _Files(ntu.FILES.pattern, _ntu),
    "sbu": _Files(sbu.FILES.pattern, _sbu),
    "feature_arrays": _Files("*.npz", _feature_arrays),
}
_PUBLISHED = tuple(name for name in _FILES if name != "feature_arrays")
_SHOWN = 100  # characters of why a file is no motion


def suffixes(name: str) -> tuple[str, ...]:
    """Of the files of data set `name` that `read_one` reads; none where it reads none."""
    return (Path(_FILES[name].pattern).suffix,) if name in _FILES else ()


def is_one(name: str, path: Path) -> bool:
    """Whether `path` is called like a file of data set `name`, and `read_one` reads it."""
    return name in _FILES and fnmatch.fnmatchcase(path.name.lower(), _FILES[name].pattern.lower())


def data_set_of(path: Path) -> str | None:
    """The published data set whose files are called like `path`; None: of none."""
    return next((name for name in _PUBLISHED if is_one(name, path)), None)


def read_one(name: str, path: Path, fps: float) -> Sequence:
    """The sequence in a file of data set `name` at the `fps` of the data set, without segments. What is odd is logged.

    Raises:
        UserError: it cannot be read, is not of the data set's form, or says another rate.
    """
    content, _ = read_bytes(path)
    try:
        arrays, odd = _FILES[name].parse(content, path, fps)
    except UserError as error:
        line, bar, message = str(error).partition("|")
        if not bar or (line and not line.isdecimal()):
            raise
        raise UserError(f"{path}:{line}: {message}" if line else f"{path}: {message}") from None
    for remark in odd:
        logging.warning("%s: %s", path, remark)
    return Sequence(arrays, (), "", "test", str(path))


def read_unnamed(name: str, path: Path, fps: float | None = None, person: int | None = None) -> Motion:
    """A file that is not called like those of data set `name`, as a motion.

    Raises:
        UserError: it cannot be read as one; where its suffix is theirs, or none of a motion's, how theirs are called.
    """
    try:
        return read_motion(path, fps=fps, person=person)
    except UserError as error:
        own = path.suffix.lower() in suffixes(name) or format_of(path) is None
        if name not in _PUBLISHED or not own or not path.is_file() or not path.stat().st_size:
            raise
        title, pattern = find_dataset(name).title, _FILES[name].pattern
        reason = str(error).replace("\n", "; ").removeprefix(f"{path}: ").replace(f"{path}:", "line ")
        raise UserError(
            f"{path}: is no motion file ({reason[:_SHOWN]}{'...' * (len(reason) > _SHOWN)}), and not called like a "
            f"file of {title}: these are read by their names, {pattern}"
        ) from None


def _text(content: bytes) -> str:
    return content.decode("ascii", "replace")
