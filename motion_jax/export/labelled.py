"""Recognisers and anticipators to export: inputs before they are normalised in, probabilities of classes out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from motion_jax import anticipation, recognition
from motion_jax.config import Experiment
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.errors import UserError
from motion_jax.export.forecasting import columns_of, units_of_angles
from motion_jax.export.program import Exportable, Fields, Input, plain
from motion_jax.inference.anticipator import TrainedAnticipator
from motion_jax.inference.recogniser import Recogniser
from motion_jax.types import Array

OUTPUT = "probabilities"


def of_recogniser(recogniser: Recogniser) -> Exportable:
    """`frames` `[B, T, D]` and `mask` `[B, T]` to `probabilities` `[B, C]`; T is a window of what was trained on."""
    space, length = recogniser.space, recogniser.window()
    return Exportable(
        experiment=recogniser.experiment,
        step=recogniser.step,
        inputs=(Input("frames", (length, space.width), "float32"), Input("mask", (length,), "float32")),
        output=Input(OUTPUT, (len(space.classes),), "float32"),
        program=functools.partial(_classify, recogniser),
        example=functools.partial(_classified, recogniser, length),
        fields=_fields(space, recogniser.experiment, length, ())._replace(
            units=_units(space, recogniser.experiment)
            | {"mask": "1 for frames, 0 for padding, which stands at the end; at least one frame"}
        ),
    )


def of_anticipator(anticipator: TrainedAnticipator) -> Exportable:
    """An array `[B, S, D_m]` of the name of each modality to `probabilities` `[B, A, C]`.

    Raises:
        UserError: two inputs, or an input and the output, have one name.
    """
    space, clock = anticipator.space, anticipator.clock
    names = [modality.name for modality in space.modalities]
    if len({*names, OUTPUT}) <= len(names):
        raise UserError(f"labels.inputs={anticipator.experiment.labels.inputs!r}: arrays of an export need own names")
    inputs = (Input(name, (clock.steps, width), "float32") for name, width in zip(names, space.widths, strict=True))
    return Exportable(
        experiment=anticipator.experiment,
        step=anticipator.step,
        inputs=tuple(inputs),
        output=Input(OUTPUT, (clock.anticipation, len(space.classes)), "float32"),
        program=functools.partial(_anticipate, anticipator),
        example=functools.partial(_anticipated, anticipator),
        fields=_fields(space, anticipator.experiment, clock.steps, clock.times),
    )


def _classify(recogniser: Recogniser, **changes: Any) -> Callable[..., Array]:
    space = recogniser.space
    scores = recognition.make(plain(recogniser.experiment, **changes), space).scores
    mean = np.concatenate([modality.mean for modality in space.modalities])
    std = np.concatenate([modality.std for modality in space.modalities])
    return lambda frames, mask: jax.nn.softmax(scores(recogniser.params, (frames - mean) / std, mask), axis=-1)


def _classified(recogniser: Recogniser, length: int, batch: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Slow random walks, of which the second is half as long."""
    rng, modalities = np.random.default_rng(seed), recogniser.space.modalities
    walks = [_walk(rng, modality, batch, length) for modality in modalities]
    mask = np.ones((batch, length), np.float32)
    mask[1, (length + 1) // 2 :] = 0
    normal = [(walk - m.mean) / m.std for walk, m in zip(walks, modalities, strict=True)]
    probabilities = recogniser(np.concatenate(normal, axis=-1), mask)
    return {"frames": np.concatenate(walks, axis=-1), "mask": mask, OUTPUT: probabilities}


def _anticipate(anticipator: TrainedAnticipator, **changes: Any) -> Callable[..., Array]:
    space = anticipator.space
    scores = anticipation.make(plain(anticipator.experiment, **changes), space).scores

    def predict(*inputs: Array) -> Array:
        normal = tuple((array - m.mean) / m.std for array, m in zip(inputs, space.modalities, strict=True))
        return jax.nn.softmax(scores(anticipator.params, normal), axis=-1)

    return predict


def _anticipated(anticipator: TrainedAnticipator, batch: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Slow random walks."""
    rng, modalities = np.random.default_rng(seed), anticipator.space.modalities
    walks = {m.name: _walk(rng, m, batch, anticipator.clock.steps) for m in modalities}
    normal = tuple((walks[m.name] - m.mean) / m.std for m in modalities)
    return walks | {OUTPUT: anticipator(normal)}


def _walk(rng: np.random.Generator, modality: Modality, batch: int, length: int) -> np.ndarray:
    steps = rng.normal(0, 0.3, (batch, length, len(modality.mean))).cumsum(axis=1)
    return (modality.mean + modality.std * steps).astype(np.float32)


def _fields(space: LabelSpace, experiment: Experiment, length: int, times: tuple[float, ...]) -> Fields:
    return Fields(
        fps=space.fps,
        source_length=length,
        target_length=0,
        times=times,
        columns=tuple(name for modality in space.modalities for name in _columns(space, modality)),
        actions=(),
        classes=space.classes,
        units=_units(space, experiment),
        skeleton=space.skeleton.to_dict() if space.skeleton else {},
    )


def _columns(space: LabelSpace, modality: Modality) -> tuple[str, ...]:
    """Of several people each name ends with a number."""
    kinds = {"positions": "position", "velocities": "velocity", "angles": "angles"}
    if space.skeleton is None or modality.name not in kinds:
        return tuple(f"{modality.name}.{number}" for number in range(len(modality.mean)))
    if modality.name == "angles":
        names = columns_of(space.skeleton.of_angles)
    else:
        names = tuple(f"{joint}.{kinds[modality.name]}.{axis}" for joint in space.skeleton.joints for axis in "xyz")
    several = space.bodies > 1
    return tuple(f"{name}.{body + 1}" if several else name for body in range(space.bodies) for name in names)


def _units(space: LabelSpace, experiment: Experiment) -> dict[str, str]:
    names = [modality.name for modality in space.modalities]
    if space.skeleton is None:
        return dict.fromkeys(names, "a feature array, in the units of the data")
    steps = ", ".join(experiment.labels.preprocess_names) or "none"
    recorded = f"{space.fps * space.frame_step:g}"
    units: dict[str, str] = {}
    for name in names:
        if name == "positions":
            units["position"] = f"mm, the root in place, after labels.preprocess ({steps}) at {recorded} frames/s"
        elif name == "velocities":
            units["velocity"] = f"mm/s, of those positions at {recorded} frames/s"
        elif name == "angles":
            units |= units_of_angles(space.skeleton.of_angles)
        else:
            units[name] = "a feature array, in the units of the data"
    return units
