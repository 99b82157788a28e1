"""How time grows: along one axis of a sweep, the others fixed, the exponent of a power law."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from motion_jax.benchmark.rows import AXES, KINDS

FEWEST = 3  # points that an exponent is fitted to


@dataclasses.dataclass(frozen=True)
class Growth:
    """time ~ axis ^ exponent, for one implementation."""

    axis: str
    implementation: str
    fixed: dict[str, Any]  # every other axis and kind
    points: tuple[int, ...]
    median_ms: tuple[float, ...]
    exponent: float
    flops_exponent: float  # of the counted operations at the same points


def fit_exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of log y over log x by least squares."""
    slope, _ = np.polyfit(np.log(x), np.log(y), 1)
    return float(slope)


def growths(rows: Sequence[Mapping[str, Any]]) -> list[Growth]:
    """A fit wherever `FEWEST` rows or more differ in one axis alone."""
    return [
        _fit(axis, sorted(group, key=lambda r: r[axis]))
        for axis in AXES
        for group in _groups(rows, axis)
        if len({r[axis] for r in group}) >= FEWEST
    ]


def table(found: Sequence[Growth]) -> str:
    """Markdown: what is fixed is named only where the fits differ in it."""
    named = [name for name in (*KINDS, *AXES) if len({str(growth.fixed.get(name)) for growth in found}) > 1]
    lines = [["grows with", "from", "to", "implementation", *named, "exponent", "of the FLOPs"],
             ["---"] * (4 + len(named)) + ["---:"] * 2]  # fmt: skip
    for growth in found:
        others = [str(growth.fixed.get(name, "*")) for name in named]
        ends = [str(growth.points[0]), str(growth.points[-1])]
        exponents = [f"{growth.exponent:.2f}", f"{growth.flops_exponent:.2f}"]
        lines.append([growth.axis, *ends, growth.implementation, *others, *exponents])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _groups(rows: Sequence[Mapping[str, Any]], axis: str) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for r in rows:
        key = (r["implementation"], *(r[name] for name in (*KINDS, *AXES) if name != axis))
        groups.setdefault(key, []).append(r)
    return list(groups.values())


def _fit(axis: str, group: Sequence[Mapping[str, Any]]) -> Growth:
    points, times = [r[axis] for r in group], [r["median_ms"] for r in group]
    fixed = {name: group[0][name] for name in (*KINDS, *AXES) if name != axis}
    counted = fit_exponent(points, [r["flops"] for r in group])
    return Growth(
        axis, group[0]["implementation"], fixed, tuple(points), tuple(times), fit_exponent(points, times), counted
    )
