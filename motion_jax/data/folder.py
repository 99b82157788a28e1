"""Any folder of motion files -> one data set: one body, one rate, subjects and actions by the files' paths."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from motion_jax.data.findings import Finding, raise_errors, sort_findings
from motion_jax.data.finite import check_values
from motion_jax.data.formats import Motion, read_motion
from motion_jax.data.formats.text import differentiate_root
from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.retarget import retarget
from motion_jax.data.motion.unwrap import unwrap_rotations
from motion_jax.data.path_pattern import ParsedPath, parse_paths
from motion_jax.data.recordings import find_recordings
from motion_jax.data.splits import hold_out_test
from motion_jax.data.temp_frame_file import TempFrameFile
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

VERSION = 3  # of what this file does to motion; part of a data set's key


@dataclasses.dataclass(frozen=True)
class FolderConfig:
    """What a folder's files do not say."""

    root: str
    pattern: str = ""  # of paths below the root without suffix; "": one of the usual forms (see `parse_paths`)
    test: tuple[str, ...] = ()  # subjects to test on
    split: str = "auto"  # how the test is chosen, one of `splits.WAYS`
    fps: float = 50.0  # of the data set; a model that trains with data.stride=2 sees half of it
    input_fps: float | None = None  # at which the files were recorded; None: as they say
    unit_mm: float | None = None  # mm to a unit of length; None: as the files say (BVH: cm)
    skeleton: str = ""  # a motion file with the body that all others are put on; "": that of most files, the first's
    shortest: int = 1  # frames at `fps` that a clip must have; shorter files are left out
    exclude: tuple[str, ...] = ()  # patterns of names, or of paths, that are left out (see `find_recordings`)
    strict: bool = False  # refuse what would be passed over or left out


@dataclasses.dataclass(frozen=True, eq=False)
class Folder:
    """What one folder holds."""

    dataset: Dataset
    hashes: dict[str, str]  # sha256 of every file that was read, by its path below the root
    findings: tuple[Finding, ...]
    split: str  # how the test was chosen, in a sentence


def read_folder(config: FolderConfig) -> Folder:
    """Reads every motion file below a folder, one after the other, onto one body.

    A body that differs from the first is retargeted by the names of its joints (`motion.retarget`); a file whose joints
    have other names altogether, like that of a prop, is left out, and where most would be, the body is another file's.
    The root becomes differences to the frame before, as Human3.6M has it, so that a prediction goes on from where a
    body is; the first frame of each file, which has none before it, goes. Rotation vectors are continued over time
    (`motion.unwrap`), beginning near the first file's.

    Returns:
        Clips `[F, 3 + 3 J]` float32 at `config.fps`, in train and test; what was left out or changed are findings.

    Raises:
        UserError: there is no such folder or no motion file in it, motion files are broken (all are named), all are too
            short, a path does not fit the usual forms, an option is impossible, or nothing is left to test.
    """
    root = user_path(config.root)
    paths, findings = find_recordings(root, config.exclude, config.strict)
    named, unfit = parse_paths(root, paths, config.pattern)
    findings += [_left_out(config, path, f"does not fit --pattern={config.pattern}") for path in unfit]
    raise_errors(findings, root)
    reading = _read_all(root, config, named)
    findings += reading.findings
    raise_errors(findings, root)
    if not reading.clips:
        raise UserError(f"--source={str(root)!r}: no file in it can be used: {findings[0]}")
    frames = reading.spool.close()
    filled = [
        dataclasses.replace(clip, frames=frames[rows])
        for clip, rows in zip(reading.clips, reading.rows, strict=True)
    ]  # fmt: skip
    placed, how = hold_out_test(filled, config.test, config.split, config.shortest)
    return Folder(
        dataset=Dataset(
            name="folder",
            clips=placed,
            actions=tuple(sorted({clip.action for clip in placed})),
            skeleton=dataclasses.replace(reading.body, root_is_difference=True),
            fps=config.fps,
            key=_key(config, reading.hashes),
        ),
        hashes=reading.hashes,
        findings=sort_findings(findings),
        split=how,
    )


