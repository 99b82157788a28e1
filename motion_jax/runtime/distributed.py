"""Processes: several that train or evaluate one model together, each on its own devices, by `jax.distributed`.

The first one, number 0, reads and writes the run's folder; the others have what it read and agree with what it decides.
Nothing here costs a single process anything: every function is then the identity, or does its work at once.

One that dies is noticed by the others in two ways. On CPUs the next sum over processes fails as soon as its connection
closes, which is an exception (`is_lost`). On other platforms, or outside a sum, JAX ends the others itself, by an abort
(status 134) after `heartbeat` seconds without a word; where it was the first one, which coordinates, at once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from motion_jax.errors import UserError
from motion_jax.types import Array

NONE = "deactivate"  # JAX's word for no cluster detection
HEARTBEAT_S = 60  # how long a silent process counts as alive
PORT = 55_527  # of the first pod of a Kubernetes job, as in JAX's own detection
LOST = 75  # exit status, EX_TEMPFAIL of sysexits.h: starting again may succeed

_JOIN_S = 300  # how long processes wait for one another at the start, which a queue may spread
_LEAVE_S = 24 * 3600  # and at the end: the first one may have work to do alone
_SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")  # JAX reads them
_POD = "JOB_COMPLETION_INDEX"  # of an indexed Kubernetes job
_OMPI_URI = "OMPI_MCA_orte_hnp_uri"  # where mpirun lies; Open MPI 5 does not say
_LOST = ("gloo", "nccl", "connection reset", "connection closed", "socket closed", "coordination", "heartbeat",
         "unavailable", "barrier")  # fmt: skip
_PROCESS = "process"  # the axis of the mesh that has one device of each

_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Processes:
    """Where a process stands among those that run together."""

    coordinator: str | None  # HOST:PORT of the first; None: JAX's cluster detection knows
    count: int
    index: int
    cluster: str = NONE  # JAX's cluster detection: "slurm", "ompi"


def find_processes(
    coordinator: str | None = None,
    count: int | None = None,
    index: int | None = None,
    environment: Mapping[str, str] | None = None,
    connected: bool = True,
) -> Processes | None:
    """The processes that flags name, or else SLURM's or Open MPI's variables; None where there is one alone.

    A task of SLURM (`srun`) or Open MPI needs no flag; a pod of an indexed Kubernetes job knows its number and the
    first one's address, but not how many there are.

    Args:
        coordinator: HOST:PORT of the first process.
        count: how many there are.
        index: which this is, from 0.
        environment: variables; None: of this process.
        connected: whether they must find each other.

    Raises:
        UserError: something is missing, or cannot be.
    """
    known = os.environ if environment is None else environment
    cluster, found_count, found_index = _detect(known)
    given = not (coordinator is None and count is None and index is None)
    if not given and (found_count or 1) == 1:
        if found_index is not None and found_count is None:
            logging.warning("%s=%d, but --num_processes is not given: this process runs alone", _POD, found_index)
        return None
    count = found_count if count is None else count
    index = found_index if index is None else index
    if count == 1 and coordinator is None:
        return None
    if coordinator is None and cluster == NONE:
        coordinator = _first_pod(known)
    if count is None:
        raise UserError("--num_processes is missing: it must say how many processes run together")
    if index is None:
        raise UserError("--process_id is missing: it must say which of the processes this is, counted from 0")
    if coordinator is None and cluster == NONE and connected:
        raise UserError("--coordinator is missing: it must be HOST:PORT of the first process")
    if count < 1:
        raise UserError(f"--num_processes={count}: must be at least 1")
    if not 0 <= index < count:
        raise UserError(f"--process_id={index}: must be from 0 to {count - 1}, as there are {count} processes")
    if coordinator is not None:
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise UserError(f"--coordinator={coordinator}: must be HOST:PORT, such as node001:12345")
    return Processes(coordinator, count, index, cluster) if count > 1 else None


def _detect(known: Mapping[str, str]) -> tuple[str, int | None, int | None]:
    """JAX's name for the cluster, and the number of processes and of this one, as far as variables tell."""
    if "OMPI_COMM_WORLD_SIZE" in known:  # first: what mpirun starts in a job of SLURM has both
        cluster = "ompi" if _OMPI_URI in known else NONE
        return cluster, _whole(known, "OMPI_COMM_WORLD_SIZE", 1), _whole(known, "OMPI_COMM_WORLD_RANK")
    if all(name in known for name in _SLURM):
        # in a shell of salloc the job has its tasks, the step of the shell one
        tasks = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in known else "SLURM_NTASKS"
        count, index = _whole(known, tasks, 1), _whole(known, "SLURM_PROCID")
        if count > 1:
            _whole(known, "SLURM_JOB_ID")  # JAX makes the port of it
        return "slurm", count, index
    if _POD in known:
        return NONE, None, _whole(known, _POD)
    return NONE, None, None


