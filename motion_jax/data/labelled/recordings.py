"""Recordings in any motion format, below one folder, with a table of what they show."""

from __future__ import annotations

import dataclasses

from motion_jax.data.datasets import MotionFiles
from motion_jax.data.findings import Finding
from motion_jax.data.folder import Folder, read_folder
from motion_jax.data.labelled.feature_arrays import with_test
from motion_jax.data.labelled.reading import Reading, Request
from motion_jax.data.labelled.segments import Length, read_tables, with_table
from motion_jax.data.labelled.sequences import LabelledSet, Sequence
from motion_jax.data.positions import to_positions
from motion_jax.errors import UserError


def read(request: Request, files: MotionFiles) -> Reading:
    """Reads every recording onto one body at one rate, then the table, whose frames are those of the files.

    Raises:
        UserError: as `read_folder` and `with_table`.
    """
    folder = read_folder(request.root, files, strict=request.strict, name=request.data.name)
    dataset = folder.dataset
    sequences = tuple(
        Sequence(
            {"positions": to_positions(dataset.skeleton, clip.frames), "angles": clip.frames},
            (),
            clip.subject,
            clip.split,
            clip.source,
        )
        for clip in dataset.clips
    )
    whole = LabelledSet(dataset.name, sequences, (), dataset.fps, dataset.key, dataset.skeleton.of_positions)
    lengths = {path: Length(frames, fps, lead=1) for path, (frames, fps) in folder.lengths.items()}
    labelled = with_table(whole, request.labels.table, lengths)
    named = {sequence.source for sequence in labelled.sequences}
    rest = sorted({clip.source for clip in dataset.clips} - named)
    findings = list(folder.findings)
    if rest:
        others = f", nor of {len(rest) - 1} more" if len(rest) > 1 else ""
        findings.append(Finding("warning", rest[0], None, f"left out: the table names no segment of it{others}"))
    placed, how = _with_test(labelled, folder, files, request.labels.table)
    return Reading(placed, folder.hashes, tuple(findings), how)


def _with_test(labelled: LabelledSet, folder: Folder, files: MotionFiles, table: str) -> tuple[LabelledSet, str]:
    """The split that the table says; else one by the people that it names; else the folder's, which paths decide."""
    rows, _ = read_tables(table)
    chosen = files.split != MotionFiles.split or files.test != MotionFiles.test
    if any(row.split for row in rows):
        if lacking := next((row for row in rows if not row.split), None):
            raise UserError(f"{lacking.where}: split is empty, that of others is not: say it of all or none")
        return labelled, "as the table says"
    if any(row.subject for row in rows) and not chosen:
        cleared = (dataclasses.replace(sequence, split="") for sequence in labelled.sequences)
        return with_test(dataclasses.replace(labelled, sequences=tuple(cleared)))
    return labelled, folder.split
