"""Labelled sequences: what the readers of labelled data return, whatever it was read from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton


class Segment(NamedTuple):
    """Frames `[start, end)` of a sequence, and what happens in them."""

    start: int
    end: int
    label: int  # a number of `LabelledSet.classes`


@dataclasses.dataclass(frozen=True, eq=False)
class Sequence:
    """One recording: arrays of one length, and the segments that carry labels. Frames of no segment are unlabelled."""

    arrays: Mapping[str, np.ndarray]  # modality -> [F, D] float32: "positions" mm, "angles" rad, or features by name
    segments: tuple[Segment, ...]  # by their starts; they overlap only in tables of verbs and nouns
    subject: str  # "" where the data does not say
    split: str  # "train" | "validation" | "test"
    source: str  # the file that it came from, or "synthetic"

    @property
    def frames(self) -> int:
        """F."""
        return len(next(iter(self.arrays.values())))


class Component(NamedTuple):
    """What a class is made of, where it is of two words: "take cup" of the verb "take" and the noun "cup"."""

    verb: str
    noun: str


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledSet:
    """Sequences of one frame rate, and the names of their classes."""

    name: str  # of `data.datasets`
    sequences: tuple[Sequence, ...]
    classes: tuple[str, ...]  # [C] the order of a network's scores
    fps: float
    key: str  # sha256 of the content that the sequences were read from
    skeleton: Skeleton | None = None  # whose joints "positions" holds, `bodies` of them side by side; None: arrays only
    bodies: int = 1  # people in a frame: "positions" is [F, bodies * J * 3]
    components: tuple[Component, ...] = ()  # [C], or () where classes are not made of verb and noun

    def split(self, split: str) -> tuple[Sequence, ...]:
        """The sequences of one split, in order."""
        return tuple(sequence for sequence in self.sequences if sequence.split == split)

    def scored(self, split: str) -> tuple[Sequence, ...]:
        """The sequences of a split that is to be scored. Raises `UserError` where no segment is in it."""
        found = self.split(split)
        if not any(sequence.segments for sequence in found):
            others = [name for name in ("test", "validation") if name != split and self.split(name)]
            hint = f"; there is --split={others[0]}" if others else ""
            raise UserError(f"data set {self.name!r}: no labelled segment is in its {split} split{hint}")
        return found
