"""From a configuration to its labelled sequences: read, or mapped from a prepared folder or the cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from absl import logging

from motion_jax.config import DataConfig, LabelsConfig
from motion_jax.data.cache import at_usual_place, cache_place, check_source, open_dataset, warn_uncached
from motion_jax.data.datasets import DatasetSpec, LabelledFiles, MotionFiles
from motion_jax.data.findings import Finding, raise_errors
from motion_jax.data.labelled import recordings, segments
from motion_jax.data.labelled.files import find_files, read_bytes
from motion_jax.data.labelled.prepared import is_prepared_labelled, read_labelled, write_labelled
from motion_jax.data.labelled.reading import Reading, Request
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.data.layouts import choose_actions
from motion_jax.data.positions import has_angles, to_positions
from motion_jax.data.prepared import is_prepared
from motion_jax.data.splits import split_clips
from motion_jax.errors import UserError
from motion_jax.runtime.cache_folder import temporary_folder
from motion_jax.runtime.files import user_path
from motion_jax.types import Dataset

_LOGGED = 3  # findings that an opening repeats; motion-jax prepare --audit_only lists them all


def open_labelled(data: DataConfig, labels: LabelsConfig) -> LabelledSet:
    """The sequences that a configuration asks for, with their splits.

    Of a data set of clips each clip is one segment, whose class is the clip's action; with `labels.table` its segments
    and classes are the table's. `data.actions` chooses classes, by name or by a published set of them;
    `data.validation` holds training subjects out (recordings, where no subjects are named).

    Raises:
        UserError: as `open_dataset`; or the table is not right, a class is unknown, or has no training segment.
    """
    spec, data = check_source(data), at_usual_place(data)
    if labels.fold > 1 and labels.fold > len(folds := _folds(spec)):
        has = f"has {len(folds)}" if folds else "has no"
        raise UserError(f"labels.fold={labels.fold}: data set {spec.name!r} {has} published folds")
    if isinstance(spec.files, LabelledFiles) or _is_labelled(data) or _is_recordings(spec, data, labels):
        reading = read_source(spec, data, labels)
        raise_errors(reading.findings, data.root)
        _log(reading.findings)
        dataset = hold_out(chosen(spec, reading.dataset, data, labels), data, spec.validation)
    elif labels.table:
        whole = dataclasses.replace(data, actions="all", validation="none")
        dataset = segments.with_table(of_clips(open_dataset(whole), whole), labels.table)
        dataset = hold_out(chosen(spec, dataset, data, labels), data, spec.validation)
    else:
        dataset = of_clips(open_dataset(data), data)
    check_classes(dataset, data)
    return dataset


def read_source(spec: DatasetSpec, data: DataConfig, labels: LabelsConfig, strict: bool = False) -> Reading:
    """All that `data.root` holds, before anything of it is chosen. Raises `UserError` as `open_labelled`."""
    root = user_path(data.root) if data.root else Path()
    if data.root and is_prepared_labelled(root):
        if labels.table:
            raise UserError(f"labels.table={labels.table!r}: {data.root} is prepared: its segments are in it already")
        reading = read_labelled(root)
        if reading.dataset.name != spec.name:
            found = reading.dataset.name
            raise UserError(f"data.root={data.root!r} is a prepared {found!r} data set, not {spec.name!r}")
        return reading
    request = Request(root, data, labels, strict)
    if isinstance(spec.files, MotionFiles):
        return recordings.read(request, spec.files)
    files = spec.files
    assert isinstance(files, LabelledFiles)
    if labels.table and not files.tables:
        raise UserError(f"labels.table={labels.table!r}: data set {spec.name!r} has labels of its own")
    if data.root and is_prepared(root):
        raise UserError(f"data.root={data.root!r} is a prepared data set of clips, not of {spec.name!r}")
    if data.root and not root.is_dir():
        why = f"is a file: name its folder, {str(root.parent)!r}" if root.is_file() else "no such folder"
        raise UserError(f"data.root={data.root!r}: {why}")
    if files.made and data.root:
        raise UserError(f"data.root={data.root!r} holds no prepared data set; {spec.name!r} is made, not read")
    if strict or not (files.made or files.pattern):
        return files.read(request)
    return _cached(spec.name, files, request)


def chosen(spec: DatasetSpec, dataset: LabelledSet, data: DataConfig, labels: LabelsConfig) -> LabelledSet:
    """The segments of the classes that `data.actions` asks for, and the test of the fold that `labels.fold` does."""
    sets = spec.files.action_sets if isinstance(spec.files, LabelledFiles) else {}
    if data.actions in sets:
        missing = [name for name in sets[data.actions] if name not in dataset.classes]
        if missing:
            raise UserError(f"data.actions={data.actions!r}: there is no clip of {', '.join(missing)}")
        dataset = with_classes(dataset, sets[data.actions])
    elif data.actions != "all":
        try:
            dataset = with_classes(dataset, choose_actions(data.actions, dataset.classes))
        except UserError as error:
            also = f"; or one of {', '.join(sets)}" if sets else ""
            raise UserError(f"{error}{also}") from None
    if not (folds := _folds(spec)):
        return dataset
    test = folds[labels.fold - 1]
    placed = (
        dataclasses.replace(sequence, split="test" if sequence.subject in test else "train")
        for sequence in dataset.sequences
    )
    return dataclasses.replace(dataset, sequences=tuple(placed))


def with_classes(dataset: LabelledSet, classes: tuple[str, ...]) -> LabelledSet:
    """The segments of these classes alone, and the sequences that hold one."""
    numbers = {dataset.classes.index(name): number for number, name in enumerate(classes)}
    sequences = []
    for sequence in dataset.sequences:
        kept = tuple(part._replace(label=numbers[part.label]) for part in sequence.segments if part.label in numbers)
        if kept:
            sequences.append(dataclasses.replace(sequence, segments=kept))
    components = tuple(dataset.components[dataset.classes.index(name)] for name in classes if dataset.components)
    return dataclasses.replace(dataset, sequences=tuple(sequences), classes=classes, components=components)


def hold_out(dataset: LabelledSet, data: DataConfig, usual: str = "") -> LabelledSet:
    """With the training sequences of `data.validation` as the validation split.

    "auto" leaves a validation split that the data has; else it holds out `usual`, else the last training subject, or
    recording where no subjects are named, of several.

    Raises:
        UserError: a name is no training subject, or none is left to train on.
    """
    train = dataset.split("train")
    names = sorted({sequence.subject or sequence.source for sequence in train})
    wanted = data.validation
    if wanted == "auto":
        if dataset.split("validation"):
            return dataset
        held = {name for name in usual.split(",") if name in names} or set(names[-1:] if len(names) > 1 else ())
    else:
        held = set() if wanted == "none" else {name.strip() for name in wanted.split(",")}
        for name in sorted(held - set(names)):
            raise UserError(
                f"data.validation={wanted!r} holds out {name!r}, which no training clip of {dataset.name!r} carries: "
                f"must be none or among {', '.join(names)}"
            )
        if held and held == set(names):
            raise UserError(f"data.validation={wanted!r} leaves no clip of {dataset.name!r} to train on")
    placed = (
        dataclasses.replace(sequence, split="validation")
        if sequence.split == "train" and (sequence.subject or sequence.source) in held
        else sequence
        for sequence in dataset.sequences
    )
    return dataclasses.replace(dataset, sequences=tuple(placed))


def check_classes(dataset: LabelledSet, data: DataConfig) -> None:
    """Raises `UserError` where there is nothing to train on, or nothing of a class that is asked for."""
    trained = {part.label for sequence in dataset.split("train") for part in sequence.segments}
    lacking = [name for number, name in enumerate(dataset.classes) if number not in trained]
    if not trained:
        raise UserError(
            f"data set {dataset.name!r} has no training clips (data.actions={data.actions!r}): where a table has the "
            f"column split, some of its rows must say train"
        )
    if lacking:
        s = "class" if len(lacking) == 1 else "classes"
        raise UserError(
            f"{s} {', '.join(lacking)} of {dataset.name!r}: no training clip shows {'it' if s == 'class' else 'them'} "
            f"(data.validation={data.validation!r}): leave out by data.actions, or hold out less"
        )
    if len(dataset.classes) < 2:
        alone = ", ".join(dataset.classes)
        raise UserError(
            f"data set {dataset.name!r} shows one class alone, {alone} (data.actions={data.actions!r}): there must be "
            f"two or more to tell apart"
        )


def of_clips(dataset: Dataset, data: DataConfig) -> LabelledSet:
    """Clips as sequences: one segment each, positions (mm, the root in place) and, where there are, angles (rad).

    Actions that no clip shows are no classes.
    """
    splits = split_clips(dataset, data)
    held = {id(clip) for clip in splits.validation}
    lengths = [len(clip.frames) for clip in dataset.clips]
    rows = np.concatenate([clip.frames for clip in dataset.clips])
    places = np.split(to_positions(dataset.skeleton, rows), np.cumsum(lengths)[:-1]) if has_angles(dataset) else None
    classes = tuple(action for action in dataset.actions if any(clip.action == action for clip in dataset.clips))
    sequences = []
    for number, clip in enumerate(dataset.clips):
        arrays = {"positions": places[number], "angles": clip.frames} if places else {"positions": clip.frames}
        segment = Segment(0, len(clip.frames), classes.index(clip.action))
        split = "validation" if id(clip) in held else clip.split
        source = clip.name if clip.source == "synthetic" else clip.source
        sequences.append(Sequence(arrays, (segment,), clip.subject, split, source))
    return LabelledSet(dataset.name, tuple(sequences), classes, dataset.fps, dataset.key, dataset.skeleton.of_positions)


def _folds(spec: DatasetSpec) -> tuple[tuple[str, ...], ...]:
    return spec.files.folds if isinstance(spec.files, LabelledFiles) else ()


def _is_labelled(data: DataConfig) -> bool:
    return bool(data.root) and is_prepared_labelled(data.root)


def _is_recordings(spec: DatasetSpec, data: DataConfig, labels: LabelsConfig) -> bool:
    """A folder of recordings that is not prepared, and a table of what they show."""
    return isinstance(spec.files, MotionFiles) and bool(labels.table) and not is_prepared(data.root)


def _cached(name: str, files: LabelledFiles, request: Request) -> Reading:
    place = cache_place(request.data)
    entry = place / _key(name, files, request)
    if is_prepared_labelled(entry):
        try:
            return read_labelled(entry)
        except UserError as error:
            logging.warning("a cache entry that cannot be used is made again: %s", error)
    if files.made:
        logging.info("making the %s data set, once; it will be kept in %s", name, entry)
    reading = files.read(request)
    raise_errors(reading.findings, request.root)
    try:
        write_labelled(reading, entry)
    except UserError as error:
        if request.data.cache:
            raise UserError(f"{error} (data.cache names another place for parsed data)") from None
        warn_uncached(error)
        entry = temporary_folder() / entry.name
        write_labelled(reading, entry)
    return read_labelled(entry)


def _key(name: str, files: LabelledFiles, request: Request) -> str:
    """The content of all files that a reader may read, and of the code that reads them."""
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files.code]
    if files.made:
        content: list[object] = [request.data.synthetic_seed]
    else:
        paths = find_files(request.root, files.pattern)
        content = [[path, read_bytes(request.root / path)[1]] for path in paths]
    return hashlib.sha256(json.dumps([name, np.__version__, code, content]).encode()).hexdigest()


def _log(findings: Iterable[Finding]) -> None:
    found = list(findings)
    for finding in found[:_LOGGED]:
        logging.warning("%s", finding)
    if len(found) > _LOGGED:
        logging.warning("and %d more; motion-jax prepare --audit_only lists them", len(found) - _LOGGED)
