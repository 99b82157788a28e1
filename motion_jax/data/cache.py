"""From a configuration to its data set. A text tree is parsed once; after that its content leads to the parsed copy.

A cache entry is a prepared data set whose folder's name is the content's key, so it cannot be stale: another parser or
another byte in any file is another name. Damaged entries are made again; a damaged folder that the user named is not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from absl import logging

from motion_jax.config import DataConfig
from motion_jax.data.audit import audit, audit_tree, audit_use
from motion_jax.data.datasets import DatasetSpec, Generated, LabelledFiles, find_dataset
from motion_jax.data.findings import Finding, raise_errors, sort_findings
from motion_jax.data.finite import check_clips
from motion_jax.data.labelled.prepared import is_prepared_labelled
from motion_jax.data.layouts import Layout, choose_actions, find_tree
from motion_jax.data.prepared import Manifest, is_prepared, read_manifest, read_prepared, write_dataset
from motion_jax.data.trees import content_key, hash_tree, read_tree
from motion_jax.errors import UserError
from motion_jax.runtime.cache_folder import cache_folder, temporary_folder
from motion_jax.runtime.files import user_path
from motion_jax.types import Dataset

_LOGGED = 3  # warnings that an opening repeats; motion-jax prepare lists them all


@dataclasses.dataclass(frozen=True, eq=False)
class _Opened:
    """A prepared folder, and where the paths in its findings begin."""

    dataset: Dataset
    manifest: Manifest
    origin: Path
    accepted: bool  # the user had it prepared, and accepted then the duplicates that it has


def open_dataset(config: DataConfig) -> Dataset:
    """The clips that `config` asks for, mapped from a prepared folder or from the cache.

    Args:
        config: `root` is a source tree or a prepared folder; empty for what is made by code, once, and cached, and for
            what lies in the usual place (`prepared_place`). `actions` chooses; `skip_first_row` drops row 0 of training
            clips.

    Returns:
        Clips of `[F, D]` float32, read-only.

    Raises:
        UserError: no data set has that name, there is no such data, an action is unknown or absent, the audit found
            errors (all are listed), the prepared folder is damaged or of another data set, or `cache` names a place
            that cannot be written. Where the usual place cannot be, nothing is cached, which is warned of.
    """
    spec, config = check_source(config), at_usual_place(config)
    if isinstance(spec.files, LabelledFiles):
        raise UserError(
            f"data.name={spec.name!r}: it holds labelled sequences, which recognition and anticipation read and "
            f"forecasting does not"
        )
    opened = _open_root(spec, config) if config.root else _open_generated(spec, config)
    dataset = _choose(opened.dataset, config.actions)
    used = dataclasses.replace(config, allow_duplicates=config.allow_duplicates or opened.accepted)
    found = audit_use(used, dataset.clips, opened.manifest.sources)
    findings = sort_findings({*opened.manifest.findings, *found})
    raise_errors(findings, opened.origin)
    _log(findings)
    return _drop_first_rows(dataset) if config.skip_first_row else dataset


def check_source(config: DataConfig) -> DatasetSpec:
    """What is known of the data set, without opening it: to be called before hours of work.

    Raises:
        UserError: no data set has that name, or `root` is empty, the data cannot be made and none is prepared.
    """
    spec = find_dataset(config.name, "data.name")
    if not at_usual_place(config).root and not is_made(spec):
        try:
            place = f"writes it to {prepared_place(spec.name)}, where it is looked for"
        except UserError:  # no home folder
            place = "with --out=DIR writes it"
        raise UserError(
            f"data.root is empty: data.name={spec.name!r} needs files, which cannot be shipped or downloaded for you: "
            f"motion-jax prepare --dataset={spec.name} --source=DIR {place}; or --config.data.root=DIR names the "
            f"folder that holds them. data.name='synthetic' needs no folder"
        )
    return spec


def is_made(spec: DatasetSpec) -> bool:
    """Whether the data is made by code, so that there is no folder."""
    return isinstance(spec.files, Generated) or (isinstance(spec.files, LabelledFiles) and spec.files.made)


def prepared_place(name: str) -> Path:
    """Where `motion-jax prepare` writes a data set unless told another place, and an empty `data.root` finds it.

    Raises:
        UserError: there is no home folder.
    """
    return cache_folder().absolute() / "prepared" / name


def at_usual_place(config: DataConfig) -> DataConfig:
    """`config` with the data set's `prepared_place` as an empty `root`, where it is one that needs a folder and one is
    prepared there. Raises `UserError` where no data set has that name.
    """
    if config.root or is_made(find_dataset(config.name, "data.name")):
        return config
    try:
        place = prepared_place(config.name)
    except UserError:  # no home folder: nothing has been put there
        return config
    there = is_prepared(place) or is_prepared_labelled(place)
    return dataclasses.replace(config, root=str(place)) if there else config


def describe_source(config: DataConfig) -> str:
    """Where the data comes from, in words. Raises `UserError` as `check_source` does."""
    spec = check_source(config)
    return at_usual_place(config).root or f"{spec.name} motion, which is made once and kept"


def _open_root(spec: DatasetSpec, config: DataConfig) -> _Opened:
    root = user_path(config.root)
    if is_prepared(root):
        dataset = read_prepared(root)
        if dataset.name != spec.name:
            raise UserError(f"data.root={config.root!r} is a prepared {dataset.name!r} data set, not {spec.name!r}")
        return _Opened(dataset, read_manifest(root), origin=Path(), accepted=True)
    if isinstance(spec.files, Layout):
        return _open_tree(spec.files, config, root)
    if is_prepared_labelled(root):
        raise UserError(
            f"data.root={config.root!r} holds prepared labelled sequences, which recognition and anticipation read and "
            f"forecasting does not"
        )
    written = f" (motion-jax prepare --dataset={spec.name} writes one)"
    empty = ", or empty" if isinstance(spec.files, Generated) else written
    raise UserError(
        f"data.root={config.root!r} holds no prepared data set; with data.name={spec.name!r} it must be one{empty}"
    )


def _open_tree(layout: Layout, config: DataConfig, root: Path) -> _Opened:
    hashes = hash_tree(layout, root, config.actions)
    key = content_key(layout, choose_actions(config.actions, layout.actions), hashes)
    place = cache_place(config)

    def build() -> Path:
        tree = read_tree(layout, root, config.actions)
        raise_errors(audit(tree, config), tree.root)
        dataset = tree.dataset()
        entry = place / dataset.key  # not `key`: a file may have changed since it was hashed
        return _write_entry(dataset, entry, tree.hashes, audit_tree(tree, config), config)

    return _open_entry(place / key, build, find_tree(layout, root))


def _open_generated(spec: DatasetSpec, config: DataConfig) -> _Opened:
    files = spec.files
    assert isinstance(files, Generated)  # `check_source`
    entry = cache_place(config) / _generated_key(spec.name, files, config.synthetic_seed)

    def build() -> Path:
        logging.info("making the %s data set, once; it will be kept in %s", spec.name, entry)
        return _write_entry(files.make(config.synthetic_seed), entry, {}, (), config)

    return _open_entry(entry, build, Path())


def _generated_key(name: str, files: Generated, seed: int) -> str:
    """The code is the content: the generator, the skeleton that it moves, and numpy, which draws the numbers."""
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files.code]
    return hashlib.sha256(json.dumps([name, seed, np.__version__, code]).encode()).hexdigest()


def _open_entry(entry: Path, build: Callable[[], Path], origin: Path) -> _Opened:
    if is_prepared(entry):
        try:
            return _Opened(read_prepared(entry), read_manifest(entry), origin, accepted=False)
        except UserError as error:
            logging.warning("a cache entry that cannot be used is made again: %s", error)
    entry = build()
    return _Opened(read_prepared(entry), read_manifest(entry), origin, accepted=False)


def cache_place(config: DataConfig) -> Path:
    """Where cache entries lie: the temporary folder where no home folder can be told."""
    try:
        return cache_folder(config.cache)
    except UserError as error:
        if config.cache:
            raise
        warn_uncached(error)
        return temporary_folder()


def _write_entry(
    dataset: Dataset, entry: Path, hashes: dict[str, str], findings: Sequence[Finding], config: DataConfig
) -> Path:
    """Returns where it lies: in the temporary folder, with a warning, where the usual place cannot be written."""
    check_clips(dataset.clips)
    try:
        write_dataset(dataset, entry, hashes, findings)
    except UserError as error:
        if config.cache:
            raise UserError(f"{error} (data.cache names another place for parsed data)") from None
        warn_uncached(error)
        entry = temporary_folder() / entry.name
        write_dataset(dataset, entry, hashes, findings)
    return entry


def warn_uncached(error: UserError) -> None:
    """Tells that what was parsed is not kept."""
    logging.warning("parsed data cannot be kept: %s; each run parses anew", error)


def _choose(dataset: Dataset, actions: str) -> Dataset:
    chosen = choose_actions(actions, dataset.actions)
    clips = tuple(clip for clip in dataset.clips if clip.action in chosen)
    return dataclasses.replace(dataset, clips=clips, actions=chosen)


def _drop_first_rows(dataset: Dataset) -> Dataset:
    clips = tuple(
        dataclasses.replace(clip, frames=clip.frames[1:]) if clip.split == "train" else clip for clip in dataset.clips
    )
    return dataclasses.replace(dataset, clips=clips)


def _log(findings: Sequence[Finding]) -> None:
    for finding in findings[:_LOGGED]:
        logging.warning("%s", finding)
    if len(findings) > _LOGGED:
        logging.warning("and %d more; motion-jax prepare --audit_only lists them", len(findings) - _LOGGED)
