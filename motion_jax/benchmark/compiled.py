"""Compiled training: the program that `motion-jax train` runs, of any task, ready to be timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from motion_jax.config import Experiment
from motion_jax.runtime.devices import data_mesh
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state, make_train_steps
from motion_jax.train.task import Task


class Training(NamedTuple):
    """Training steps that were compiled ahead."""

    call: Callable[[], None]  # does a dispatch of them and returns when it is finished
    compile_s: float
    memory: int | None  # see `planned_memory`
    devices: int


def compile_training(task: Task, experiment: Experiment, params: Any, data: Any, per_dispatch: int) -> Training:
    """`per_dispatch` updates in a call, from `params` on, which are the caller's own still."""
    optimizer, mesh = make_optimizer(experiment), data_mesh(experiment, task.whole_batch)
    train_steps, sharding = make_train_steps(task, optimizer, experiment, mesh)
    state = init_state(task, optimizer, seed=0).replace(params=params)
    state, data = jax.device_put((state, data), sharding)
    begun = time.perf_counter()
    compiled = train_steps.lower(state, data, per_dispatch).compile()
    compile_s = time.perf_counter() - begun

    def call() -> None:
        nonlocal state
        state, metrics = compiled(state, data)
        jax.block_until_ready((state, metrics))

    return Training(call, compile_s, planned_memory(compiled), mesh.size)


def named_leaves(params: Any) -> dict[str, Any]:
    """Every array by its path, like `.decoder.read_out.w`."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


def planned_memory(compiled: jax.stages.Compiled) -> int | None:
    """Bytes that the program holds beside its arguments and results; None where the backend does not say."""
    analysis = compiled.memory_analysis()
    return None if analysis is None else int(analysis.temp_size_in_bytes)
