"""The line of a report: what was measured, how fast, and how far from what the device can do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from motion_jax.benchmark.case import Built, Case
from motion_jax.benchmark.counts import flops, sequential_steps, traffic
from motion_jax.benchmark.roofline import Ceilings, floor_seconds

AXES = ("batch", "hidden", "source", "target", "layers", "per_dispatch")  # of a sweep, numbers
CHOICES = ("precision", "micro_batch", "unroll", "cuda_graphs")  # of a sweep, how the same is computed
KINDS = ("work", "model", "bidirectional", "attention", "cell", *CHOICES)  # of a sweep, what a row is one kind of


def row(
    case: Case, implementation: str, built: Built, samples: Mapping[str, float], ceilings: Ceilings
) -> dict[str, Any]:
    """One implementation of one case. `samples` is `Samples.summary()`."""
    seconds = samples["median_ms"] / 1000
    work, moved = flops(case), traffic(case)
    machines = 1 if jax.default_backend() == "cpu" else built.devices  # a CPU's devices are its cores
    floor = floor_seconds(ceilings, case.precision, work, moved) / machines
    return {
        **{name: value for name, value in dataclasses.asdict(case).items() if name != "fast"},
        "per_dispatch": built.count,
        "implementation": implementation,
        "fast": built.fast,
        "devices": built.devices,
        **samples,
        "peak_bytes": built.peak_bytes,
        "temp_bytes": built.temp_bytes,
        "device_peak_bytes": device_peak(),
        "compile_s": built.compile_s,
        "steps_per_s": 1 / seconds,
        "sequences_per_s": case.batch / seconds,
        "frames_per_s": case.batch * (case.source if case.recogniser else case.target) / seconds,
        "flops": work,
        "bytes": moved,
        "sequential_steps": sequential_steps(case),
        "us_per_sequential_step": 1e6 * seconds / sequential_steps(case),
        "gflops_per_s": work / seconds / 1e9,
        "percent_of_roofline": 100 * floor / seconds,
    }


def device_peak() -> int | None:
    """The most bytes that were in use on the device in this process so far; None where the backend does not say."""
    statistics = jax.local_devices()[0].memory_stats()
    return None if statistics is None else statistics.get("peak_bytes_in_use")
