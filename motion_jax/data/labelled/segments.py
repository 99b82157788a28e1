"""Tables of segments: what happens when in recordings, as CSV."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import itertools
from collections.abc import Mapping
from collections.abc import Sequence as Several
from pathlib import Path
from typing import NamedTuple

from motion_jax.data.datasets import MotionFiles, find_dataset
from motion_jax.data.labelled.files import read_bytes
from motion_jax.data.labelled.sequences import Component, LabelledSet, Segment, Sequence
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path

_ALIASES = {
    "file": "file", "video": "file", "recording": "file", "start": "start", "end": "end", "stop": "end",
    "start_s": "start_s", "end_s": "end_s", "stop_s": "end_s", "label": "label", "action": "label", "class": "label",
    "verb": "verb", "noun": "noun", "split": "split", "subject": "subject", "id": "id", "uid": "id",
}  # fmt: skip
_EPIC = ("file", "start", "end", "verb", "noun", "label")  # RU-LSTM's columns, which have no names in its files
_SPLITS = {"train": "train", "training": "train", "validation": "validation", "val": "validation", "test": "test"}
_ACTIONS = "actions.csv"  # beside a table of numbers: the names of its actions
_LISTED = 6


class Row(NamedTuple):
    """A line of a table."""

    where: str  # table:line, for messages
    file: str  # as the table has it
    start: float  # frames of the recording from 0, or seconds
    end: float  # exclusive
    seconds: bool
    label: str
    component: Component | None  # where the table has verbs and nouns
    split: str  # "" where the table does not say
    subject: str  # "" where the table does not say


class Length(NamedTuple):
    """A recording as it lies in its file."""

    frames: int
    fps: float
    lead: int = 0  # frames at the rate of the data set that its sequence lacks at the beginning


def table_files(paths: str) -> list[Path]:
    """The files that `labels.table` names, separated by commas."""
    return [user_path(name.strip()) for name in paths.split(",") if name.strip()]


def read_tables(paths: str) -> tuple[list[Row], str]:
    """Every row of one or several tables, separated by commas, and the sha256 of their content.

    A file whose name begins with train, val or test says so of all its rows, if there are several files.

    Raises:
        UserError: a table cannot be read, is empty, lacks a column, or a cell is not what it must be.
    """
    files = table_files(paths)
    rows, digests = [], []
    for path in files:
        content, digest = read_bytes(path)
        digests.append(digest)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UserError(f"{path}: must be text in UTF-8") from None
        named = next((split for start, split in _SPLITS.items() if path.stem.lower().startswith(start)), "")
        rows += _read(path, text, named if len(files) > 1 else "")
    return rows, hashlib.sha256(" ".join(digests).encode()).hexdigest()


def with_table(dataset: LabelledSet, table: str, lengths: Mapping[str, Length] | None = None) -> LabelledSet:
    """Recordings with the segments of a table in place of their own; recordings that it does not name go.

    Args:
        dataset: whose sequences are recordings, or follow each other in pieces of one (by `source`).
        table: `labels.table`.
        lengths: of each source as its file has it; left out: as the sequences are.

    Raises:
        UserError: as `read_tables`; or a file is missing, a segment lies outside its recording or overlaps another
            (but for tables of verbs and nouns, in which people do two things at once), or a recording is in two splits.
    """
    rows, digest = read_tables(table)
    pieces: dict[str, list[Sequence]] = {}
    for sequence in dataset.sequences:
        pieces.setdefault(sequence.source, []).append(sequence)
    if lengths is None:
        files = find_dataset(dataset.name).files
        lead = 1 if isinstance(files, MotionFiles) else 0  # `prepare` drops the frame that has none before it
        lengths = {
            name: Length(sum(part.frames for part in parts) + lead, dataset.fps, lead) for name, parts in pieces.items()
        }
    classes, components = _classes(rows)
    of_source: dict[str, list[Row]] = {}
    for row in rows:
        of_source.setdefault(find_source(row, tuple(pieces)), []).append(row)
    sequences: list[Sequence] = []
    for name, group in of_source.items():
        segments = _segments(group, lengths[name], dataset.fps, classes)
        begin = 0
        for piece in pieces[name]:
            inside = _within(segments, begin, begin + piece.frames)
            begin += piece.frames
            if inside:
                split, subject = _said(group, "split") or piece.split, _said(group, "subject") or piece.subject
                sequences.append(dataclasses.replace(piece, segments=inside, split=split, subject=subject))
    key = hashlib.sha256(f"{dataset.key} {digest}".encode()).hexdigest()
    return dataclasses.replace(dataset, sequences=tuple(sequences), classes=classes, components=components, key=key)


def find_source(row: Row, sources: tuple[str, ...]) -> str:
    """The recording that a row means: by its path, the path without suffix, or its name alone where only one has it.

    Raises:
        UserError: there is none, or several.
    """
    wanted = row.file.replace("\\", "/").removeprefix("./")
    forms = (
        lambda name: name,
        _bare,
        lambda name: name.rpartition("/")[2],
        lambda name: _bare(name).rpartition("/")[2],
    )
    for form in forms:
        found = [name for name in sources if form(name) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(f"{row.where}: file {row.file!r} may be {' or '.join(found[:_LISTED])}: give its path")
    more = f" and {len(sources) - _LISTED} more" if len(sources) > _LISTED else ""
    raise UserError(
        f"{row.where}: file {row.file!r} is not among the recordings: there are {', '.join(sources[:_LISTED])}{more}"
    )


def _bare(name: str) -> str:
    stem, dot, _ = name.rpartition(".")
    return stem if dot else name


def _read(path: Path, text: str, named: str) -> list[Row]:
    lines = list(csv.reader(io.StringIO(text), skipinitialspace=True))
    filled = [
        (number, [cell.strip() for cell in line]) for number, line in enumerate(lines, 1) if any(map(str.strip, line))
    ]
    if not filled:
        raise UserError(f"{path}: is empty: it must hold a line file,start,end,label and one line a segment")
    columns, filled = _columns(path, filled)
    names = _action_names(path) if "verb" in columns else {}
    rows = []
    for number, cells in filled:
        where = f"{path}:{number}"
        if len(cells) != len(columns):
            raise UserError(f"{where}: has {len(cells)} columns: there must be {len(columns)}, {','.join(columns)}")
        rows.append(_row(where, dict(zip(columns, cells, strict=True)), names, named))
    if not rows:
        raise UserError(f"{path}: holds no segment: it must hold one line a segment below its first")
    return rows


def _columns(path: Path, filled: list[tuple[int, list[str]]]) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    first = [cell.lower() for cell in filled[0][1]]
    known = [_ALIASES.get(cell, cell) for cell in first]
    if "file" not in known:
        number = len(first)
        if number in (6, 7) and all(cell.isdecimal() for cell in first[number - 5 :]):
            return (*("id",) * (number - 6), *_EPIC), filled
        raise UserError(
            f"{path}:{filled[0][0]}: the first line must name the columns file,start,end,label (or start_s,end_s; or "
            f"video,start,stop,verb,noun,action), not {','.join(first)!r}"
        )
    start = [name for name in ("start", "start_s") if name in known]
    end = [name for name in ("end", "end_s") if name in known]
    named = [*start, *end]
    partners = {"start": "end", "start_s": "end_s", "end": "start", "end_s": "start_s"}
    lacking = [partners[name] for name in named if partners[name] not in named]
    lacking += ["start", "end"] if not named else []
    lacking += [] if "label" in known else ["label"]
    if lacking or len(set(known)) != len(known) or len(named) > 2:
        fault = f"lacks {', '.join(lacking)}" if lacking else "names a column twice, or mixes frames with seconds"
        raise UserError(f"{path}:{filled[0][0]}: {fault}: the columns must be file,start,end,label (or start_s,end_s)")
    return tuple(known), filled[1:]


def _row(where: str, cells: dict[str, str], names: Mapping[str, str], named: str) -> Row:
    seconds = "start_s" in cells
    suffix = "_s" if seconds else ""
    start, end = (_number(where, name, cells[name]) for name in (f"start{suffix}", f"end{suffix}"))
    if "verb" in cells and not seconds:
        start -= 1  # RU-LSTM counts frames from 1, and its last one is within
    label, component = cells["label"], None
    if "verb" in cells:
        if label.isdecimal() and names:
            if str(int(label)) not in names:
                raise UserError(f"{where}: unknown class {label!r}: it must be an id of {_ACTIONS} beside the table")
            label = names[str(int(label))]
        component = Component(cells["verb"], cells.get("noun", ""))
    if not label or not cells["file"]:
        raise UserError(f"{where}: {'label' if cells['file'] else 'file'} is empty")
    if not 0 <= start < end:
        raise UserError(
            f"{where}: start {cells[f'start{suffix}']}, end {cells[f'end{suffix}']}: 0 <= start < end must hold"
        )
    split = cells.get("split", "").lower() or named
    if split and split not in _SPLITS:
        raise UserError(f"{where}: split {split!r}: must be train, validation or test")
    return Row(
        where, cells["file"], start, end, seconds, label, component, _SPLITS.get(split, ""), cells.get("subject", "")
    )


def _number(where: str, name: str, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = float("nan")
    if not 0 <= number < 1e12 or (not name.endswith("_s") and number != int(number)):
        kind = (
            "a number of seconds from 0 to 1e12"
            if name.endswith("_s")
            else "a whole number of frames from 0 to 1e12; seconds have columns start_s, end_s"
        )
        raise UserError(f"{where}: {name} {cell!r}: must be {kind}")
    return number


def _action_names(path: Path) -> dict[str, str]:
    """RU-LSTM's actions.csv, where it lies beside the table: id -> "take_pan"."""
    beside = path.with_name(_ACTIONS)
    if not beside.is_file():
        return {}
    content, _ = read_bytes(beside)
    lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(content.decode("utf-8", "replace")))]
    names: dict[str, str] = {}
    try:
        number, name = (lines[0].index(column) for column in ("id", "action"))
        for line in lines[1:]:
            if line:
                names[str(int(line[number]))] = line[name]
    except (ValueError, IndexError):
        raise UserError(f"{beside}: must hold the columns id,action and one line an action") from None
    return names


