"""Timing that holds on a noisy machine: warm-up, blocking, interleaved repetitions, medians; and the machine's name."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from motion_jax.errors import UserError

SETTLE = 0.02  # s; OpenMP's threads spin for some ms after a call, on cores that a peer's next call needs
SHORT = 0.2  # s; a call that takes less pays for the processor's waking up after a rest
ENOUGH = 3.0  # times the time that was asked for: a slow call, or one of many operations beside one of few
LEAST_SLOW = 3  # repetitions then
WARM_UP = {"cpu": 2, "gpu": 5, "tpu": 5}  # calls: compilation, first allocations; a GPU also raises its clock


@dataclasses.dataclass(frozen=True)
class Samples:
    """Repetitions of one thing, each of `count` operations."""

    wall_ms: np.ndarray  # [R] an operation
    cpu_ms: np.ndarray  # [R] an operation, over all threads of the process

    def summary(self) -> dict[str, float]:
        """Median, quartiles and extremes of the wall clock; median of the processor time."""
        low, median, high, p99 = np.percentile(self.wall_ms, [25, 50, 75, 99])
        return {
            "median_ms": float(median),
            "iqr_ms": float(high - low),
            "min_ms": float(self.wall_ms.min()),
            "p99_ms": float(p99),
            "cpu_ms": float(np.median(self.cpu_ms)),
            "repetitions": len(self.wall_ms),
        }


def interleave(
    calls: Mapping[str, Callable[[], object]], count: Mapping[str, int], seconds: float, least: int = 5
) -> dict[str, Samples]:
    """Runs every call in turn, A B A B ..., until each had `seconds` of time and `least` repetitions.

    Where one had `ENOUGH` times that, `LEAST_SLOW` repetitions of each are enough.

    A call does `count[name]` operations and returns when they are finished. In turn, because a machine's speed drifts:
    ratios within one interleaved run hold where absolute times do not.
    """
    for call in calls.values():
        for _ in range(WARM_UP[jax.default_backend()]):
            call()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    while _wants_more(list(taken.values()), seconds, least):
        for name, call in calls.items():
            if len(calls) > 1:
                _take_over(call, taken[name][-1][0] if taken[name] else 0.0)
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: Samples(*(1000 * np.array(column) / count[name] for column in zip(*t, strict=True)))
            for name, t in taken.items()}  # fmt: skip


def _wants_more(taken: Sequence[list[tuple[float, float]]], seconds: float, least: int) -> bool:
    spent = [sum(wall for wall, _ in repetitions) for repetitions in taken]
    if any(0 < ENOUGH * seconds <= total for total in spent):
        return any(len(repetitions) < min(least, LEAST_SLOW) for repetitions in taken)
    return any(len(r) < least or total < seconds for r, total in zip(taken, spent, strict=True))


def _take_over(call: Callable[[], object], last: float) -> None:
    """After a peer's call: its threads come to rest, and where `last`, s, was short, one call is not counted."""
    time.sleep(SETTLE)
    if last < SHORT:
        call()


def pin(threads: int) -> None:
    """Confines the process to its first `threads` processor cores, which is how many threads XLA and PyTorch then use.

    To be called before jax makes its backend. Raises `UserError` where the process has fewer cores, or the system
    cannot confine it.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UserError(f"--threads={threads}: this system cannot confine a process to some of its cores")
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise UserError(f"--threads={threads}: this process has {len(cores)} cores")
    os.sched_setaffinity(0, cores[:threads])
    os.environ["OMP_NUM_THREADS"] = str(threads)


def machine() -> dict[str, Any]:
    """What a figure depends on: command, commit, processor, devices, versions, thread settings."""
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return {
        "command": _command(),
        "commit": commit(),
        "processor": _processor(),
        "cores": len(affinity) if affinity else os.cpu_count(),
        "affinity": affinity,
        "devices": [f"{device.device_kind} ({device.platform})" for device in jax.devices()],
        "platform_version": " ".join(jax.devices()[0].client.platform_version.split()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy", "torch")},
        "matmul_precision": os.environ.get("JAX_DEFAULT_MATMUL_PRECISION", "default"),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
    }


def _command() -> str:
    """As it was typed, without the folders of the interpreter and of the installed script."""
    first, *others = sys.orig_argv[1:] or [""]
    script = Path(first).name == "motion-jax"
    return shlex.join(["motion-jax", *others] if script else ["python", first, *others])


def commit() -> str:
    """The checkout's commit, with "+" when its code differs from it; "unknown" outside a checkout."""
    git = Path(__file__).parents[2] / ".git"
    head = _run("rev-parse", "HEAD") if git.exists() else ""
    code = ("--", ":/motion_jax", ":/configs")  # not the pages and records that commands write
    return (head[:12] + ("+" if _run("status", "--porcelain", "--untracked-files=no", *code) else "")) or "unknown"


def _run(*arguments: str) -> str:
    import subprocess

    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
