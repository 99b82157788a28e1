"""Any folder of motion files -> one data set: one body, one rate, subjects and actions by the files' paths."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from motion_jax.data.findings import Finding, raise_errors, sort_findings
from motion_jax.data.formats import FORMATS, Motion, read_motion
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.motion import moving_joints
from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.retarget import retarget
from motion_jax.data.motion.root_differences import differentiate_root
from motion_jax.data.motion.unwrap import unwrap_rotations
from motion_jax.data.path_pattern import ParsedPath, parse_paths
from motion_jax.data.temp_frame_file import TempFrameFile
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

VERSION = 3  # of what this file does to motion; part of a data set's key
READABLE = tuple(suffix for suffix, form in FORMATS.items() if form.read)


@dataclasses.dataclass(frozen=True)
class FolderConfig:
    """What a folder's files do not say."""

    root: str
    pattern: str = (
        ""  # of paths below the root without suffix, with {subject}, {action}, {trial}; "": see `parse_paths`
    )
    test: tuple[str, ...] = ()  # subjects; (): the last of several, of one the last trial of every action
    fps: float = 50.0  # of the data set; a model that trains with data.stride=2 sees half of it
    unit_mm: float | None = None  # mm to a unit of length; None: as the files say (BVH: cm)
    skeleton: str = ""  # a motion file with the body that all others are put on; "": the first file's
    shortest: int = 1  # frames at `fps` that a clip must have; shorter files are left out


@dataclasses.dataclass(frozen=True, eq=False)
class Folder:
    """What one folder holds."""

    dataset: Dataset
    hashes: dict[str, str]  # sha256 of every file that was read, by its path below the root
    findings: tuple[Finding, ...]


def read_folder(config: FolderConfig) -> Folder:
    """Reads every motion file below a folder, one after the other, onto one body.

    A body that differs from the first is retargeted by the names of its joints (`formats.retarget`). The root becomes
    differences to the frame before, as Human3.6M has it, so that a prediction goes on from where a body is; the first
    frame of each file, which has none before it, goes. Rotation vectors are continued over time (`formats.branch`),
    beginning near the first file's.

    Returns:
        Clips `[F, 3 + 3 J]` float32 at `config.fps`, in train and test; what was left out or changed are findings.

    Raises:
        UserError: there is no such folder or no motion file in it, files are faulty (all are named), all are too short,
            a path does not fit the pattern, or an option is impossible.
    """
    root = Path(config.root).expanduser()
    named = parse_paths(root, _files(root), config.pattern)
    read = _Reader(root, config)
    clips = [clip for file in named if (clip := read(file))]
    raise_errors(read.findings, root)
    if read.body is None or not clips:
        raise UserError(f"--source={str(root)!r}: every file in it is too short: {read.findings[0]}")
    frames = read.spool.close()
    filled = [dataclasses.replace(clip, frames=frames[rows]) for clip, rows in zip(clips, read.rows, strict=True)]
    placed = split_by_subject(filled, config.test)
    return Folder(
        dataset=Dataset(
            name="folder",
            clips=placed,
            actions=tuple(sorted({clip.action for clip in placed})),
            skeleton=dataclasses.replace(read.body, root_is_difference=True),
            fps=config.fps,
            key=_key(config, read.hashes),
        ),
        hashes=read.hashes,
        findings=sort_findings(read.findings),
    )


def split_by_subject(clips: Sequence[Clip], test: tuple[str, ...]) -> tuple[Clip, ...]:
    """Marks the clips of subjects `test` as the test split, all others as training.

    Without `test`: of several subjects the last by name; of one, the last trial of every action that has several.

    Raises:
        UserError: a subject is unknown, or nothing is left to train on or to test.
    """
    subjects = sorted({clip.subject for clip in clips})
    if unknown := [name for name in test if name not in subjects]:
        raise UserError(f"--test={','.join(test)}: no subject {unknown[0]!r}: it must be among {', '.join(subjects)}")
    if test or len(subjects) > 1:
        chosen = test or subjects[-1:]
        held = {id(clip) for clip in clips if clip.subject in chosen}
    else:
        last = {action: max(clip.trial for clip in clips if clip.action == action) for action in _several(clips)}
        held = {id(clip) for clip in clips if clip.trial == last.get(clip.action)}
    if not 0 < len(held) < len(clips):
        raise UserError(
            f"of {len(clips)} motions that are long enough {len(held)} are left to test: it takes two subjects, or "
            f"two trials of an action; --test names subjects, --pattern says where they stand in the paths"
        )
    return tuple(dataclasses.replace(clip, split="test" if id(clip) in held else "train") for clip in clips)


