"""A run of the benchmark as Markdown: the machine, a table for each kind of work, how time grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from motion_jax.benchmark.growth import Growth, table
from motion_jax.benchmark.rows import AXES, KINDS

TITLES = {"train": "Training", "infer": "Inference"}
SHORT = {"hidden": "H", "batch": "B", "source": "S", "target": "T", "per_dispatch": "K", "bidirectional": "bi"}
FIGURES = {  # column: (key, scale, digits)
    "ms": ("median_ms", 1, 2), "IQR": ("iqr_ms", 1, 2), "min": ("min_ms", 1, 2), "p99": ("p99_ms", 1, 2),
    "CPU ms": ("cpu_ms", 1, 2), "reps": ("repetitions", 1, 0), "seq/s": ("sequences_per_s", 1, 0),
    "frames/s": ("frames_per_s", 1, 0), "us/step": ("us_per_sequential_step", 1, 1),
    "GFLOP/s": ("gflops_per_s", 1, 0), "% roof": ("percent_of_roofline", 1, 1), "compile s": ("compile_s", 1, 1),
    "MB": ("peak_bytes", 1e-6, 0), "x": ("ratio", 1, 2), "CPU x": ("cpu_ratio", 1, 2),
}  # fmt: skip
LEGEND = (
    "ms: median of one update or one call; IQR, min, p99 of the same; CPU ms: processor time of all threads. us/step: "
    "time over the cells that run one after another. % roof: the least time that the counted operations and bytes need "
    "at the measured ceilings, over the time. MB: working memory. x: time over ours, above 1 where ours is faster."
)


def page(machine: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], found: Sequence[Growth]) -> str:
    """The whole, ready for BENCHMARKS.md."""
    parts = [header(machine), LEGEND]
    for work, title in TITLES.items():
        if chosen := [r for r in rows if r["work"] == work]:
            parts += [f"### {title}", *_tables(chosen)]
    if found:
        parts += ["### Growth: exponents of median time", table(found)]
    return "\n\n".join(parts) + "\n"


def header(machine: Mapping[str, Any]) -> str:
    """What the figures depend on: the command as a block, the rest as a list."""
    named = {name: value for name, value in machine.items() if name != "command" and value not in ("", None)}
    lines = [f"* {name.replace('_', ' ')}: {_text(value)}" for name, value in named.items()]
    return "\n".join([f"    {machine.get('command', '')}", "", *lines])


def _tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line of what all rows share, and a table of the rest; a dash where a figure was not measured."""
    settings = [name for name in (*AXES, *KINDS) if name != "work"]
    varied = [name for name in settings if len({r[name] for r in rows}) > 1]
    shared = ", ".join(f"{SHORT.get(name, name)} {_setting(rows[0], name)}" for name in settings if name not in varied)
    head = [*(SHORT.get(name, name) for name in varied), "implementation", *FIGURES]
    lines = [head, ["---"] * (len(varied) + 1) + ["---:"] * len(FIGURES)]
    for r in rows:
        cells = [_setting(r, name) for name in varied]
        lines.append([*cells, r["implementation"], *(_figure(r, column) for column in FIGURES)])
    return [f"Every row: {shared}.", "\n".join("| " + " | ".join(line) + " |" for line in lines)]


def _setting(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _figure(row: Mapping[str, Any], column: str) -> str:
    key, scale, digits = FIGURES[column]
    return "-" if row[key] is None else f"{row[key] * scale:.{digits}f}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
