"""File trees -> clips, with everything that was found on the way."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from motion_jax.data.datasets import cmu, h36m
from motion_jax.data.expmap import PARSER_VERSION, parse_expmap, write_expmap
from motion_jax.data.findings import Finding, raise_errors
from motion_jax.data.layouts import Layout, Trial, choose_actions, find_tree
from motion_jax.data.temp_frame_file import TempFrameFile
from motion_jax.data.text_files import read_bytes
from motion_jax.data.walk import walk_files
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.types import Clip, Dataset


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """One file that is there: its content's hash, its frames (none if it is faulty), and its faults."""

    clip: Clip
    sha256: str  # "" if the file cannot be read at all
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether the frames can be used."""
        return not any(item.severity == "error" for item in self.findings)


@dataclasses.dataclass(frozen=True, eq=False)
class Tree:
    """What one folder holds of one layout."""

    layout: Layout
    root: Path
    actions: tuple[str, ...]  # that were asked for, in the layout's order
    recordings: tuple[Recording, ...]
    missing: tuple[Trial, ...]
    extra: tuple[str, ...]  # files in the layout's folders that belong to no trial

    @property
    def hashes(self) -> dict[str, str]:
        """sha256 of every file that was read, by its path below the root."""
        return {recording.clip.source: recording.sha256 for recording in self.recordings}

    def dataset(self) -> Dataset:
        """The clips of the sound files; `actions` are those that have one."""
        clips = tuple(recording.clip for recording in self.recordings if recording.sound)
        shown = {clip.action for clip in clips}
        return Dataset(
            name=self.layout.name,
            clips=clips,
            actions=tuple(action for action in self.actions if action in shown),
            skeleton=SKELETONS[self.layout.skeleton],
            fps=self.layout.fps,
            key=content_key(self.layout, self.actions, self.hashes),
        )


def read_h36m(root: Path | str, actions: str = "all") -> Dataset:
    """Human3.6M: 99 columns at 50 Hz; subject 5 is the test split (Martinez 2017).

    Args:
        root: the folder that holds `S1` ... `S11`, or that holds `dataset` or `h3.6m/dataset`.
        actions: "all", or names separated by commas.

    Returns:
        Clips of `[F, 99]` float32: root translation (mm) and rotation (rad) as differences to the previous frame, then
        31 exponential maps (rad).

    Raises:
        UserError: no such tree, an unknown action, or a faulty file; every faulty file is named.
    """
    return _read_strictly(h36m.LAYOUT, root, actions)


def read_cmu(root: Path | str, actions: str = "all") -> Dataset:
    """CMU motion capture: 117 columns at 120 Hz; `train` and `test` folders (Li 2018).

    Args:
        root: the folder that holds `train` and `test`, or that holds `cmu_mocap`.
        actions: "all", or names separated by commas.

    Returns:
        Clips of `[F, 117]` float32: root position (units of 56.444 mm) and 38 exponential maps (rad).

    Raises:
        UserError: no such tree, an unknown action, or a faulty file; every faulty file is named.
    """
    return _read_strictly(cmu.LAYOUT, root, actions)


def read_tree(layout: Layout, root: Path | str, actions: str = "all") -> Tree:
    """Reads every file of the chosen actions, one after the other; a faulty one becomes findings, not an exception.

    The frames are views of a mapped temporary file: whatever the size of the tree, one file is in memory at a time.

    Raises:
        UserError: `root` holds no tree of this layout, an action is unknown, or the temporary file cannot be written.
    """
    tree = find_tree(layout, user_path(root))
    chosen = choose_actions(actions, layout.actions)
    trials = layout.trials(chosen)
    present = [trial for trial in trials if (tree / trial.path).exists()]
    return Tree(
        layout=layout,
        root=tree,
        actions=chosen,
        recordings=_record_all(layout, tree, present),
        missing=tuple(trial for trial in trials if trial not in present),
        extra=_extra(layout, tree),
    )


def hash_tree(layout: Layout, root: Path | str, actions: str = "all") -> dict[str, str]:
    """`Tree.hashes` without parsing. Raises as `read_tree` does."""
    tree = find_tree(layout, user_path(root))
    paths = [trial.path for trial in layout.trials(choose_actions(actions, layout.actions))]
    return {path: _digest(_content(tree / path)[0]) for path in paths if (tree / path).exists()}


def content_key(layout: Layout, actions: tuple[str, ...], hashes: Mapping[str, str]) -> str:
    """sha256 over all that decides the frames: the parser, the layout, the actions and every file's content."""
    content = [PARSER_VERSION, dataclasses.asdict(layout), actions, sorted(hashes.items())]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_tree(layout: Layout, root: Path | str, dataset: Dataset) -> None:
    """Writes clips as the text files of a layout, at full precision.

    Raises:
        UserError: the frames have not the layout's columns, or a file cannot be written.
        OSError: a folder cannot be made.
    """
    for clip in dataset.clips:
        path = Path(root) / layout.path(clip.subject or clip.split, clip.action, clip.trial)
        if clip.frames.shape[1] != layout.columns:
            raise UserError(f"{path}: {clip.frames.shape[1]} columns: layout {layout.name!r} has {layout.columns}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_expmap(path, clip.frames)


def _read_strictly(layout: Layout, root: Path | str, actions: str) -> Dataset:
    tree = read_tree(layout, root, actions)
    raise_errors((item for recording in tree.recordings for item in recording.findings), tree.root)
    return tree.dataset()


def _record_all(layout: Layout, root: Path, trials: Sequence[Trial]) -> tuple[Recording, ...]:
    """A file's frames are on disk before the next file is read."""
    spool, recordings, rows = TempFrameFile(layout.columns), [], []
    for trial in trials:
        recording = _record(layout, root, trial)
        rows.append(spool.append(recording.clip.frames))
        recordings.append(_with_frames(recording, np.zeros((0, layout.columns), np.float32)))
    frames = spool.close()
    return tuple(_with_frames(recording, frames[at]) for recording, at in zip(recordings, rows, strict=True))


def _with_frames(recording: Recording, frames: np.ndarray) -> Recording:
    return dataclasses.replace(recording, clip=dataclasses.replace(recording.clip, frames=frames))


def _record(layout: Layout, root: Path, trial: Trial) -> Recording:
    data, fault = _content(root / trial.path)
    if data is None:
        frames, findings = np.zeros((0, layout.columns), np.float32), (Finding("error", trial.path, None, fault),)
    else:
        frames, findings = parse_expmap(data, layout.columns, trial.path)
    clip = Clip(frames, trial.subject, trial.action, trial.trial, trial.split, source=trial.path)
    return Recording(clip, _digest(data), findings)


def _content(path: Path) -> tuple[bytes | None, str]:
    """A file's bytes, or None and why they cannot be read."""
    try:
        return read_bytes(path), ""
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"


def _digest(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _extra(layout: Layout, root: Path) -> tuple[str, ...]:
    expected = {trial.path for trial in layout.trials(layout.actions)}
    folders = {root / group.folder for group in layout.groups}
    files = (path for folder in folders if folder.is_dir() for path in walk_files(folder))
    return tuple(sorted({path.relative_to(root).as_posix() for path in files} - expected))
