"""Predictors to export: raw frames in, raw frames out, free-running."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.export.program import Exportable, Fields, Input, plain
from motion_jax.inference.measure import make_measure
from motion_jax.inference.predictor import Predictor
from motion_jax.models import make
from motion_jax.models.raw import prepare_params, raw_program
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.teacher_forcing import forcing_of_mode
from motion_jax.types import Array

OUTPUT = "future"
NO_ACTION = -1


def of_predictor(predictor: Predictor) -> Exportable:
    """`history` `[B, S, D]`, and `action` `[B]` where it was trained with actions, to `future` `[B, T, D]`."""
    space, radii = predictor.space, predictor.radii
    history = Input("history", (predictor.source_length, space.columns), "float32")
    return Exportable(
        experiment=predictor.experiment,
        step=predictor.step,
        inputs=(history, Input("action", (), "int32")) if space.actions else (history,),
        output=Input(OUTPUT, (predictor.target_length, space.columns), "float32"),
        program=functools.partial(_program, predictor),
        example=functools.partial(_example, predictor),
        fields=Fields(
            fps=space.fps,
            source_length=predictor.source_length,
            target_length=predictor.target_length,
            times=(),
            columns=columns_of(space.skeleton),
            actions=space.actions,
            classes=(),
            units=_units(space.skeleton),
            skeleton=space.skeleton.to_dict(),
        ),
        radii=radii,
        measure=_measure(predictor, radii.scale.name) if radii is not None and radii.scale is not None else None,
    )


def columns_of(skeleton: Skeleton) -> tuple[str, ...]:
    """Of a frame, by joint and axis."""
    joints = skeleton.joints
    if skeleton.positions:
        return tuple(f"{joint}.position.{axis}" for joint in joints for axis in "xyz")
    root = [f"root.translation.{axis}" for axis in "xyz"]
    return (*root, *(f"{joint}.rotation.{axis}" for joint in joints for axis in "xyz"))


def units_of_angles(skeleton: Skeleton) -> dict[str, str]:
    """Of a frame that holds a translation and rotation vectors."""
    units = {
        "root.translation": f"times {skeleton.translation_mm:g} = mm",
        "rotation": "rotation vector, rad: axis times angle of the transposed local rotation (for row vectors)",
    }
    changed = {
        "absolute": {},
        "difference": {"root": "columns 0-5 are differences to the frame before"},
        "heading": {
            "root": "columns 0, 2: steps to the left and forward from the recorded row before, in its heading; 1: "
            "height (y is up); 3, 5: tilt, as a rotation; 4: turn to the left about the vertical since that row, rad"
        },
    }
    return units | changed[skeleton.root]


def _program(predictor: Predictor, **changes: Any) -> Callable[..., Array]:
    """`(history [B, S, D] float32, action [B] int32) -> [B, T, D] float32`, to be traced.

    `action` counts from 0 in the order of `space.actions`; `NO_ACTION` where it is not known. Any other number would be
    a mistake that a compiled program cannot tell, so it gives NaN. A model without actions has no such argument.
    """
    experiment = plain(predictor.experiment, **changes)
    space, length = predictor.space, predictor.target_length
    model = make(experiment, space)
    run, weights = raw_program(model, space, experiment.compute), prepare_params(model, predictor.params)

    def predict(history: Array, action: Array | None = None) -> Array:
        batch, _, columns = history.shape
        future = jnp.zeros((batch, length, columns), history.dtype)
        codes = _codes(len(space.actions), history, action)
        return run(weights, (history, future, codes, forcing_of_mode("free_running", batch, length)), 1)

    return predict


def _measure(predictor: Predictor, scale: str) -> Callable[..., Array]:
    """What a scale measures: `(history [B, S, D], action [B]) -> [B, T, J]` mm, as the program else."""
    space = predictor.space
    model = make(plain(predictor.experiment), space)
    measure = make_measure(scale, model, space, predictor.target_length)
    weights = prepare_params(model, predictor.params)

    def run(history: Array, action: Array | None = None) -> Array:
        return measure(weights, history, _codes(len(space.actions), history, action))

    return run


def _example(predictor: Predictor, batch: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """A slow random walk about the mean pose."""
    space, rng = predictor.space, np.random.default_rng(seed)
    steps = rng.normal(0, 0.1, (batch, predictor.source_length, space.columns)).cumsum(axis=1)
    mean, std, kept = space.raw
    steps[..., np.setdiff1d(np.arange(space.columns), kept)] = 0
    example: dict[str, np.ndarray] = {"history": (mean + std * steps).astype(np.float32)}
    names: list[str | None] = [*space.actions, None]
    chosen = [names[i % len(names)] for i in range(batch)]
    if space.actions:
        numbers = [space.actions.index(name) if name else NO_ACTION for name in chosen]
        example["action"] = np.array(numbers, np.int32)
    return example | {OUTPUT: predictor(example["history"], chosen)}


def _units(skeleton: Skeleton) -> dict[str, str]:
    action = {"action": f"number in `actions`; {NO_ACTION}: not known; others give NaN"}
    if skeleton.positions:
        return {"position": "mm from the root, the root unturned"} | action
    return units_of_angles(skeleton) | action


def _codes(actions: int, history: Array, action: Array | None) -> Array:
    """One-hot, all zero for `NO_ACTION`, NaN for what is no action."""
    if action is None:
        return jnp.zeros((history.shape[0], actions), history.dtype)
    known = (action >= NO_ACTION) & (action < actions)
    return jnp.where(known[:, None], jax.nn.one_hot(action, actions, dtype=history.dtype), jnp.nan)