def _classes(rows: Several[Row]) -> tuple[tuple[str, ...], tuple[Component, ...]]:
    """Names in order: of numbers by their size, else by the alphabet."""
    found: dict[str, Row] = {}
    for row in rows:
        first = found.setdefault(row.label, row)
        if first.component != row.component:
            raise UserError(
                f"{row.where}: class {row.label!r} is of {row.component}, and in {first.where} of {first.component}"
            )
    numeric = all(name.isdecimal() for name in found)
    classes = tuple(sorted(found, key=int) if numeric else sorted(found))
    components = tuple(found[name].component for name in classes)
    return classes, tuple(item for item in components if item is not None) if None not in components else ()


def _segments(rows: list[Row], length: Length, fps: float, classes: tuple[str, ...]) -> list[Segment]:
    """At the rate of the data set, counted from the sequence's first frame, in order."""
    segments: list[tuple[Segment, Row]] = []
    for row in rows:
        last = length.frames / length.fps if row.seconds else length.frames
        if row.end > last + (1 / length.fps if row.seconds else 0):
            unit = "s" if row.seconds else "frames"
            raise UserError(
                f"{row.where}: the segment {row.start:g} to {row.end:g} lies outside {row.file!r}, which has "
                f"{last:g} {unit}"
            )
        rate = fps if row.seconds else fps / length.fps
        start, end = (max(round(moment * rate) - length.lead, 0) for moment in (row.start, row.end))
        segments.append((Segment(start, max(end, start + 1), classes.index(row.label)), row))
    segments.sort(key=lambda item: item[0])
    for (one, first), (two, second) in itertools.pairwise(segments):
        if second.start < first.end and two.start < one.end and second.component is None:
            raise UserError(
                f"{second.where}: the segment {second.start:g} to {second.end:g} of {second.file!r} overlaps "
                f"{first.start:g} to {first.end:g} of {first.where}"
            )
    splits = {row.split for row in rows}
    if len(splits) > 1:
        other = next(row for row in rows if row.split != rows[0].split)
        here, there = (row.split or "of no split" for row in (other, rows[0]))
        raise UserError(f"{other.where}: {other.file!r} is {here} here, and {there} in {rows[0].where}")
    return [segment for segment, _ in segments]


def _within(segments: list[Segment], begin: int, end: int) -> tuple[Segment, ...]:
    """What lies in frames `[begin, end)`, counted from there; what reaches over an edge is cut at it."""
    cut = (part._replace(start=max(part.start, begin) - begin, end=min(part.end, end) - begin) for part in segments)
    return tuple(part for part in cut if part.start < part.end)


def _said(rows: list[Row], column: str) -> str:
    return next((value for row in rows if (value := getattr(row, column))), "")
