"""Which clips train, which choose the checkpoint, which are the test."""

from __future__ import annotations

import dataclasses

from motion_jax.config import DataConfig
from motion_jax.errors import UserError
from motion_jax.types import Clip, Dataset

VALIDATION = {"h36m": "S11", "synthetic": "S11", "cmu": "trial 5"}
"""What `data.validation="auto"` holds out. CMU names no subjects: there it is trial 5 of every action."""


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """Disjoint sets of clips; `validation` is empty when nothing is held out."""

    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]


def split_clips(dataset: Dataset, config: DataConfig) -> Splits:
    """Holds the clips of `config.validation` out of the training split. Test clips are never held out or chosen by."""
    wanted = VALIDATION[dataset.name] if config.validation == "auto" else config.validation
    candidates = dataset.split("train")
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


def _labels(clip: Clip) -> tuple[str, ...]:
    return (clip.subject,) if clip.subject else (f"trial {clip.trial}",)
