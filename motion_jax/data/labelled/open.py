"""From a configuration to its labelled sequences."""

from __future__ import annotations

import numpy as np

from motion_jax.config import DataConfig, LabelsConfig
from motion_jax.data.cache import open_dataset
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.data.positions import has_angles, to_positions
from motion_jax.data.splits import split_clips
from motion_jax.types import Dataset


def open_labelled(data: DataConfig, labels: LabelsConfig) -> LabelledSet:
    """The sequences that a configuration asks for, with their splits.

    Of a data set of clips each clip is one segment, whose class is the clip's action; `data.validation` chooses as it
    does for forecasting.

    Raises:
        UserError: as `open_dataset`.
    """
    del labels
    return of_clips(open_dataset(data), data)


def of_clips(dataset: Dataset, data: DataConfig) -> LabelledSet:
    """Clips as sequences: one segment each, positions (mm, the root in place) and, where there are, angles (rad)."""
    splits = split_clips(dataset, data)
    held = {id(clip) for clip in splits.validation}
    lengths = [len(clip.frames) for clip in dataset.clips]
    rows = np.concatenate([clip.frames for clip in dataset.clips])
    places = np.split(to_positions(dataset.skeleton, rows), np.cumsum(lengths)[:-1]) if has_angles(dataset) else None
    sequences = []
    for number, clip in enumerate(dataset.clips):
        arrays = {"positions": places[number], "angles": clip.frames} if places else {"positions": clip.frames}
        segment = Segment(0, len(clip.frames), dataset.actions.index(clip.action))
        split = "validation" if id(clip) in held else clip.split
        source = clip.name if clip.source == "synthetic" else clip.source
        sequences.append(Sequence(arrays, (segment,), clip.subject, split, source))
    return LabelledSet(
        dataset.name, tuple(sequences), dataset.actions, dataset.fps, dataset.key, dataset.skeleton.of_positions
    )