def _whole(known: Mapping[str, str], name: str, least: int = 0) -> int:
    """A variable of the cluster as a number. Raises `UserError`."""
    value = known.get(name)
    if value is None or not (value.isascii() and value.isdecimal() and len(value) < 16 and int(value) >= least):
        found = "is missing" if value is None else f"is {value[:32]!r}"
        raise UserError(f"{name}, which the cluster sets, {found}: it must be a whole number from {least}")
    return int(value)


def _first_pod(known: Mapping[str, str]) -> str | None:
    """The address of the first pod of an indexed job: pods are called JOB-INDEX.SUBDOMAIN."""
    index = known.get(_POD)
    host, _, domain = socket.getfqdn().partition(".")
    job, _, last = host.rpartition("-")
    return f"{job}-0.{domain}:{PORT}" if index is not None and last == index and domain else None


def join(processes: Processes, heartbeat: int = HEARTBEAT_S) -> None:
    """Connects this process with the others, before JAX computes anything.

    Raises:
        UserError: the first one cannot be reached, or its port is taken. Where another one never comes, JAX aborts
            after five minutes.
    """
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away from the training loop
    if processes.coordinator and processes.index:
        _wait_for(processes.coordinator)
    try:
        jax.distributed.initialize(
            processes.coordinator,
            processes.count,
            processes.index,
            cluster_detection_method=processes.cluster,
            initialization_timeout=_JOIN_S,
            heartbeat_timeout_seconds=heartbeat,
            shutdown_timeout_seconds=_LEAVE_S,
        )
    except (RuntimeError, ValueError, OSError) as error:
        where = processes.coordinator or processes.cluster
        raise UserError(f"process {processes.index} of {processes.count} could not join the others at {where}: "
                        f"{(str(error) or type(error).__name__).splitlines()[0]}") from None  # fmt: skip


def _wait_for(address: str) -> None:
    """Until the first process listens."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + _JOIN_S
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise UserError(
                    f"--coordinator={address}: cannot be reached in {_JOIN_S} s: {error.strerror or error}"
                ) from None
        time.sleep(0.1)


def joined() -> bool:
    """Whether this is one of several processes. Asks nothing of the devices."""
    return jax.distributed.is_initialized()


def is_first() -> bool:
    """Whether this process is the one that reads and writes the run's folder."""
    return not joined() or jax.process_index() == 0


def is_lost(error: BaseException) -> bool:
    """Whether an exception of JAX's says that another process is gone."""
    text = str(error).lower()
    return joined() and isinstance(error, (RuntimeError, ValueError)) and any(word in text for word in _LOST)


def on_first(work: Callable[[], _Result]) -> _Result | None:
    """What the first process gets by `work`, None in the others, which wait; a `UserError` is raised in all."""
    if not joined():
        return work()
    result, message = None, ""
    if is_first():
        try:
            result = work()
        except UserError as error:
            message = str(error) or "failed"
    if message := share_text(message):
        raise UserError(message)
    return result


def share_text(text: str) -> str:
    """The first process's text, in all."""
    return text if not joined() else _shared_bytes(text.encode()).decode()


def share_json(value: Any) -> Any:
    """The first process's value, in all."""
    return value if not joined() else json.loads(share_text(json.dumps(value)))


def share_arrays(tree: Any) -> Any:
    """The first process's arrays, bitwise, in all: numpy where there are others. All must have the same shapes."""
    if not joined():
        return tree
    leaves, structure = jax.tree.flatten(jax.device_get(tree))
    leaves = [np.asarray(leaf) for leaf in leaves]
    data = _shared_bytes(b"".join(leaf.tobytes() for leaf in leaves), sum(leaf.nbytes for leaf in leaves))
    shared, begin = [], 0
    for leaf in leaves:
        shared.append(np.frombuffer(data, leaf.dtype, leaf.size, begin).reshape(leaf.shape))
        begin += leaf.nbytes
    return jax.tree.unflatten(structure, shared)


def gather(rows: np.ndarray) -> np.ndarray:
    """`[N, ...]` of each process, which must have equal shapes, to `[processes, N, ...]` in all."""
    if not joined():
        return rows[None]
    whole = _of_all(np.ascontiguousarray(rows).reshape(-1).view(np.uint8))
    return np.asarray(_replicate(whole)).view(rows.dtype).reshape(jax.process_count(), *rows.shape)


