"""Which clips train, which choose the checkpoint, which are the test."""

from __future__ import annotations

import dataclasses

from motion_jax.config import DataConfig
from motion_jax.errors import UserError
from motion_jax.types import Clip, Dataset

VALIDATION = {"h36m": "S11", "synthetic": "S11", "cmu": "trial 5"}
"""What `data.validation="auto"` holds out. CMU names no subjects: there it is trial 5 of every action. Of a folder of
the user's it is the last training subject, or the last trial of one, if there are several; else nothing.
"""


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """Disjoint sets of clips; `validation` is empty when nothing is held out."""

    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]


def split_clips(dataset: Dataset, config: DataConfig) -> Splits:
    """Holds the clips of `config.validation` out of the training split. Test clips are never held out or chosen by."""
    candidates = dataset.split("train")
    wanted = _usual(dataset.name, candidates) if config.validation == "auto" else config.validation
    if not candidates:
        raise UserError(f"data set {dataset.name!r} has no training clips (data.actions={config.actions!r})")
    held = () if wanted == "none" else tuple(clip for clip in candidates if wanted in _labels(clip))
    train = tuple(clip for clip in candidates if clip not in held)
    if wanted != "none" and not held:
        labels = sorted({label for clip in candidates for label in _labels(clip)})
        raise UserError(
            f"data.validation={config.validation!r} holds out {wanted!r}, which no training clip of {dataset.name!r} "
            f"carries: must be none or one of {', '.join(labels)}"
        )
    if not train:
        raise UserError(f"data.validation={config.validation!r} leaves no clip of {dataset.name!r} to train on")
    return Splits(train, held, dataset.split("test"))


def _usual(name: str, candidates: tuple[Clip, ...]) -> str:
    if name in VALIDATION:
        return VALIDATION[name]
    labels = sorted({label for clip in candidates for label in _labels(clip)})
    return labels[-1] if len(labels) > 1 else "none"


def _labels(clip: Clip) -> tuple[str, ...]:
    return (clip.subject,) if clip.subject else (f"trial {clip.trial}",)