def _read_all(root: Path, config: FolderConfig, named: Sequence[ParsedPath]) -> _Reading:
    """Every file onto the body that is named, or the first file's; the first stranger's where most are strangers."""
    body = read_motion(user_path(config.skeleton), config.unit_mm).skeleton if config.skeleton else None
    best: _Reading | None = None
    while True:
        reading = _Reading(root, config, body)
        for file in named:
            reading.add(file)
        if best is not None and reading.fitting <= best.fitting:
            return best
        if config.skeleton or reading.fitting >= len(reading.strangers):
            return reading
        best, body = reading, _named(reading.strangers[0], root)


class _Reading:
    """Files that were read onto one body: what they are, and what is wrong with them."""

    def __init__(self, root: Path, config: FolderConfig, body: Skeleton | None) -> None:
        self.root, self.config = root, config
        self._body = body
        self.clips: list[Clip] = []  # whose frames lie in `spool`
        self.rows: list[slice] = []
        self.hashes: dict[str, str] = {}
        self.findings: list[Finding] = []
        self.fitting = 0  # files whose joints are the body's
        self.strangers: list[Skeleton] = []  # bodies of the files whose joints are not
        self._near: np.ndarray | None = None

    @property
    def body(self) -> Skeleton:
        """The body that all clips have."""
        assert self._body is not None
        return self._body

    def add(self, file: ParsedPath) -> None:
        """Reads one file: a clip, or a finding that says why not."""
        path, config = self.root / file.path, self.config
        try:
            motion = self._placed(read_motion(path, config.unit_mm, fps=config.input_fps), file.path)
            if motion is None:
                return
            frames = self._frames(motion)
            check_values(frames, file.path)
        except UserError as error:
            message = str(error).removeprefix(f"{path}: ").removeprefix(f"{file.path}: ")
            self.findings.append(Finding("error", file.path, None, message))
            return
        if len(frames) < config.shortest:
            short = f"{len(frames)} frames at {config.fps:g} per second: {config.shortest} are needed"
            self.findings.append(_left_out(config, file.path, short))
            return
        self.hashes[file.path] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.rows.append(self.spool.append(frames))
        nothing = np.zeros((0, frames.shape[1]), np.float32)
        self.clips.append(Clip(nothing, file.subject, file.action, file.trial, "train", source=file.path))

    def _placed(self, motion: Motion, path: str) -> Motion | None:
        """The motion on the body of all; None where it has other joints altogether."""
        if self._body is None:
            self._body = _named(motion.skeleton, self.root)
        if not hasattr(self, "spool"):
            self.spool = TempFrameFile(self._body.columns)
        if found := self._body.mismatch(motion.skeleton):
            known = len(motion.notes)
            try:
                placed = retarget(motion, self._body)
            except UserError as error:
                self.strangers.append(motion.skeleton)
                self.findings.append(_left_out(self.config, path, str(error).removeprefix(f"{motion.source}: ")))
                return None
            self._warn(path, f"{'; '.join(placed.notes[known:])} ({found})")
            motion = placed
        elif motion.places is not None:
            self._warn(path, "joints below the root move from their places: only their rotations are kept")
        self.fitting += 1
        return motion

    def _frames(self, motion: Motion) -> np.ndarray:
        frames = differentiate_root(resample(motion, self.config.fps).frames)[1:]
        frames = unwrap_rotations(frames, self._near)
        if self._near is None and len(frames):
            self._near = frames[0]
        return frames

    def _warn(self, path: str, message: str) -> None:
        self.findings.append(Finding("warning", path, None, message))


def _named(body: Skeleton, root: Path) -> Skeleton:
    return dataclasses.replace(body, name=root.absolute().name or "folder")


def _left_out(config: FolderConfig, path: str, why: str) -> Finding:
    advice = " (--strict; --exclude leaves files out)" if config.strict else ""
    return Finding("error" if config.strict else "warning", path, None, f"left out: {why}{advice}")


def _key(config: FolderConfig, hashes: dict[str, str]) -> str:
    """What decides the frames; files that were not read do not."""
    options = {**dataclasses.asdict(config), "root": "", "exclude": (), "strict": False}
    content = [VERSION, options, sorted(hashes.items())]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
