"""Label spaces: what the parameters of a recogniser or an anticipator are worth nothing without."""

from __future__ import annotations

import dataclasses
import json
from typing import NamedTuple

import numpy as np

from motion_jax.config import MODALITIES
from motion_jax.data.labelled.sequences import Component
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import PARTS, Skeleton


class Modality(NamedTuple):
    """One array of a sequence as a network reads it: (x - mean) / std, column by column."""

    name: str
    mean: np.ndarray  # [D] float32, over the training sequences
    std: np.ndarray  # [D] float32, 1 where a column does not move


@dataclasses.dataclass(frozen=True, eq=False)
class LabelSpace:
    """Classes, modalities and body of a run: saved beside its checkpoints."""

    classes: tuple[str, ...]  # [C]
    modalities: tuple[Modality, ...]  # in the order of `labels.inputs`; a network reads them side by side
    fps: float  # of what a network reads: after `labels.frame_step`
    skeleton: Skeleton | None  # None where no input is of joints
    bodies: int = 1
    components: tuple[Component, ...] = ()
    frame_step: int = 1  # frames of the recordings to one of the network's
    seconds: float = 0.0  # what an example showed in training: the median segment, or a window

    @property
    def width(self) -> int:
        """D, the columns of all modalities together."""
        return sum(self.widths)

    @property
    def widths(self) -> tuple[int, ...]:
        """The columns of each modality."""
        return tuple(len(modality.mean) for modality in self.modalities)

    def part_columns(self) -> dict[str, tuple[int, ...]]:
        """The columns that belong to each part of the body, by names of `skeleton.PARTS`; of all bodies together.

        Raises:
            UserError: inputs are not of joints, so that nothing is known of parts.
        """
        if self.skeleton is None or any(modality.name not in MODALITIES for modality in self.modalities):
            raise UserError("labels.inputs: a model of body parts needs positions, angles or velocities of joints")
        columns: dict[str, list[int]] = {part: [] for part in PARTS}
        begin = 0
        for width in self.widths:
            per_body = width // self.bodies
            offset = per_body - 3 * len(self.skeleton.joints)  # a root translation stands before angles
            for body in range(self.bodies):
                at = begin + body * per_body
                columns[self.skeleton.parts[0]] += range(at, at + offset)
                for joint, part in enumerate(self.skeleton.parts):
                    first = at + offset + 3 * joint
                    columns[part] += range(first, first + 3)
            begin += width
        return {part: tuple(found) for part, found in columns.items()}

    def to_json(self) -> str:
        """Text that `from_json` reads back exactly."""
        modalities = [[m.name, m.mean.tolist(), m.std.tolist()] for m in self.modalities]
        return json.dumps(
            {
                "classes": self.classes,
                "modalities": modalities,
                "fps": self.fps,
                "skeleton": self.skeleton.to_dict() if self.skeleton else None,
                "bodies": self.bodies,
                "components": self.components,
                "frame_step": self.frame_step,
                "seconds": self.seconds,
            }
        )

    @classmethod
    def from_json(cls, text: str, source: str) -> LabelSpace:
        """Reads `to_json`'s text; `source` names it in errors. Raises `UserError`."""
        try:
            fields = json.loads(text)
            return cls(
                tuple(fields["classes"]),
                tuple(
                    Modality(name, np.array(mean, np.float32), np.array(std, np.float32))
                    for name, mean, std in fields["modalities"]
                ),
                float(fields["fps"]),
                Skeleton.from_dict(fields["skeleton"]) if fields["skeleton"] else None,
                int(fields["bodies"]),
                tuple(Component(*component) for component in fields["components"]),
                int(fields["frame_step"]),
                float(fields["seconds"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{source}: not the label space of this version: {error}") from None
