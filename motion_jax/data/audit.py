"""What a careful person would check in a data set before a week of training on it.

`audit_tree` looks at the files alone; `audit_use` at what a configuration asks of them, so that it serves a cached
set too. Both only collect: `raise_errors` stops.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.datasets import find_dataset
from motion_jax.data.findings import Finding, sort_findings
from motion_jax.data.packed_clips import FIRST_START
from motion_jax.data.temp_frame_file import release_pages
from motion_jax.data.trees import Recording, Tree
from motion_jax.types import Clip

MAX_ROOT_SPEED = 12.0  # m/s; the fastest sprinters reach it for a moment, nobody for half of a recording


def audit(tree: Tree, config: DataConfig) -> tuple[Finding, ...]:
    """Everything there is to say about a tree that will be used with `config`, sorted, errors first."""
    clips = [recording.clip for recording in tree.recordings if recording.sound]
    return sort_findings([*audit_tree(tree, config), *audit_use(config, clips, tree.hashes)])


def audit_tree(tree: Tree, config: DataConfig, strict: bool = False) -> tuple[Finding, ...]:
    """Faulty, missing and unexpected files (`strict`: as errors), and motion that cannot be what the layout says."""
    sound = [recording for recording in tree.recordings if recording.sound]
    faults = itertools.chain.from_iterable(recording.findings for recording in tree.recordings)
    return sort_findings(
        itertools.chain(
            faults,
            _missing(tree, config),
            _extra(tree, strict),
            _constant(sound),
            _root_speed(tree, sound),
            _halved(tree),
        )
    )


def audit_use(config: DataConfig, clips: Sequence[Clip], hashes: Mapping[str, str]) -> tuple[Finding, ...]:
    """Clips too short for windows, and files that occur twice.

    Args:
        config: `source_length`, `target_length`, `stride`, `skip_first_row` and `allow_duplicates` are read.
        clips: as they lie in the files; those of faulty files left out.
        hashes: sha256 of a clip's file by `Clip.source`; a clip that has none is its own only copy.
    """
    return sort_findings([*_short(config, clips), *_duplicates(config, clips, hashes)])


def _missing(tree: Tree, config: DataConfig) -> Iterator[Finding]:
    """One finding an action, which names every file; an action that was asked for by name must not lack them all."""
    present = {recording.clip.action for recording in tree.recordings}
    for action in tree.actions:
        paths = [trial.path for trial in tree.missing if trial.action == action]
        if not paths:
            continue
        asked = config.actions != "all" or not present
        severity = "error" if asked and action not in present else "warning"
        others = f", and so {'are' if len(paths) > 2 else 'is'} {', '.join(paths[1:])}" if len(paths) > 1 else ""
        yield Finding(severity, paths[0], None, f"is missing{others}")


def _extra(tree: Tree, strict: bool) -> Iterator[Finding]:
    for path in tree.extra:
        yield Finding(
            "error" if strict else "warning",
            path,
            None,
            f"belongs to no trial of layout {tree.layout.name!r} and is not read",
        )


def _constant(recordings: Sequence[Recording]) -> Iterator[Finding]:
    for recording in recordings:
        frames = recording.clip.frames
        still = (frames == frames[0]).all()
        release_pages(frames)
        if still:
            yield Finding("warning", recording.clip.source, None, f"nothing moves: all {len(frames)} frames are equal")


def _root_speed(tree: Tree, recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Positions read as differences (or another unit, or another frame rate) make bodies fly."""
    layout = tree.layout
    for recording in recordings:
        root = recording.clip.frames[:, :3].copy()
        release_pages(recording.clip.frames)
        steps = root if layout.root_steps else np.diff(root, axis=0)
        if not len(steps):
            continue
        speed = float(np.median(np.linalg.norm(steps, axis=1))) * layout.unit_mm * layout.fps / 1000
        if speed > MAX_ROOT_SPEED:
            form = "differences to the previous frame" if layout.root_steps else "positions"
            message = (
                f"the body moves at {speed:.3g} m/s in half of the frames, more than {MAX_ROOT_SPEED:g}: columns 1-3 "
                f"must be {form} in units of {layout.unit_mm:g} mm at {layout.fps:g} Hz"
            )
            yield Finding("warning", recording.clip.source, None, message)


def _halved(tree: Tree) -> Iterator[Finding]:
    """Published lengths tell whether somebody has already dropped every second row; nothing else does so surely."""
    halved = tree.layout.halved
    lengths = {item.clip.source: len(item.clip.frames) for item in tree.recordings if item.clip.source in halved}
    if len(lengths) > 1 and all(length == halved[path] for path, length in lengths.items()):
        path = min(lengths)
        message = (
            f"it has {lengths[path]} frames, as many as every second row of the published file, and so have "
            f"{len(lengths) - 1} others: the tree seems to be down-sampled already, and data.stride must be 1"
        )
        yield Finding("warning", path, None, message)


def _short(config: DataConfig, clips: Sequence[Clip]) -> Iterator[Finding]:
    window = config.source_length + config.target_length
    drawing = find_dataset(config.name, "data.name").drawing
    needs = {
        "train": (FIRST_START + window + 1, f"training windows that begin at row {FIRST_START} or later"),
        "test": (drawing.first + drawing.margin + 1, "the published test windows"),
    }
    for clip in clips:
        kept = -(-(len(clip.frames) - (config.skip_first_row and clip.split == "train")) // config.stride)
        need, use = needs[clip.split]
        found = f"{kept} frames at data.stride={config.stride}"
        if kept < window:
            sizes = f"{config.source_length}+{config.target_length}"
            yield Finding("error", clip.source, None, f"{found}: a window of {sizes} needs {window}")
        elif kept < need:
            yield Finding("warning", clip.source, None, f"{found}: {use} need {need}")


def _duplicates(config: DataConfig, clips: Sequence[Clip], hashes: Mapping[str, str]) -> Iterator[Finding]:
    """Byte copies. Within a split they weigh double; between training and test they are answers given away."""
    copies = defaultdict(list)
    for clip in clips:
        if clip.source in hashes:
            copies[hashes[clip.source]].append(clip)
    for group in copies.values():
        if len({clip.source for clip in group}) < 2:  # one file, which may be cut into training and test
            continue
        group.sort(key=lambda clip: (clip.split != "train", clip.source))
        leak = any(one.split != two.split and one.source != two.source for one in group for two in group)
        others = ", ".join(f"{clip.source} ({clip.split})" for clip in group[1:])
        message = f"the {group[0].split} file has the same content as {others}"
        if leak and not config.allow_duplicates:
            message += ": a test file must not be trained on; data.allow_duplicates=True accepts it"
        severity = "error" if leak and not config.allow_duplicates else "warning"
        yield Finding(severity, group[0].source, None, message)
