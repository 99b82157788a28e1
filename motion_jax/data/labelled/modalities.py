"""Modalities: the arrays of a sequence as a network reads them, and the statistics that normalise them."""

from __future__ import annotations

from collections.abc import Sequence as Several

import numpy as np

from motion_jax.config import LabelsConfig
from motion_jax.data.labelled.sequences import LabelledSet, Sequence
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.errors import UserError

STILL = 1e-4  # of the largest standard deviation: a column that moves less is constant, and is not magnified


def label_space(dataset: LabelledSet, training: Several[Sequence], labels: LabelsConfig) -> LabelSpace:
    """The space of a run: mean and standard deviation of each column over the frames of `training`.

    Raises:
        UserError: there is no training segment, or a sequence lacks an input that `labels.inputs` names.
    """
    if not any(sequence.segments for sequence in training):
        raise UserError(f"data set {dataset.name!r} has no training segments")
    raw = [raw_inputs(sequence, labels, dataset.fps) for sequence in training]
    modalities = []
    for number, name in enumerate(labels.input_names):
        rows = np.concatenate([arrays[number] for arrays in raw]).astype(np.float64)
        mean, std = rows.mean(axis=0), rows.std(axis=0)
        std = np.where(std > STILL * std.max(initial=0.0), std, 1.0)
        modalities.append(Modality(name, mean.astype(np.float32), std.astype(np.float32)))
    fps = dataset.fps / labels.frame_step
    of_joints = all(name in ("positions", "angles", "velocities") for name in labels.input_names)
    skeleton = dataset.skeleton if of_joints else None
    lengths = [segment.end - segment.start for sequence in training for segment in sequence.segments]
    seconds = labels.window / fps if labels.window else float(np.median(lengths)) / dataset.fps
    return LabelSpace(
        dataset.classes,
        tuple(modalities),
        fps,
        skeleton,
        dataset.bodies,
        dataset.components,
        labels.frame_step,
        seconds,
    )


def inputs_of(sequence: Sequence, space: LabelSpace, labels: LabelsConfig, fps: float) -> tuple[np.ndarray, ...]:
    """`[F', D_m]` float32 of each modality, preprocessed, normalised, every `labels.frame_step`-th frame.

    Args:
        sequence: at `fps` frames a second.
        space: of the run.
        labels: as the run was trained with.
        fps: of the sequence.
    """
    arrays = raw_inputs(sequence, labels, fps)
    return tuple((array - m.mean) / m.std for array, m in zip(arrays, space.modalities, strict=True))


def raw_inputs(sequence: Sequence, labels: LabelsConfig, fps: float) -> list[np.ndarray]:
    """The same before it is normalised. Velocities are differences of positions, mm/s."""
    found = []
    for name in labels.input_names:
        source = "positions" if name == "velocities" else name
        if source not in sequence.arrays:
            there = ", ".join(sequence.arrays)
            raise UserError(f"labels.inputs={labels.inputs!r}: {sequence.source} has no {source!r}; it has {there}")
        array = sequence.arrays[source]
        if name == "velocities":
            array = np.gradient(array, axis=0) * fps if len(array) > 1 else np.zeros_like(array)
        found.append(np.ascontiguousarray(array[:: labels.frame_step], np.float32))
    return found
