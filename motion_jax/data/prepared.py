"""A prepared data set: a folder with `manifest.json` and `frames.npy` (see `prepared_folder`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.findings import Finding
from motion_jax.data.finite import check_clips
from motion_jax.data.motion.rates import check_rate
from motion_jax.data.prepared_folder import Kind, map_rows, write_rows
from motion_jax.data.temp_frame_file import release_pages
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path
from motion_jax.runtime.folders import written_folder
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

FORMAT = 3  # of the folder; raise it when an older reader would misread a newer folder

MANIFEST = "manifest.json"
FRAMES = "frames.npy"
KIND = Kind("data set", MANIFEST, FORMAT)


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
        return KIND.text(dataclasses.asdict(self) | {"skeleton": self.skeleton.to_dict()})

    @classmethod
    def from_json(cls, text: str, source: str) -> Manifest:
        """Reads `to_json`'s text; `source` names it in errors.

        Raises:
            UserError: it is of another version, was changed or damaged, or contradicts itself.
        """
        return KIND.parse(text, source, lambda fields: _manifest_of(fields, source))

    def check(self, source: str) -> None:
        """Raises `UserError` unless it has a frame rate, and clips without gaps, each of a known split and action."""
        check_rate(self.fps, f"{source}: fps", required=True)
        offset = 0
        for clip in self.clips:
            known = clip.split in ("train", "test") and clip.action in self.actions
            if clip.offset != offset or clip.frames < 1 or not known:
                raise UserError(f"{source}: clip {clip.source!r} does not fit: {clip}")
            offset += clip.frames
        if offset != self.frames:
            raise UserError(f"{source}: its clips have {offset} frames, but it promises {self.frames}")


def _manifest_of(fields: dict[str, Any], source: str) -> Manifest:
    records = {
        "actions": tuple(fields["actions"]),
        "skeleton": Skeleton.from_dict(fields["skeleton"]),
        "clips": tuple(ClipEntry(**entry) for entry in fields["clips"]),
        "findings": tuple(Finding(**entry) for entry in fields["findings"]),
    }
    manifest = Manifest(**(fields | records))
    manifest.check(source)
    return manifest


def is_prepared(folder: Path | str) -> bool:
    """Whether a folder claims to be a prepared data set."""
    return KIND.is_at(folder)


def read_prepared(folder: Path | str) -> Dataset:
    """Opens a folder that `write_dataset` wrote.

    Returns:
        Clips whose frames `[F, D]` float32 are read-only views of the mapped file.

    Raises:
        UserError: the folder is of another version, incomplete, damaged or edited; it names the file.
    """
    folder = user_path(folder)
    manifest = read_manifest(folder)
    frames = map_rows(folder / FRAMES, (manifest.frames, manifest.columns), manifest.frames_sha256, MANIFEST)
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
    return KIND.read(folder, lambda fields: _manifest_of(fields, str(user_path(folder) / MANIFEST)))


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
        UserError: there are no clips, `fps` is not a finite number above 0, a number in a clip is not finite or too
            large, other things lie in `folder`, or it cannot be written.
    """
    folder = user_path(folder).absolute()
    if not dataset.clips:
        raise UserError(f"{folder}: data set {dataset.name!r} has no clips to write")
    check_rate(dataset.fps, f"{folder}: data set {dataset.name!r}: fps", required=True)
    check_target(folder)
    with written_folder(folder) as draft:
        shape = (sum(len(clip.frames) for clip in dataset.clips), dataset.clips[0].frames.shape[1])
        written = write_rows(draft / FRAMES, shape, _checked_frames(dataset.clips))
        manifest = _manifest(dataset, written, sources, findings, split)
        (draft / MANIFEST).write_text(manifest.to_json(), "utf-8")


def check_target(folder: Path | str) -> None:
    """Raises `UserError` where `write_dataset` would destroy what it has not written."""
    KIND.check_target(folder, lambda name: name == FRAMES)


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


def _checked_frames(clips: Sequence[Clip]) -> Iterator[np.ndarray]:
    for clip in clips:
        check_clips((clip,))
        yield clip.frames
        release_pages(clip.frames)
