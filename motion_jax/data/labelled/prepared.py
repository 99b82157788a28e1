"""Prepared labelled sets: a folder with `labelled.json` and one `NAME.npy` a modality (see `data.prepared_folder`)."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Several
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.findings import Finding
from motion_jax.data.finite import check_values
from motion_jax.data.labelled.reading import Reading
from motion_jax.data.labelled.sequences import Component, LabelledSet, Segment, Sequence
from motion_jax.data.motion.rates import check_rate
from motion_jax.data.prepared_folder import Kind, map_rows, write_rows
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path
from motion_jax.runtime.folders import written_folder
from motion_jax.skeletons.skeleton import Skeleton

FORMAT = 1  # of the folder; raise it when an older reader would misread a newer folder
MANIFEST = "labelled.json"
KIND = Kind("labelled set", MANIFEST, FORMAT)


def is_prepared_labelled(folder: Path | str) -> bool:
    """Whether a folder claims to be a prepared labelled set."""
    return KIND.is_at(folder)


def write_labelled(reading: Reading, folder: Path | str) -> None:
    """Writes a prepared labelled set in place of an older one, or where nothing is.

    Raises:
        UserError: there are no sequences, `fps` is not a finite number above 0, a sequence lacks an array that another
            has, a number is not finite or too large, other things lie in `folder`, or it cannot be written.
    """
    folder = user_path(folder).absolute()
    dataset = reading.dataset
    if not dataset.sequences:
        raise UserError(f"{folder}: data set {dataset.name!r} has no sequences to write")
    check_rate(dataset.fps, f"{folder}: data set {dataset.name!r}: fps", required=True)
    check_labelled_target(folder)
    with written_folder(folder) as draft:
        arrays = {}
        for name in dataset.sequences[0].arrays:
            columns = dataset.sequences[0].arrays[name].shape[1]
            shape = (sum(sequence.frames for sequence in dataset.sequences), columns)
            rows = _checked_rows(name, columns, dataset.sequences)
            arrays[name] = [columns, write_rows(draft / f"{name}.npy", shape, rows)]
        (draft / MANIFEST).write_text(KIND.text(_fields(reading) | {"arrays": arrays}), "utf-8")


def read_labelled(folder: Path | str) -> Reading:
    """Opens a folder that `write_labelled` wrote; arrays `[F, D]` float32 are read-only views of mapped files.

    Raises:
        UserError: the folder is of another version, incomplete, damaged or edited; it names the file.
    """
    folder = user_path(folder)

    def reading(fields: dict[str, Any]) -> Reading:
        check_rate(fields["fps"], f"{folder / MANIFEST}: fps", required=True)
        rows = sum(entry["frames"] for entry in fields["sequences"])
        arrays = {
            name: map_rows(folder / f"{name}.npy", (rows, columns), sha256, MANIFEST)
            for name, (columns, sha256) in fields["arrays"].items()
        }
        return _reading(fields, arrays)

    return KIND.read(folder, reading)


def check_labelled_target(folder: Path | str) -> None:
    """Raises `UserError` where `write_labelled` would destroy what it has not written."""
    ours = is_prepared_labelled(folder)
    KIND.check_target(folder, lambda name: ours and name.endswith(".npy"))


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


def _checked_rows(name: str, columns: int, sequences: Several[Sequence]) -> Iterator[np.ndarray]:
    for sequence in sequences:
        rows = sequence.arrays.get(name)
        if rows is None or rows.shape != (sequence.frames, columns):
            found = "nothing" if rows is None else f"{rows.shape}"
            raise UserError(f"{sequence.source}: {name!r} must be of ({sequence.frames}, {columns}), not {found}")
        check_values(rows, sequence.source)
        yield rows
