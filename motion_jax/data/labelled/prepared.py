"""Prepared labelled sets: a folder with `labelled.json` and one `NAME.npy` a modality, mapped and not read.

As prepared data sets of clips (`data.prepared`): a folder appears whole or not at all, and every byte is held against
its sha256 when it is opened.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence as Several
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.findings import Finding
from motion_jax.data.finite import check_values
from motion_jax.data.labelled.reading import Reading
from motion_jax.data.labelled.sequences import Component, LabelledSet, Segment, Sequence
from motion_jax.data.prepared import beside, put_in_place
from motion_jax.errors import UserError
from motion_jax.runtime.files import digest, user_path
from motion_jax.skeletons.skeleton import Skeleton

FORMAT = 1  # of the folder; raise it when an older reader would misread a newer folder
MANIFEST = "labelled.json"
_DTYPE = np.dtype("<f4")


def is_prepared_labelled(folder: Path | str) -> bool:
    """Whether a folder claims to be a prepared labelled set."""
    return (user_path(folder) / MANIFEST).is_file()


def write_labelled(reading: Reading, folder: Path | str) -> None:
    """Writes a prepared labelled set in place of an older one, or where nothing is.

    Raises:
        UserError: there are no sequences, one lacks an array that another has, a number is not finite or too large,
            other things lie in `folder`, or it cannot be written.
    """
    folder = user_path(folder).absolute()
    dataset = reading.dataset
    if not dataset.sequences:
        raise UserError(f"{folder}: data set {dataset.name!r} has no sequences to write")
    check_labelled_target(folder)
    draft = beside(folder)
    try:
        draft.mkdir(parents=True)
        arrays = {}
        for name in dataset.sequences[0].arrays:
            columns = dataset.sequences[0].arrays[name].shape[1]
            arrays[name] = [columns, _write_rows(draft / f"{name}.npy", name, columns, dataset.sequences)]
        fields = _fields(reading) | {"arrays": arrays}
        text = json.dumps({**fields, "digest": digest(fields)}, indent=1) + "\n"
        (draft / MANIFEST).write_text(text, "utf-8")
        put_in_place(draft, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read_labelled(folder: Path | str) -> Reading:
    """Opens a folder that `write_labelled` wrote; arrays `[F, D]` float32 are read-only views of mapped files.

    Raises:
        UserError: the folder is of another version, incomplete, damaged or edited; it names the file.
    """
    folder = user_path(folder)
    path = folder / MANIFEST
    try:
        fields = json.loads(path.read_text("utf-8"))
        if fields["format"] != FORMAT:
            raise UserError(
                f"{path}: a prepared labelled set of format {fields['format']!r}; this version reads {FORMAT}: run "
                f"motion-jax prepare again, with --overwrite"
            )
        if fields.pop("digest") != digest(fields):
            raise UserError(f"{path}: damaged or edited: its content does not match its digest")
        rows = sum(entry["frames"] for entry in fields["sequences"])
        arrays = {
            name: _map_rows(folder / f"{name}.npy", (rows, columns), sha256)
            for name, (columns, sha256) in fields["arrays"].items()
        }
        return _reading(fields, arrays)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not the manifest of a prepared labelled set: {error!r}") from None


def check_labelled_target(folder: Path | str) -> None:
    """Raises `UserError` where `write_labelled` would destroy what it has not written."""
    folder = user_path(folder)
    if not folder.exists():
        return
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot become a prepared labelled set: {error.strerror}") from None
    known = {MANIFEST}
    if MANIFEST in names:
        known |= {name for name in names if name.endswith(".npy")}
    if foreign := [name for name in names if name not in known]:
        raise UserError(f"{folder}: holds {foreign[0]!r}: it must be empty, new, or a prepared labelled set")


def _fields(reading: Reading) -> dict[str, Any]:
    dataset = reading.dataset
    return {
        "format": FORMAT,
        "dataset": dataset.name,
        "classes": list(dataset.classes),
        "components": [list(component) for component in dataset.components],
        "fps": dataset.fps,
        "key": dataset.key,
        "skeleton": dataset.skeleton.to_dict() if dataset.skeleton else None,
        "bodies": dataset.bodies,
        "sequences": [
            {
                "subject": sequence.subject,
                "split": sequence.split,
                "source": sequence.source,
                "frames": sequence.frames,
                "segments": [[int(number) for number in segment] for segment in sequence.segments],
            }
            for sequence in dataset.sequences
        ],
        "sources": dict(reading.hashes),
        "findings": [[f.severity, f.path, f.line, f.message] for f in reading.findings],
        "split": reading.split,
    }


def _reading(fields: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reading:
    sequences, at = [], 0
    for entry in fields["sequences"]:
        rows = slice(at, at + entry["frames"])
        at = rows.stop
        segments = tuple(Segment(*numbers) for numbers in entry["segments"])
        own = {name: array[rows] for name, array in arrays.items()}
        sequences.append(Sequence(own, segments, entry["subject"], entry["split"], entry["source"]))
    dataset = LabelledSet(
        name=fields["dataset"],
        sequences=tuple(sequences),
        classes=tuple(fields["classes"]),
        fps=float(fields["fps"]),
        key=fields["key"],
        skeleton=Skeleton.from_dict(fields["skeleton"]) if fields["skeleton"] else None,
        bodies=int(fields["bodies"]),
        components=tuple(Component(*component) for component in fields["components"]),
    )
    findings = tuple(Finding(*finding) for finding in fields["findings"])
    return Reading(dataset, fields["sources"], findings, fields["split"])


def _write_rows(path: Path, name: str, columns: int, sequences: Several[Sequence]) -> str:
    """Writes one modality end to end; returns the file's sha256."""
    shape = (sum(sequence.frames for sequence in sequences), columns)
    with path.open("w+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": _DTYPE.str, "fortran_order": False, "shape": shape})
        for sequence in sequences:
            rows = sequence.arrays.get(name)
            if rows is None or rows.shape != (sequence.frames, columns):
                found = "nothing" if rows is None else f"{rows.shape}"
                raise UserError(f"{sequence.source}: {name!r} must be of ({sequence.frames}, {columns}), not {found}")
            check_values(rows, sequence.source)
            file.write(np.ascontiguousarray(rows, _DTYPE).tobytes())
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _map_rows(path: Path, shape: tuple[int, int], sha256: str) -> np.ndarray:
    """`[F, D]`, read-only; size and hash are checked before numpy believes the header."""
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise UserError(f"{path}: damaged or edited: its sha256 is not the one in {MANIFEST}")
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    if rows.shape != shape or rows.dtype != _DTYPE:
        raise UserError(f"{path}: holds {rows.shape} {rows.dtype}, but {MANIFEST} promises {shape} {_DTYPE}")
    return rows
