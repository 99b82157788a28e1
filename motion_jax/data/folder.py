"""Any folder of motion files -> one data set: one body, one rate, subjects and actions by the files' paths."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.datasets import FOLDER_ROOTS, MotionFiles
from motion_jax.data.findings import Finding, raise_errors, sort_findings
from motion_jax.data.finite import check_values
from motion_jax.data.formats import Motion, read_motion
from motion_jax.data.frame_cuts import Cuts, find_frame_cuts, read_frame_cuts
from motion_jax.data.layouts import choose_actions
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.motion import moving_joints, positions
from motion_jax.data.motion.rates import check_rate, nominal_rate
from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.retarget import retarget
from motion_jax.data.motion.rig import find_rig, to_canonical
from motion_jax.data.motion.root_forms import from_absolute, unwrap_rows
from motion_jax.data.motion.rotations_np import quaternion_from_rotvec
from motion_jax.data.motion.units import check_unit
from motion_jax.data.path_pattern import ParsedPath, parse_paths
from motion_jax.data.readers import Readers, usual_readers
from motion_jax.data.recordings import find_recordings
from motion_jax.data.splits import hold_out_test
from motion_jax.data.temp_frame_file import TempFrameFile, unwritable
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file, user_path
from motion_jax.runtime.folders import temporary_folder_in
from motion_jax.skeletons.joint_map import map_joints
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

_LEAST_SECONDS = 1.2  # of a recording whose first pose is held before it: its future is whole, and moves before that
_AT_START = 10  # frames among which a rest pose is looked for
_JUMP = 0.4  # rad from one frame to the next: 48 rad/s at 120 Hz, twice what a limb reaches
VERSION = 5  # of what this file does to motion; part of a data set's key


@dataclasses.dataclass(frozen=True, eq=False)
class Folder:
    """What one folder holds."""

    dataset: Dataset
    hashes: dict[str, str]  # sha256 of every file that was read, by its path below the root
    findings: tuple[Finding, ...]
    split: str  # how the test was chosen, in a sentence
    lengths: dict[str, tuple[int, float]]  # frames and frames a second of every file that was read, as it has them


def read_folder(
    root: Path | str,
    files: MotionFiles | None = None,
    *,
    actions: str = "all",
    shortest: int = 1,
    strict: bool = False,
    name: str = "folder",
    workers: int | None = 1,
    scratch: Path | None = None,
) -> Folder:
    """Reads every motion file below a folder onto one body, in the memory of one file a process.

    Args:
        root: the folder.
        files: what the files do not say; None: nothing.
        actions: "all", or names separated by commas; files of others are not read.
        shortest: frames at `files.fps` that a clip must have; shorter files are left out, and recordings that are cut
            into training and test have that many in each part.
        strict: whether what would be passed over or left out is an error.
        name: the data set's.
        workers: processes that read, whose number changes nothing of what is read; None: as many as pay
            (`usual_readers`). A script that asks for several must stand below `if __name__ == "__main__":`.
        scratch: folder for temporary files as large as the data set; None: where the system keeps them.

    A body that differs from the first is retargeted by the names of its joints (`motion.retarget`); a file whose joints
    have other names altogether, like that of a prop, is left out, and where most would be, the body is another file's.
    The root becomes steps from the frame before in the form that `files.root` names, so that a prediction goes on from
    where a body is; the first frame of each file, which has none before it, goes. Rotation vectors are continued over
    time (`motion.unwrap`), beginning near the first file's.

    Returns:
        Clips `[F, 3 + 3 J]` float32 at `files.fps`, in train and test; what was left out or changed are findings.

    Raises:
        UserError: there is no such folder or no motion file in it, motion files are broken (all are named), all are too
            short, a path does not fit the usual forms, an option is impossible, or nothing is left to test. Or the root
            is to be told from its heading, and y is not up.
    """
    root, files = user_path(root), files or MotionFiles()
    if files.root not in FOLDER_ROOTS:
        raise UserError(f"--root={files.root}: must be one of {', '.join(FOLDER_ROOTS)}")
    check_rate(files.fps, "fps", required=True)
    check_rate(files.input_fps, "input_fps")
    check_unit(files.unit_mm)
    options = _Options(root, files, shortest, strict)
    paths, findings = find_recordings(root, files.exclude, strict, companions=(files.cuts,) if files.cuts else ())
    named, unfit = parse_paths(root, paths, files.pattern)
    findings += [options.left_out(path, f"does not fit --pattern={files.pattern}") for path in unfit]
    if files.actions:
        others = [file for file in named if file.action not in files.actions]
        findings += [options.left_out(file.path, f"its action is {file.action!r}") for file in others]
    known = files.actions or tuple(sorted({file.action for file in named}))
    chosen = choose_actions(actions, known)
    named = [file for file in named if file.action in chosen]
    raise_errors(findings, root)
    options, hashes = _with_cuts(options, findings)
    size = sum((root / file.path).stat().st_size for file in named)
    with Readers(usual_readers(size) if workers is None else workers) as readers:
        reading = _read_all(options, named, readers, scratch)
    reading.hashes |= hashes
    findings += reading.findings
    raise_errors(findings, root)
    if not reading.clips:
        raise UserError(f"--source={str(root)!r}: no file in it can be used: {findings[0]}")
    if files.root == "heading":
        _check_up(reading.above)
    frames = reading.spool.close()
    filled = [
        dataclasses.replace(clip, frames=frames[rows]) for clip, rows in zip(reading.clips, reading.rows, strict=True)
    ]
    placed, how = hold_out_test(filled, files.test, files.split, shortest)
    shown = {clip.action for clip in placed}
    return Folder(
        dataset=Dataset(
            name=name,
            clips=placed,
            actions=tuple(action for action in chosen if action in shown),
            skeleton=dataclasses.replace(reading.body, root=files.root),
            fps=files.fps,
            key=_key(options, reading.hashes),
        ),
        hashes=reading.hashes,
        findings=sort_findings(findings),
        split=how,
        lengths=reading.lengths,
    )


class _Options(NamedTuple):
    """What `read_folder` was asked."""

    root: Path
    files: MotionFiles
    shortest: int
    strict: bool
    cuts: Cuts | None = None  # None: there is no table of them

    def left_out(self, path: str, why: str) -> Finding:
        """What is said of a recording that is not used."""
        advice = " (--strict; --exclude leaves files out)" if self.strict else ""
        return Finding("error" if self.strict else "warning", path, None, f"left out: {why}{advice}")


def _with_cuts(options: _Options, findings: list[Finding]) -> tuple[_Options, dict[str, str]]:
    """With the table of usable frames, where the data set has one, and its sha256 by its path."""
    if not (name := options.files.cuts):
        return options, {}
    if (path := find_frame_cuts(options.root, name)) is None:
        advice = " (--strict)" if options.strict else ""
        message = f"is not there: recordings are read whole, with what it would leave out{advice}"
        findings.append(Finding("error" if options.strict else "warning", name, None, message))
        return options, {}
    return options._replace(cuts=read_frame_cuts(options.root / path)), {path: _sha256(options.root / path)}


def _read_all(options: _Options, named: Sequence[ParsedPath], readers: Readers, scratch: Path | None) -> _Reading:
    """Every file onto the body that is named, or the first file's; the first stranger's where most are strangers."""
    files = options.files
    body = fit_root(read_motion(user_path(files.skeleton), files.unit_mm)).skeleton if files.skeleton else None
    best: _Reading | None = None
    while True:
        reading = _Reading(body, scratch)
        reading.read(options, named, readers)
        if best is not None and reading.fitting <= best.fitting:
            return best
        if files.skeleton or reading.fitting >= len(reading.strangers):
            return reading
        best, body = reading, _named(reading.strangers[0], options.root)


class _Reading:
    """Files that were read onto one body: what they are, and what is wrong with them."""

    def __init__(self, body: Skeleton | None, scratch: Path | None) -> None:
        self._body, self._scratch = body, scratch
        self.clips: list[Clip] = []  # whose frames lie in `spool`
        self.rows: list[slice] = []
        self.hashes: dict[str, str] = {}
        self.lengths: dict[str, tuple[int, float]] = {}
        self.findings: list[Finding] = []
        self.fitting = 0  # files whose joints are the body's
        self.strangers: list[Skeleton] = []  # bodies of the files whose joints are not
        self._near: np.ndarray | None = None
        self.above = np.zeros(3)  # mm, the trunk from the legs, summed over frames

    @property
    def body(self) -> Skeleton:
        """The body that all clips have."""
        assert self._body is not None
        return self._body

    def read(self, options: _Options, named: Sequence[ParsedPath], readers: Readers) -> None:
        """Reads files in their order: one by one until the body and the branch of its rotations are known, which is as
        a rule after the first, and the others by all readers.
        """
        rest = list(named)
        while rest and (self._body is None or self._near is None):
            self._take(_File(options, rest.pop(0), self._body, self._near).read())
        read = functools.partial(_read_file, options, self._body, self._near)
        if readers.count == 1:
            for file in readers.map(read, rest):
                self._take(file)
        elif rest:
            with _drafts(self._scratch) as folder:
                for file in readers.map(functools.partial(read, folder=folder), rest):
                    self._take(file)

    def _take(self, file: _File) -> None:
        self._body, self._near = file.body, file.near
        self.findings += file.findings
        self.above += file.above
        self.fitting += file.fits
        self.strangers += [file.stranger] if file.stranger else []
        if not hasattr(self, "spool") and self._body is not None:
            self.spool = TempFrameFile(self._body.columns, self._scratch)
        if file.frames is None:
            return
        frames = file.frames if isinstance(file.frames, np.ndarray) else np.load(file.frames, mmap_mode="r")
        parsed, path = file.parsed, file.parsed.path
        self.rows.append(self.spool.append(frames))
        if isinstance(file.frames, Path):
            file.frames.unlink()
        self.lengths[path], self.hashes[path] = file.length, file.sha256
        nothing = np.zeros((0, frames.shape[1]), np.float32)
        self.clips.append(Clip(nothing, parsed.subject, parsed.action, parsed.trial, "train", source=path))


def _read_file(
    options: _Options, body: Skeleton | None, near: np.ndarray | None, parsed: ParsedPath, folder: Path | None = None
) -> _File:
    """One file; its frames in a file of `folder`, so that they need not pass from process to process."""
    file = _File(options, parsed, body, near).read()
    if folder is not None and isinstance(file.frames, np.ndarray):
        path = folder / f"{uuid.uuid4().hex}.npy"
        try:
            np.save(path, file.frames)
        except OSError as error:
            raise unwritable(error, folder.parent) from None
        file.frames = path
    return file


@contextlib.contextmanager
def _drafts(scratch: Path | None) -> Iterator[Path]:
    with contextlib.ExitStack() as held:
        try:
            folder = held.enter_context(temporary_folder_in(scratch or Path(tempfile.gettempdir()), ".frames"))
        except OSError as error:
            raise unwritable(error, scratch) from None
        yield folder


class _File:
    """One file, read onto a body, or onto its own where there is none yet: a clip, or findings that say why not."""

    def __init__(self, options: _Options, parsed: ParsedPath, body: Skeleton | None, near: np.ndarray | None) -> None:
        self.options, self.parsed = options, parsed
        self.body, self.near = body, near
        self.findings: list[Finding] = []
        self.fits = False  # whether its joints are the body's
        self.stranger: Skeleton | None = None  # its own body, if they are not
        self.above = np.zeros(3)  # mm, the trunk from the legs, summed over frames
        self.length = 0, 0.0  # frames and frames a second
        self.sha256 = ""
        self.frames: np.ndarray | Path | None = None  # [F, D] float32; None: it is left out

    def read(self) -> _File:
        """Fills everything in; returns itself."""
        (root, files), relative = self.options[:2], self.parsed.path
        path = root / relative
        try:
            motion = self._cut(read_motion(path, files.unit_mm, fps=files.input_fps))
            placed = motion and self._placed(motion, relative)
            if placed is None:
                return self
            frames = self._frames(placed, relative)
            check_values(frames, relative)
        except UserError as error:
            message = str(error).removeprefix(f"{path}: ").removeprefix(f"{relative}: ")
            at = re.match(rf"{re.escape(str(path))}:(\d+): ", message)
            line = int(at[1]) if at else None
            self.findings.append(Finding("error", relative, line, message[at.end() if at else 0 :]))
            return self
        if len(frames) < self.options.shortest:
            short = f"{len(frames)} frames at {files.fps:g} per second: {self.options.shortest} are needed"
            self.findings.append(self.options.left_out(relative, short))
            return self
        self.length = len(placed.frames), nominal_rate(placed.fps)
        self.sha256 = _sha256(path)
        self.frames = frames.astype(np.float32)
        return self

    def _cut(self, motion: Motion) -> Motion | None:
        """What is usable of it by the table of cuts; None where that is nothing."""
        path = self.parsed.path
        if self.options.cuts is None:
            return motion
        if (found := self.options.cuts.get(Path(path).stem)) is None:
            self._warn(path, f"{self.options.files.cuts} does not name it: it is read whole")
            return motion
        kept = slice(found[0], min(found[1], len(motion.frames)))
        if kept.start >= kept.stop:
            what = f"frames {found[0]} to {found[1]}, and it has {len(motion.frames)}"
            self.findings.append(self.options.left_out(path, f"{self.options.files.cuts} names {what}"))
            return None
        places = None if motion.places is None else motion.places[kept]
        return dataclasses.replace(motion, frames=motion.frames[kept], places=places)

    def _placed(self, motion: Motion, path: str) -> Motion | None:
        """The motion on the body of all; None where it has other joints altogether."""
        for warning in motion.warnings:
            self._warn(path, warning)
        files = self.options.files
        motion = fit_root(motion, None if files.body else self.body)
        if files.body:
            motion = self._without_rest_pose(motion, path)
            table = user_path(files.joint_map) if files.joint_map else None
            motion = to_canonical(find_rig(motion, map_joints(motion.skeleton, table)), motion)
        if self.body is None:
            self.body = motion.skeleton if files.body else _named(motion.skeleton, self.options.root)
        if found := self.body.mismatch(motion.skeleton):
            known = len(motion.notes)
            try:
                placed = retarget(motion, self.body)
            except UserError as error:
                self.stranger = motion.skeleton
                self.findings.append(self.options.left_out(path, str(error).removeprefix(f"{motion.source}: ")))
                return None
            self._warn(path, f"{'; '.join(placed.notes[known:])} ({found})")
            motion = placed
        elif moved := moving_joints(motion):
            names = ", ".join(moved[:6]) + ", ..." * (len(moved) > 6)
            self._warn(path, f"joints move from their places: only their rotations are kept: {names}")
        self.fits = True
        return motion

    def _without_rest_pose(self, motion: Motion, path: str) -> Motion:
        """Without a pose at the start from which no body moves to the next frame: makers put the rest pose there."""
        joints = quaternion_from_rotvec(motion.frames[:, 6:].reshape(len(motion.frames), -1, 3))
        turns = 2 * np.arccos(np.clip(np.abs((joints[1:] * joints[:-1]).sum(axis=-1)), 0, 1))
        jumps = (turns[:_AT_START] > _JUMP) & (turns[:_AT_START] > 2 * turns[_AT_START:].max(axis=0, initial=0))
        if not (jumps := jumps.any(axis=1)).any():
            return motion
        first = int(np.flatnonzero(jumps)[-1]) + 1
        self._warn(path, f"the rest pose at its start is left out: {first} frame{'s' * (first != 1)}")
        places = None if motion.places is None else motion.places[first:]
        return dataclasses.replace(motion, frames=motion.frames[first:], places=places)

    def _frames(self, motion: Motion, path: str) -> np.ndarray:
        files, root = self.options.files, self.options.files.root
        resampled = resample(motion, files.fps)
        if root == "heading":
            self.above += _trunk_above_legs(resampled)
        rows, lacking = resampled.frames, self.options.shortest + 1 - len(resampled.frames)
        if files.body and lacking > 0 and len(rows) >= _LEAST_SECONDS * files.fps:
            rows = np.concatenate([np.repeat(rows[:1], lacking, axis=0), rows])
            self._warn(path, f"short: its first pose is held for {lacking / files.fps:.2f} s before it")
        frames = unwrap_rows(root, from_absolute(root, rows), self.near)
        if self.near is None and len(frames):
            self.near = frames[0]
        return frames

    def _warn(self, path: str, message: str) -> None:
        self.findings.append(Finding("warning", path, None, message))


def _trunk_above_legs(motion: Motion) -> np.ndarray:
    """mm in space, summed over frames; 0 of a body without legs."""
    places, parts = positions(motion), np.array(motion.skeleton.parts)
    legs = np.char.endswith(parts, "leg")
    return (places[:, ~legs].mean(axis=1) - places[:, legs].mean(axis=1)).sum(axis=0) if legs.any() else np.zeros(3)


def _check_up(above: np.ndarray) -> None:
    """Raises `UserError` where the trunk lies above the legs along another axis than y."""
    axis = int(np.argmax(np.abs(above)))
    if above.any() and (axis != 1 or above[1] < 0):
        up = ("-" if above[axis] < 0 else "") + "xyz"[axis]
        raise UserError(
            f"--root=heading: needs recordings in which y is up; in these {up} is (--root=difference takes them)"
        )


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(body: Skeleton, root: Path) -> Skeleton:
    return dataclasses.replace(body, name=root.absolute().name or "folder")


def _key(options: _Options, hashes: dict[str, str]) -> str:
    """What decides the frames; files that were not read do not."""
    decisive = {**dataclasses.asdict(options.files), "exclude": (), "shortest": options.shortest}
    for field in ("root", "cuts"):
        if getattr(options.files, field) == getattr(MotionFiles, field):
            del decisive[field]  # keys of data sets from before there was a choice
    content = [VERSION, decisive, sorted(hashes.items())]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
