"""Feature arrays: numbers of each frame that another program computed, one .npz a clip or LMDB as RU-LSTM ships them.

A `.npz` holds arrays `[F, D]` of one length, each a modality by its name, and maybe `fps`. An LMDB is a folder with
`data.mdb`, whose name is the modality ("rgb", "flow", "obj"; `rgb/full/` counts as "rgb"), with float32 vectors under
keys `P01_01_frame_0000000123.jpg`, counted from 1.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from collections.abc import Sequence as Several
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.findings import Finding, sort_findings
from motion_jax.data.finite import check_values
from motion_jax.data.formats._parsing.arrays import MAX_BYTES, open_archive
from motion_jax.data.labelled.files import read_bytes
from motion_jax.data.labelled.reading import Reading, Request
from motion_jax.data.labelled.segments import read_tables, with_table
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.data.path_pattern import parse_paths
from motion_jax.data.walk import walk_files
from motion_jax.errors import UserError

FPS = 30.0  # of LMDB (RU-LSTM), and of a .npz that does not say
_DEEPEST = 32  # bytes that a byte of a large archive may become: features do not compress well, bombs a thousandfold
_GENERIC = ("full", "trimmed", "features", "data")  # folders between a modality's name and its data.mdb


def read(request: Request) -> Reading:
    """Reads all clips below `request.root`, and the table where one is given; else classes are told by the paths.

    Paths have the forms of recordings (`SUBJECT/ACTION_1.npz` and others; see `path_pattern`). The test is what the
    table says, else the last subject, else the last clip of every class that has several.

    Raises:
        UserError: there are no arrays, one is not `[F, D]` or of another width than the first, rates differ, LMDB is
            asked for and the package `lmdb` is not installed, or as `with_table`.
    """
    files = list(walk_files(request.root))
    archives = [path for path in files if path.suffix.lower() == ".npz"]
    stores = [path.parent for path in files if path.name == "data.mdb"]
    if bool(archives) == bool(stores):
        found = "both .npz and LMDB are" if archives else "no .npz file and no LMDB (a folder with data.mdb) is"
        raise UserError(f"data.root={str(request.root)!r}: {found} in it: one of them must be")
    sequences, fps, hashes = _archives(request, archives) if archives else _stores(request, stores)
    key = hashlib.sha256(repr(("feature_arrays", sorted(hashes.items()))).encode()).hexdigest()
    dataset = LabelledSet(request.data.name, tuple(sequences), (), fps, key)
    findings: list[Finding] = []
    if request.labels.table:
        dataset = with_table(dataset, request.labels.table)
        named = {sequence.source for sequence in dataset.sequences}
        rest = [sequence.source for sequence in sequences if sequence.source not in named]
        if rest:
            others = f", nor of {len(rest) - 1} more" if len(rest) > 1 else ""
            findings.append(Finding("warning", rest[0], None, f"left out: the table names no segment of it{others}"))
    else:
        dataset = _by_paths(dataset, request.root)
    dataset, split = with_test(dataset)
    return Reading(dataset, hashes, sort_findings(findings), split)


def with_test(dataset: LabelledSet) -> tuple[LabelledSet, str]:
    """Sequences without a split get one, and a sentence on how.

    Raises:
        UserError: nothing would be left to test or to train on.
    """
    if all(sequence.split for sequence in dataset.sequences):
        return dataset, "as the table says"
    if any(sequence.split for sequence in dataset.sequences):
        lacking = next(sequence.source for sequence in dataset.sequences if not sequence.split)
        raise UserError(f"labels.table: the split of {lacking!r} is not said, that of others is: say it of all or none")
    subjects = sorted({sequence.subject for sequence in dataset.sequences})
    if len(subjects) > 1:
        test, how = {s.source for s in dataset.sequences if s.subject == subjects[-1]}, f"by subject: {subjects[-1]}"
    else:
        groups: dict[tuple[int, ...], list[str]] = {}
        for sequence in dataset.sequences:
            groups.setdefault(tuple(sorted({part.label for part in sequence.segments})), []).append(sequence.source)
        test = {sources[-1] for sources in groups.values() if len(sources) > 1}
        how = f"by clip: the last of every class that has several ({len(test)} of {len(dataset.sequences)})"
        if not test and len(dataset.sequences) > 1:
            last = dataset.sequences[-1].source
            test, how = {last}, f"by clip: {last}, the last by name"
    if not 0 < len(test) < len({sequence.source for sequence in dataset.sequences}):
        raise UserError("labels.table: one recording alone leaves nothing to test on: add another")
    placed = tuple(
        dataclasses.replace(sequence, split="test" if sequence.source in test else "train")
        for sequence in dataset.sequences
    )
    return dataclasses.replace(dataset, sequences=placed), how


def _by_paths(dataset: LabelledSet, root: Path) -> LabelledSet:
    named, _ = parse_paths(root, [sequence.source for sequence in dataset.sequences])
    classes = tuple(sorted({path.action for path in named}))
    sequences = tuple(
        dataclasses.replace(
            sequence, subject=path.subject, segments=(Segment(0, sequence.frames, classes.index(path.action)),)
        )
        for sequence, path in zip(dataset.sequences, named, strict=True)
    )
    return dataclasses.replace(dataset, sequences=sequences, classes=classes)


def _archives(request: Request, paths: Several[Path]) -> tuple[list[Sequence], float, dict[str, str]]:
    sequences: list[Sequence] = []
    hashes: dict[str, str] = {}
    rates: dict[float, str] = {}
    for path in paths:
        name = path.relative_to(request.root).as_posix()
        content, hashes[name] = read_bytes(path)
        arrays = read_archive(content, str(path))
        rate = arrays.pop("fps", None)
        rates.setdefault(FPS if rate is None else float(np.asarray(rate).ravel()[0]), name)
        sequences.append(Sequence(arrays, (), "", "", name))
        widths = [{key: array.shape[1] for key, array in one.arrays.items()} for one in (sequences[0], sequences[-1])]
        if widths[0] != widths[1]:
            raise UserError(
                f"{path}: holds {_widths(widths[1])}, where {sequences[0].source} holds {_widths(widths[0])}"
            )
    if len(rates) > 1:
        (one, first), (two, second) = list(rates.items())[:2]
        raise UserError(f"{request.root / second}: fps is {two:g}, where {first} has {one:g}: all must have one rate")
    return sequences, next(iter(rates)), hashes


def read_archive(content: bytes, source: str) -> dict[str, Any]:
    """The arrays of a .npz, `[F, D]` float32 of one F, and "fps" where it is there. Raises `UserError`."""
    if not content:
        raise UserError(f"{source}: is empty")
    with open_archive(Path(source), content, max(MAX_BYTES, _DEEPEST * len(content))) as archive:
        loaded: dict[str, Any] = archive.read_all()
    rate = loaded.pop("fps", None)
    if rate is not None and not (np.size(rate) == 1 and np.issubdtype(np.asarray(rate).dtype, np.number) and rate > 0):
        raise UserError(f"{source}: fps must be one number above 0")
    for name, array in loaded.items():
        if array.ndim != 2 or not array.size or not np.issubdtype(array.dtype, np.number):
            raise UserError(
                f"{source}: array {name!r} is {array.shape} {array.dtype}: must be [F, D] numbers, not empty"
            )
    if not loaded or len({len(array) for array in loaded.values()}) > 1:
        counts = ", ".join(f"{name} {len(array)}" for name, array in loaded.items()) or "none"
        raise UserError(f"{source}: needs arrays [F, D] of one F; it has {counts}")
    arrays: dict[str, Any] = {name: np.asarray(array, np.float32) for name, array in loaded.items()}
    for name, array in arrays.items():
        check_values(array, f"{source}: {name}")
    return arrays if rate is None else {**arrays, "fps": rate}


def _stores(request: Request, folders: Several[Path]) -> tuple[list[Sequence], float, dict[str, str]]:
    try:
        import lmdb  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError(
            f"data.root={str(request.root)!r} holds LMDB: reading it needs the package lmdb: pip install "
            f"'motion-jax[lmdb]', or save one .npz of arrays [F, D] a clip"
        ) from None
    if not request.labels.table:
        raise UserError("labels.table is empty: LMDB needs --config.labels.table=FILE.csv, which names its videos")
    rows, _ = read_tables(request.labels.table)
    videos = {row.file: max(int(other.end) for other in rows if other.file == row.file) for row in rows}
    stores: dict[str, Mapping[str, np.ndarray]] = {}
    hashes: dict[str, str] = {}
    for folder in folders:
        modality = next((part for part in reversed(folder.parts) if part not in _GENERIC), "features")
        # The store may have tens of GB: what names its content is its size and time, not its bytes.
        status = (folder / "data.mdb").stat()
        hashes[(folder / "data.mdb").relative_to(request.root).as_posix()] = hashlib.sha256(
            f"{status.st_size} {status.st_mtime_ns}".encode()
        ).hexdigest()
        try:
            with lmdb.open(str(folder), readonly=True, lock=False) as store, store.begin() as transaction:
                get = transaction.get
                stores[modality] = {video: _frames(get, video, last, folder) for video, last in videos.items()}
        except lmdb.Error as error:
            raise UserError(f"{folder}: cannot be read as LMDB: {error}") from None
    sequences = []
    for video in videos:
        frames = min(len(arrays[video]) for arrays in stores.values())
        arrays = {modality: arrays[video][:frames] for modality, arrays in stores.items()}
        sequences.append(Sequence(arrays, (), "", "", video))
    return sequences, FPS, hashes


def frame_key(video: str, frame: int) -> bytes:
    """Of a frame counted from 1, as RU-LSTM's stores have it."""
    return f"{video}_frame_{frame:010d}.jpg".encode()


def _frames(get: Any, video: str, last: int, folder: Path) -> np.ndarray:
    """`[F, D]` of frames 1 to `last`; one that is missing is like the frame before it, or the first that is there."""
    rows: list[np.ndarray | None] = []
    for frame in range(1, last + 1):
        value = get(frame_key(video, frame))
        rows.append(None if value is None else np.frombuffer(value, np.float32))
    known = next((row for row in rows if row is not None), None)
    if known is None:
        raise UserError(f"{folder}: holds no frame of {video!r}: keys must be like {frame_key(video, 1).decode()}")
    filled = []
    for row in rows:
        known = known if row is None else row
        filled.append(known)
    if len({len(row) for row in filled}) > 1:
        raise UserError(f"{folder}: frames of {video!r} differ in their number of features")
    return np.stack(filled)


def _widths(widths: dict[str, int]) -> str:
    return ", ".join(f"{name} [F, {width}]" for name, width in widths.items())
