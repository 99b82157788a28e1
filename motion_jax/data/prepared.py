"""A prepared data set: a folder with `manifest.json` and `frames.npy`, opened without reading the frames into memory.

A folder appears complete or not at all: it is written beside its place and moved there. On opening, the size that the
manifest promises is held against the file before anything is mapped, and every byte against its sha256.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.findings import Finding
from motion_jax.data.finite import check_clips
from motion_jax.data.temp_frame_file import release_pages
from motion_jax.errors import UserError
from motion_jax.runtime.files import digest, user_path
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

FORMAT = 3  # of the folder; raise it when an older reader would misread a newer folder

MANIFEST = "manifest.json"
FRAMES = "frames.npy"

_DTYPE = np.dtype("<f4")
_ATTEMPTS = 8  # to put a folder in place; each failure means that another process has just put one there


@dataclasses.dataclass(frozen=True)
class ClipEntry:
    """Where one clip lies in `frames.npy`, and what it is (see `types.Clip`)."""

    subject: str
    action: str
    trial: int
    split: str
    source: str
    frames: int  # rows
    offset: int  # first row


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything about a data set but its frames."""

    format: int
    dataset: str
    actions: tuple[str, ...]
    skeleton: Skeleton
    fps: float
    key: str  # `types.Dataset.key`
    columns: int  # D
    frames: int  # rows of all clips together
    frames_sha256: str  # of the whole file frames.npy
    clips: tuple[ClipEntry, ...]
    sources: dict[str, str]  # sha256 of every source file, by its path
    findings: tuple[Finding, ...]  # the audit's
    split: str  # how the test was chosen, in a sentence; "" where nobody said

    def to_json(self) -> str:
        """Text that `from_json` reads back exactly."""
        fields = dataclasses.asdict(self) | {"skeleton": self.skeleton.to_dict()}
        return json.dumps({**fields, "digest": digest(fields)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Manifest:
        """Reads `to_json`'s text; `source` names it in errors.

        Raises:
            UserError: it is of another version, was changed or damaged, or contradicts itself.
        """
        try:
            fields = json.loads(text)
            if fields["format"] != FORMAT:
                raise UserError(
                    f"{source}: a prepared data set of format {fields['format']!r}; this version reads {FORMAT}: "
                    f"run motion-jax prepare again, with --overwrite"
                )
            if fields.pop("digest") != digest(fields):
                raise UserError(f"{source}: damaged or edited: its content does not match its digest")
            manifest = cls(**(fields | _records(fields)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{source}: not the manifest of a prepared data set: {error!r}") from None
        manifest._check(source)
        return manifest

    def _check(self, source: str) -> None:
        """Clips follow one another without gaps, and each is of a known split and action."""
        offset = 0
        for clip in self.clips:
            known = clip.split in ("train", "test") and clip.action in self.actions
            if clip.offset != offset or clip.frames < 1 or not known:
                raise UserError(f"{source}: clip {clip.source!r} does not fit: {clip}")
            offset += clip.frames
        if offset != self.frames:
            raise UserError(f"{source}: its clips have {offset} frames, but it promises {self.frames}")


def _records(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "actions": tuple(fields["actions"]),
        "skeleton": Skeleton.from_dict(fields["skeleton"]),
        "clips": tuple(ClipEntry(**entry) for entry in fields["clips"]),
        "findings": tuple(Finding(**entry) for entry in fields["findings"]),
    }


def is_prepared(folder: Path | str) -> bool:
    """Whether a folder claims to be a prepared data set."""
    return (user_path(folder) / MANIFEST).is_file()


def read_prepared(folder: Path | str) -> Dataset:
    """Opens a folder that `write_dataset` wrote.

    Returns:
        Clips whose frames `[F, D]` float32 are read-only views of the mapped file.

    Raises:
        UserError: the folder is of another version, incomplete, damaged or edited; it names the file.
    """
    folder = user_path(folder)
    manifest = read_manifest(folder)
    frames = _map_frames(folder / FRAMES, manifest)
    clips = tuple(
        Clip(
            frames=frames[entry.offset : entry.offset + entry.frames],
            subject=entry.subject,
            action=entry.action,
            trial=entry.trial,
            split=entry.split,
            source=entry.source,
        )
        for entry in manifest.clips
    )
    return Dataset(manifest.dataset, clips, manifest.actions, manifest.skeleton, manifest.fps, manifest.key)


def read_manifest(folder: Path | str) -> Manifest:
    """The manifest alone. Raises `UserError` as `read_prepared` does."""
    path = user_path(folder) / MANIFEST
    try:
        return Manifest.from_json(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def write_dataset(
    dataset: Dataset, folder: Path | str, sources: Mapping[str, str], findings: Sequence[Finding], split: str = ""
) -> None:
    """Writes a prepared data set in place of an older one, or where nothing is.

    Args:
        dataset: what to write.
        folder: where; an existing folder must be empty or a prepared data set.
        sources: sha256 of every source file, by its path.
        findings: what the audit found, kept as a record.
        split: how the test was chosen, in a sentence, kept as a record.

    Raises:
        UserError: there are no clips, a number in one is not finite or too large, other things lie in `folder`, or it
            cannot be written.
    """
    folder = user_path(folder).absolute()
    if not dataset.clips:
        raise UserError(f"{folder}: data set {dataset.name!r} has no clips to write")
    check_target(folder)
    draft = beside(folder)
    try:
        draft.mkdir(parents=True)
        written = _write_frames(draft / FRAMES, dataset.clips)
        manifest = _manifest(dataset, written, sources, findings, split)
        (draft / MANIFEST).write_text(manifest.to_json(), "utf-8")
        put_in_place(draft, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_target(folder: Path | str) -> None:
    """Raises `UserError` where `write_dataset` would destroy what it has not written."""
    try:
        foreign = sorted({path.name for path in user_path(folder).iterdir()} - {MANIFEST, FRAMES})
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{folder}: cannot become a prepared data set: {error.strerror}") from None
    if foreign:
        raise UserError(f"{folder}: holds {foreign[0]!r}: it must be empty, new, or a prepared data set")


def _manifest(
    dataset: Dataset, frames_sha256: str, sources: Mapping[str, str], findings: Sequence[Finding], split: str
) -> Manifest:
    entries, offset = [], 0
    for clip in dataset.clips:
        rows = len(clip.frames)
        entries.append(ClipEntry(clip.subject, clip.action, clip.trial, clip.split, clip.source, rows, offset))
        offset += rows
    return Manifest(
        format=FORMAT,
        dataset=dataset.name,
        actions=dataset.actions,
        skeleton=dataset.skeleton,
        fps=dataset.fps,
        key=dataset.key,
        columns=dataset.clips[0].frames.shape[1],
        frames=offset,
        frames_sha256=frames_sha256,
        clips=tuple(entries),
        sources=dict(sources),
        findings=tuple(findings),
        split=split,
    )


def _write_frames(path: Path, clips: Sequence[Clip]) -> str:
    """Writes the clips end to end, one at a time; a mapped file would die of a full disk, not raise."""
    shape = (sum(len(clip.frames) for clip in clips), clips[0].frames.shape[1])
    with path.open("w+b") as file:
        header = {"descr": _DTYPE.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for clip in clips:
            check_clips((clip,))
            file.write(np.ascontiguousarray(clip.frames, _DTYPE).tobytes())
            release_pages(clip.frames)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _map_frames(path: Path, manifest: Manifest) -> np.ndarray:
    """`[F, D]`, read-only. A header may lie: size and hash are checked before numpy believes it."""
    shape = (manifest.frames, manifest.columns)
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0(file)
            size = file.tell() + shape[0] * shape[1] * _DTYPE.itemsize
            if version != (1, 0) or header != (shape, False, _DTYPE):
                raise UserError(f"{path}: holds {header[0]} {header[2]}, but {MANIFEST} promises {shape} {_DTYPE}")
            if path.stat().st_size != size:
                raise UserError(f"{path}: has {path.stat().st_size} bytes: it must have {size}")
            file.seek(0)
            if hashlib.file_digest(file, "sha256").hexdigest() != manifest.frames_sha256:
                raise UserError(f"{path}: damaged or edited: its sha256 is not the one in {MANIFEST}")
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def put_in_place(finished: Path, folder: Path) -> None:
    """Moves `finished` to `folder`; whoever comes last wins. Readers keep what they have mapped."""
    for _ in range(_ATTEMPTS):
        try:
            finished.replace(folder)  # at once, and only onto nothing or an empty folder
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        aside = beside(folder)
        with contextlib.suppress(FileNotFoundError):  # another process has moved it first
            folder.replace(aside)
        shutil.rmtree(aside, ignore_errors=True)
    finished.replace(folder)


def beside(folder: Path) -> Path:
    """A new name in the same file system, so that a move is one step."""
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
