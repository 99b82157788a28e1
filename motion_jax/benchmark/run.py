"""Times cases: every implementation in one interleaved run, after a check that they compute the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from motion_jax.benchmark import ours, torch_twin
from motion_jax.benchmark.case import Built, Case, row
from motion_jax.errors import UserError
from motion_jax.timing import interleave

AGREEMENT = 1e-4  # relative; float32 sums over 74 steps in another order differ by some 1e-6


def measure(case: Case, peers: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """A row an implementation; the library's first, each peer's with `ratio`, its median over the library's.

    Raises:
        UserError: a peer does not compute the library's loss and gradients, so a ratio would mean nothing.
    """
    built: dict[str, Built] = {"motion_jax": ours.build(case)}
    for form in torch_twin.FORMS if "torch" in peers else ():
        built[f"torch_{form}"] = torch_twin.build(case, form)
        _check_same(case, f"torch_{form}", built["motion_jax"], built[f"torch_{form}"])
    samples = interleave(
        {name: b.call for name, b in built.items()}, {name: b.count for name, b in built.items()}, seconds
    )
    rows = [row(case, name, built[name], samples[name].summary()) for name in built]
    for line in rows:
        line["ratio"] = line["median_ms"] / rows[0]["median_ms"]
        line["cpu_ratio"] = line["cpu_ms"] / rows[0]["cpu_ms"]
    return rows


def _check_same(case: Case, name: str, mine: Built, theirs: Built) -> None:
    (loss, gradients), (other_loss, others) = mine.gradients(), theirs.gradients()
    if abs(loss - other_loss) > AGREEMENT * abs(loss):
        raise UserError(f"{name} computes a loss of {other_loss}, motion_jax {loss}, for {case}")
    for leaf, gradient in others.items():
        error = np.abs(gradient - gradients[leaf]).max() / np.abs(gradient).max()
        if not error < AGREEMENT:
            raise UserError(f"{name}'s gradient of {leaf} differs by {error:.1e} (relative) for {case}")


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table for BENCHMARKS.md; a dash where a figure was not measured."""
    head = ["work", "H", "B", "encoder", "implementation", "median ms", "IQR ms", "p99 ms", "CPU ms", "steps/s",
            "frames/s", "us a step in time", "GFLOP/s", "compile s", "memory MB", "time / ours"]  # fmt: skip
    lines = [head, ["---"] * 5 + ["---:"] * (len(head) - 5)]
    for r in rows:
        memory = None if r["peak_bytes"] is None else r["peak_bytes"] / 1e6
        figures = [(r["median_ms"], 2), (r["iqr_ms"], 2), (r["p99_ms"], 2), (r["cpu_ms"], 2), (r["steps_per_s"], 1),
                   (r["frames_per_s"], 0), (r["us_per_sequential_step"], 0), (r["gflops_per_s"], 0),
                   (r["compile_s"], 1), (memory, 0), (r["ratio"], 2)]  # fmt: skip
        cells = [r["work"], r["hidden"], r["batch"], "bi" if r["bidirectional"] else "uni", r["implementation"]]
        lines.append(
            [*map(str, cells), *("-" if value is None else f"{value:.{digits}f}" for value, digits in figures)]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
