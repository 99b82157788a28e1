"""Modalities: the arrays of a sequence as a network reads them, and the statistics that normalise them."""

from __future__ import annotations

from collections.abc import Sequence as Several

import numpy as np

from motion_jax.config import MODALITIES, LabelsConfig
from motion_jax.data.finite import check_values
from motion_jax.data.labelled.preprocess import preprocess
from motion_jax.data.labelled.sequences import LabelledSet, Sequence
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.data.motion.rates import check_rate
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton

STILL = 1e-4  # of the largest standard deviation: a column that moves less is constant, and is not magnified


def label_space(dataset: LabelledSet, training: Several[Sequence], labels: LabelsConfig) -> LabelSpace:
    """The space of a run: mean and standard deviation of each column over the frames of `training`.

    Raises:
        UserError: there is no training segment, the set's `fps` is not a finite number above 0, or a sequence lacks an
            input that `labels.inputs` names.
    """
    check_rate(dataset.fps, f"data set {dataset.name!r}: fps", required=True)
    if not any(sequence.segments for sequence in training):
        raise UserError(f"data set {dataset.name!r} has no training segments")
    names = labels.input_names
    totals: list[tuple[int, np.ndarray, np.ndarray]] = []  # of each modality: rows, mean, sum of squares about it
    widths: tuple[int, ...] | None = None
    for sequence in training:
        arrays = raw_inputs(sequence, labels, dataset.fps, dataset.skeleton, dataset.bodies, widths)
        widths = tuple(array.shape[1] for array in arrays)
        parts = [(len(rows), rows.mean(axis=0, dtype=np.float64), _squares(rows)) for rows in arrays]
        totals = [_joined(one, two) for one, two in zip(totals, parts, strict=True)] if totals else parts
    modalities = []
    for name, (count, mean, squares) in zip(names, totals, strict=True):
        std = np.sqrt(squares / count)
        std = np.where(std > STILL * std.max(initial=0.0), std, 1.0)
        modalities.append(Modality(name, mean.astype(np.float32), std.astype(np.float32)))
    fps = dataset.fps / labels.frame_step
    skeleton = dataset.skeleton if any(name in MODALITIES for name in names) else None
    lengths = [segment.end - segment.start for sequence in training for segment in sequence.segments]
    seconds = float(np.median(lengths)) / dataset.fps
    if labels.window:
        seconds = min(seconds, labels.window / fps)  # shorter segments are read whole
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


def _squares(rows: np.ndarray) -> np.ndarray:
    return rows.var(axis=0, dtype=np.float64) * len(rows)


def _joined(
    one: tuple[int, np.ndarray, np.ndarray], two: tuple[int, np.ndarray, np.ndarray]
) -> tuple[int, np.ndarray, np.ndarray]:
    """Count, mean and sum of squares of two sets of rows together (Chan 1979): no set is held in memory as a whole."""
    count = one[0] + two[0]
    apart = two[1] - one[1]
    mean = one[1] + apart * (two[0] / count)
    return count, mean, one[2] + two[2] + apart**2 * (one[0] * two[0] / count)


def inputs_of(sequence: Sequence, space: LabelSpace, labels: LabelsConfig, fps: float) -> tuple[np.ndarray, ...]:
    """`[F', D_m]` float32 of each modality, preprocessed, normalised, every `labels.frame_step`-th frame.

    Args:
        sequence: at `fps` frames a second.
        space: of the run.
        labels: as the run was trained with.
        fps: of the sequence.

    Raises:
        UserError: as `raw_inputs`.
    """
    arrays = raw_inputs(sequence, labels, fps, space.skeleton, space.bodies, space.widths)
    return tuple((array - m.mean) / m.std for array, m in zip(arrays, space.modalities, strict=True))


def raw_inputs(
    sequence: Sequence,
    labels: LabelsConfig,
    fps: float,
    skeleton: Skeleton | None,
    bodies: int = 1,
    widths: Several[int] | None = None,
) -> list[np.ndarray]:
    """The same before it is normalised.

    Positions are preprocessed (`labels.preprocess`); velocities are differences of those, mm/s; angles and features are
    as they are.

    Raises:
        UserError: an array is missing, holds what is no number that motion can have, or has not the columns that
            `widths` says of each modality, in the order of `labels.inputs`; None: that of positions must fit the body,
            any other may have any.
    """
    check_arrays(sequence, labels.input_names, _widths(labels, skeleton, bodies) if widths is None else widths)
    found = []
    places: np.ndarray | None = None
    for name in labels.input_names:
        source = "positions" if name == "velocities" else name
        array = sequence.arrays[source]
        check_values(np.asarray(array), f"{sequence.source}: {source}")
        if source == "positions" and skeleton is not None:
            places = preprocess(array, skeleton, bodies, labels) if places is None else places
            array = places
        if name == "velocities":
            array = np.gradient(array, axis=0) * fps if len(array) > 1 else np.zeros_like(array)
        found.append(np.ascontiguousarray(array[:: labels.frame_step], np.float32))
    return found


def check_arrays(sequence: Sequence, names: Several[str], widths: Several[int | None]) -> None:
    """Checks that a sequence has what modalities are made of.

    Args:
        sequence: whose arrays are looked at.
        names: of the modalities.
        widths: columns of each; None: any.

    Raises:
        UserError: it is no `Sequence`, or an array is missing, is not `[F, D]`, or has other columns or fewer frames.
    """
    if not isinstance(sequence, Sequence):
        raise UserError(f"{kind_of(sequence)} is no Sequence: one holds arrays [F, D] by the names {', '.join(names)}")
    for name, width in zip(names, widths, strict=True):
        source = "positions" if name == "velocities" else name
        if source not in sequence.arrays:
            wanted, there = ",".join(names), ", ".join(sequence.arrays)
            raise UserError(f"labels.inputs={wanted!r}: {sequence.source} has no {source!r}; it has {there}")
        shape = list(np.shape(sequence.arrays[source]))
        if len(shape) != 2 or not shape[0] or width not in (None, shape[1]):
            columns = "D" if width is None else width
            raise UserError(
                f"{sequence.source}: array {source!r} is {shape}: must be [F, {columns}], as what was trained on"
            )
        if shape[0] != sequence.frames:
            raise UserError(f"{sequence.source}: array {source!r} has {shape[0]} frames, others {sequence.frames}")


def _widths(labels: LabelsConfig, skeleton: Skeleton | None, bodies: int) -> list[int | None]:
    """Columns that are known before anything was trained on."""
    places = None if skeleton is None else 3 * len(skeleton.joints) * bodies
    return [places if name in ("positions", "velocities") else None for name in labels.input_names]


def kind_of(value: object) -> str:
    """What a caller has given, for a message."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} {list(shape)}"