def in_shares(count: int, compute: Callable[[np.ndarray], Any]) -> Any:
    """`[count, ...]` arrays of `compute(rows)`, of which each of several processes computes its share, in all of them.

    All get equally many rows: the last row fills up.
    """
    if not joined():
        return compute(np.arange(count))
    size = -(-count // jax.process_count())
    rows = np.minimum(np.arange(size) + size * jax.process_index(), count - 1)
    return jax.tree.map(lambda part: np.concatenate(gather(part))[:count], compute(rows))


def check_agreement(facts: Mapping[str, Any]) -> None:
    """Raises `UserError` in all processes, naming the process and the fact, where one differs from the first's."""
    if not joined():
        return
    first = share_json(facts)
    mine = json.loads(json.dumps(facts))
    differ = [f"{name}: {mine.get(name)!r} there, {first.get(name)!r} in process 0"
              for name in sorted(mine | first) if mine.get(name) != first.get(name)]  # fmt: skip
    text = f"process {jax.process_index()} is of another run. Different are {'; '.join(differ)}" if differ else ""
    told = _texts(text)
    if wrong := [line for line in told if line]:
        raise UserError(wrong[0])


def place(tree: Any, sharding: Sharding) -> Any:
    """Arrays that all processes have alike, on the devices of `sharding`, of whichever processes."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def of(leaf: Any) -> Array:
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])

    return jax.tree.map(of, tree)


def on_this_process(tree: Any) -> Any:
    """Replicated arrays as arrays of this process's own devices alone, of the same memory."""

    def of(leaf: Any) -> Any:
        if not isinstance(leaf, Array) or leaf.is_fully_addressable:
            return leaf
        shards = leaf.addressable_shards
        names = cast(Any, leaf.sharding).mesh.axis_names
        here = NamedSharding(Mesh(np.array([shard.device for shard in shards]), names), PartitionSpec())
        return jax.make_array_from_single_device_arrays(leaf.shape, here, [shard.data for shard in shards])

    return jax.tree.map(of, tree)


class AgreedSignal:
    """The signal that a run stops for: all processes must stop at the same step, whichever of them was told to.

    Each dispatch is followed by a vote, and what counts is the vote of the dispatch before, which is done by then: so
    that no process waits for the others more than the training itself does. A single process needs no vote.
    """

    def __init__(self, told: Callable[[], int | None]) -> None:
        """`told`: the signal that this process has got."""
        self._told = told
        self._last: Array | None = None
        self._agreed: int | None = None

    @property
    def signal(self) -> int | None:
        """What the last vote said; of a single process what it has got by now."""
        return self._agreed if joined() else self._told()

    def vote(self) -> None:
        """To be called by all after each dispatch."""
        if joined():
            before, self._last = self._last, _max(_of_all(np.int32(self._told() or 0)))
            self._agreed = None if before is None else int(before) or None


def _mesh() -> Mesh:
    """The first device of each process."""
    first = {device.process_index: device for device in reversed(jax.devices())}
    return Mesh(np.array([first[index] for index in sorted(first)]), (_PROCESS,))


def _of_all(mine: np.ndarray | np.int32) -> Array:
    """`[...]` of each process as one array `[processes, ...]`."""
    shape = (jax.process_count(), *mine.shape)
    place = NamedSharding(_mesh(), PartitionSpec(_PROCESS))
    return jax.make_array_from_callback(shape, place, lambda _: np.asarray(mine)[None])


@jax.jit
def _sum(rows: Array) -> Array:
    return _everywhere(jnp.sum(rows, axis=0, dtype=rows.dtype))


@jax.jit
def _max(rows: Array) -> Array:
    return _everywhere(rows.max())


@jax.jit
def _replicate(rows: Array) -> Array:
    return _everywhere(rows)


def _everywhere(rows: Array) -> Array:
    return jax.lax.with_sharding_constraint(rows, NamedSharding(_mesh(), PartitionSpec()))


def _texts(mine: str) -> Sequence[str]:
    """One of each process."""
    data = np.frombuffer(mine.encode(), np.uint8)
    length = int(gather(np.array([len(data)])).max())
    padded = np.zeros(max(length, 1), np.uint8)
    padded[: len(data)] = data
    return [row.tobytes().rstrip(b"\0").decode() for row in gather(padded)]


def _shared_bytes(mine: bytes, length: int | None = None) -> bytes:
    """The first process's bytes. `length` where all know it."""
    first = is_first()
    if length is None:
        length = int(_sum(_of_all(np.int32(len(mine) if first else 0))))
    data = np.frombuffer(mine, np.uint8) if first else np.zeros(length, np.uint8)
    return np.asarray(_sum(_of_all(data))).tobytes() if length else b""


def leave(status: int) -> NoReturn:
    """Ends this process of several at once: the usual way out waits for the others, who may not come.

    The first one goes last, because JAX ends all others when it does, before they can say why they end.
    """
    if is_first():
        time.sleep(1)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
