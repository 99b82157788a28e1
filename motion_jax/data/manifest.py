"""The table of contents of a prepared data set: plain JSON that proves its own integrity."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from motion_jax.data.findings import Finding
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

FORMAT = 3  # of the folder; raise it when an older reader would misread a newer folder


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
        return json.dumps({**fields, "digest": _digest(fields)}, indent=1) + "\n"

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
                    f"run motion-jax prepare again"
                )
            if fields.pop("digest") != _digest(fields):
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


def _digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
