"""Devices: which of them share a batch, and how many of its sequences each computes at once.

A step of a loop over time is made of small operations. XLA divides each of them over the cores of a CPU and waits for
the slowest, over and over; whole sequences divide without waiting, so that here the cores of a CPU are devices. What a
step reads of 16 sequences stays in a core's own cache, what it reads of 128 does not. Both stop paying where the
weights of a step outgrow the caches: these are read once for all sequences, by all cores together. The numbers below
were measured (BENCHMARKS.md, Large batches); on other platforms a batch is computed whole, by all devices.
"""

from __future__ import annotations

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.types import Array

DATA = "data"  # the axis of every mesh

_NARROW = 512  # H up to which a core alone is faster
_LEAST = 8  # sequences that a core must get
_AT_ONCE, _AT_ONCE_WIDE = 16, 128  # sequences, of a narrow and of a wide network


def use_cores() -> None:
    """Makes every core that the process may use a device of JAX's CPU; every command does this first.

    Where JAX was told otherwise, by JAX_NUM_CPU_DEVICES or a flag of XLA's, that stays.

    Raises:
        RuntimeError: of JAX's, when it has computed something already.
    """
    if "JAX_NUM_CPU_DEVICES" not in os.environ and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        jax.config.update("jax_num_cpu_devices", cores)


def data_mesh(experiment: Experiment, whole_batch: bool = False) -> Mesh:
    """The devices that share a training batch: of a CPU those that gain by it, of other platforms all.

    Of several processes (`runtime/distributed.py`) each gives equally many. Where the loss must see the whole batch,
    the cores of a CPU compute it together, as one device.

    Raises `UserError` when the devices cannot share `train.batch` evenly.
    """
    batch, processes = experiment.train.batch, jax.process_count()
    if batch % processes:
        raise UserError(f"train.batch={batch}: must be a multiple of the {processes} processes")
    if jax.default_backend() == "cpu":
        share = batch // processes
        return mesh_of_all(1 if whole_batch else sharing_cores(share, experiment.model.width, _least_local_devices()))
    count = _least_local_devices()
    if batch % (count * processes):
        whose = "local devices" if processes == 1 else f"devices of {processes} processes"
        raise UserError(f"train.batch={batch}: must be a multiple of the {count * processes} {whose}")
    return mesh_of_all(count)


def sharing_cores(batch: int, width: int, most: int | None = None) -> int:
    """How many devices of a CPU share `batch`, by `ModelConfig.width`; 1 on other platforms, where one predicts.

    At most `most`; None: as many as this process has.
    """
    if jax.default_backend() != "cpu" or not 0 < width <= _NARROW:
        return 1
    most = min(jax.local_device_count() if most is None else most, batch // _LEAST)
    return next((count for count in range(most, 1, -1) if batch % count == 0), 1)


def mesh_of(count: int) -> Mesh:
    """The first `count` local devices along one axis."""
    return Mesh(np.array(jax.local_devices()[:count]), (DATA,))


def mesh_of_all(count: int) -> Mesh:
    """The first `count` devices of every process along one axis, process after process."""
    if jax.process_count() == 1:
        return mesh_of(count)
    return Mesh(np.array([device for devices in _by_process().values() for device in devices[:count]]), (DATA,))


def _least_local_devices() -> int:
    """Of the process that has the fewest."""
    return min(map(len, _by_process().values())) if jax.process_count() > 1 else jax.local_device_count()


def _by_process() -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for device in sorted(jax.devices(), key=lambda device: (device.process_index, device.id)):
        found.setdefault(device.process_index, []).append(device)
    return found


def num_microbatches(batch: int, experiment: Experiment) -> int:
    """In how many equal parts, one after another, a device computes `batch` sequences: the fewest within the limit.

    The limit is `compute.micro_batch` if it is set. The platform's own choice is left where no divisor is near it.
    """
    chosen = experiment.compute.micro_batch
    limit = chosen or _at_once(batch, experiment.model.width)
    count = next(count for count in range(1, batch + 1) if batch % count == 0 and batch // count <= limit)
    return count if chosen or 2 * batch // count >= limit else 1


def _at_once(batch: int, width: int) -> int:
    if jax.default_backend() != "cpu":
        return batch
    return _AT_ONCE if 0 < width <= _NARROW else _AT_ONCE_WIDE


def split_microbatches(rows: Any, count: int) -> Any:
    """`[B, ...]` arrays to `[count, B / count, ...]`: part i takes every count-th row, so that each device of a mesh
    has its share of every part.
    """
    return jax.tree.map(lambda x: x.reshape(len(x) // count, count, *x.shape[1:]).swapaxes(0, 1), rows)


def merge_microbatches(rows: Any) -> Any:
    """What `split_microbatches` made, back to `[B, ...]`."""
    return jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(len(x) * x.shape[1], *x.shape[2:]), rows)


def shard_batch(params: Any, rows: Any) -> tuple[Any, int]:
    """`[B, ...]` arrays divided over the devices that hold `params`, and the number of these.

    Rows that do not divide stay as they are: each device then computes all of them.
    """
    leaf = next(iter(jax.tree.leaves(params)), None)
    held = leaf.sharding if isinstance(leaf, Array) else None
    if not isinstance(held, NamedSharding) or len(jax.tree.leaves(rows)[0]) % held.mesh.size:
        return rows, 1
    return jax.device_put(rows, NamedSharding(held.mesh, PartitionSpec(DATA))), held.mesh.size
