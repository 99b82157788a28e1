"""A trained model as one function of arrays, with its parameters and its normalisation inside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.export import symbolic_shape

from motion_jax.inference.measure import make_measure
from motion_jax.inference.predictor import Predictor
from motion_jax.models import make
from motion_jax.models.raw import prepare_params, raw_program
from motion_jax.teacher_forcing import forcing_of_mode
from motion_jax.types import Array

OUTPUT = "future"
NO_ACTION = -1


class Input(NamedTuple):
    """An array that the function reads; in front of `shape` comes the batch."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def inputs_of(predictor: Predictor) -> tuple[Input, ...]:
    """`history` `[B, S, D]`, and `action` `[B]` where the model was trained with actions."""
    history = Input("history", (predictor.source_length, predictor.space.columns), "float32")
    return (history, Input("action", (), "int32")) if predictor.space.actions else (history,)


def specs(inputs: tuple[Input, ...]) -> list[jax.ShapeDtypeStruct]:
    """What a trace is given: arrays with a batch of any size, the same for all."""
    (batch,) = symbolic_shape("batch")
    return [jax.ShapeDtypeStruct((batch, *known.shape), known.dtype) for known in inputs]


def program(predictor: Predictor, **changes: Any) -> Callable[..., Array]:
    """What is exported: raw frames in, raw frames out, free-running, for a batch of any size.

    The forward pass alone, so the plain scan does what the fast path does. Graphs of a GPU are captured by whoever
    compiles the program.

    Args:
        predictor: the model.
        changes: fields of `compute` that the program has otherwise.

    Returns:
        `(history [B, S, D] float32, action [B] int32) -> [B, T, D] float32`, to be traced. `action` counts from 0 in
        the order of `space.actions`; `NO_ACTION` where it is not known. Any other number would be a mistake that a
        compiled program cannot tell, so it gives NaN. A model without actions has no such argument.
    """
    compute = dataclasses.replace(predictor.experiment.compute, fast=False, cuda_graphs=False, **changes)
    space, length = predictor.space, predictor.target_length
    plain = make(dataclasses.replace(predictor.experiment, compute=compute), space)
    run, weights = raw_program(plain, space, compute), prepare_params(plain, predictor.params)

    def predict(history: Array, action: Array | None = None) -> Array:
        batch, _, columns = history.shape
        future = jnp.zeros((batch, length, columns), history.dtype)
        codes = _codes(len(space.actions), history, action)
        return run(weights, (history, future, codes, forcing_of_mode("free_running", batch, length)), 1)

    return predict


def measure_program(predictor: Predictor, scale: str) -> Callable[..., Array]:
    """What a scale measures: `(history [B, S, D], action [B]) -> [B, T, J]` mm, as `program` else."""
    space = predictor.space
    compute = dataclasses.replace(predictor.experiment.compute, fast=False, cuda_graphs=False)
    plain = make(dataclasses.replace(predictor.experiment, compute=compute), space)
    measure = make_measure(scale, plain, space, predictor.target_length)
    weights = prepare_params(plain, predictor.params)

    def run(history: Array, action: Array | None = None) -> Array:
        return measure(weights, history, _codes(len(space.actions), history, action))

    return run


def example_of(predictor: Predictor, batch: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs to try a program with, and what the original makes of them: a slow random walk about the mean pose."""
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


def _codes(actions: int, history: Array, action: Array | None) -> Array:
    """One-hot, all zero for `NO_ACTION`, NaN for what is no action."""
    if action is None:
        return jnp.zeros((history.shape[0], actions), history.dtype)
    known = (action >= NO_ACTION) & (action < actions)
    return jnp.where(known[:, None], jax.nn.one_hot(action, actions, dtype=history.dtype), jnp.nan)