class _Reader:
    """Reads files in turn and gathers what they are and what is wrong with them."""

    def __init__(self, root: Path, config: FolderConfig) -> None:
        self.root, self.config = root, config
        self.body: Skeleton | None = _body_of(config)
        self.hashes: dict[str, str] = {}
        self.findings: list[Finding] = []
        self.rows: list[slice] = []
        self._near: np.ndarray | None = None

    def __call__(self, file: ParsedPath) -> Clip | None:
        """The clip of one file, its frames in the spool; None where it is faulty or too short."""
        path = self.root / file.path
        try:
            frames = self._frames(read_motion(path, self.config.unit_mm), file.path)
        except UserError as error:
            self._find("error", file.path, str(error).removeprefix(f"{path}: "))
            return None
        if len(frames) < self.config.shortest:
            self._find("warning", file.path, f"left out: {len(frames)} frames at {self.config.fps:g} per second: "
                       f"{self.config.shortest} are needed")  # fmt: skip
            return None
        self.hashes[file.path] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.rows.append(self.spool.append(frames))
        nothing = np.zeros((0, frames.shape[1]), np.float32)
        return Clip(nothing, file.subject, file.action, file.trial, "train", source=file.path)

    def _frames(self, motion: Motion, path: str) -> np.ndarray:
        for warning in motion.warnings:
            self._find("warning", path, warning)
        motion = fit_root(motion, self.body)
        if self.body is None:
            self.body = dataclasses.replace(motion.skeleton, name=self.root.name or "folder")
        if not hasattr(self, "spool"):
            self.spool = TempFrameFile(self.body.columns)
        if found := self.body.mismatch(motion.skeleton):
            known, motion = len(motion.notes), retarget(motion, self.body)
            self._find("warning", path, f"{'; '.join(motion.notes[known:])} ({found})")
        elif moved := moving_joints(motion):
            names = ", ".join(moved[:6]) + ", ..." * (len(moved) > 6)
            self._find("warning", path, f"joints move from their places: only their rotations are kept: {names}")
        frames = differentiate_root(resample(motion, self.config.fps).frames)[1:]
        frames = unwrap_rotations(frames, self._near)
        if self._near is None and len(frames):
            self._near = frames[0]
        return frames

    def _find(self, severity: str, path: str, message: str) -> None:
        self.findings.append(Finding(severity, path, None, message))


def _body_of(config: FolderConfig) -> Skeleton | None:
    return fit_root(read_motion(config.skeleton, config.unit_mm)).skeleton if config.skeleton else None


def _files(root: Path) -> list[str]:
    if not root.is_dir():
        raise UserError(f"--source={str(root)!r}: no such folder")
    files = (path for path in root.rglob("*") if path.suffix.lower() in READABLE and path.is_file())
    found = sorted(path.relative_to(root).as_posix() for path in files)
    if not found:
        raise UserError(f"--source={str(root)!r}: no motion file in it: looked for {', '.join(READABLE)}")
    return found


def _several(clips: Sequence[Clip]) -> set[str]:
    """Actions with more than one trial."""
    actions = [clip.action for clip in clips]
    return {action for action in actions if actions.count(action) > 1}


def _key(config: FolderConfig, hashes: dict[str, str]) -> str:
    options = {**dataclasses.asdict(config), "root": ""}
    content = [VERSION, options, sorted(hashes.items())]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
