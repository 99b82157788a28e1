"""Pictures of a sweep: time against each axis, both logarithmic, so that a power law is a straight line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from motion_jax.benchmark.growth import Growth
from motion_jax.benchmark.rows import AXES, KINDS
from motion_jax.visualize.figures import INK, check_drawable, dress, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {"train": "an update", "infer": "a call"}


def check_plots(folder: str) -> None:
    """To be called before hours of work: raises `UserError` if matplotlib is missing or `folder` cannot be written."""
    check_drawable(Path(folder) / "growth.png")


def growth_plots(found: Sequence[Growth], folder: str | Path) -> list[Path]:
    """A picture for each axis and kind of work, `work_axis.png`; returns their paths. Raises `UserError`."""
    paths = []
    for work in TITLES:
        for axis in AXES:
            chosen = [growth for growth in found if growth.axis == axis and growth.fixed["work"] == work]
            if chosen:
                paths.append(Path(folder) / f"{work}_{axis}.png")
                _draw(chosen, paths[-1])
    return paths


def _draw(found: Sequence[Growth], path: Path) -> None:
    figure = new_figure(6.5, 4.5)
    axes = figure.subplots()
    named = [name for name in (*KINDS, *AXES) if len({str(growth.fixed.get(name)) for growth in found}) > 1]
    for number, growth in enumerate(found):
        colour, line = style(number)
        others = "".join(f", {name} {growth.fixed[name]}" for name in named)
        label = f"{growth.implementation}{others}: exponent {growth.exponent:.2f}"
        axes.plot(growth.points, growth.median_ms, line, color=colour, marker="o", markersize=3.5, label=label)
    axis = found[0].axis
    axes.set_xscale("log")
    axes.set_yscale("log")
    points = sorted({point for growth in found for point in growth.points})
    axes.set_xticks(points, list(map(str, points)))
    axes.set_yticks([], minor=True)
    axes.set_xticks([], minor=True)
    _label_decades(axes)
    title = f"Time of {TITLES[found[0].fixed['work']]} against {axis} (FLOPs: exponent {found[0].flops_exponent:.2f})"
    dress(axes, title, axis, "median (ms)")
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=8, labelcolor=INK)
    save(figure, path)


def _label_decades(axes: Axes) -> None:
    """1, 2, 5, 10, ... in place of powers of ten, of which a sweep spans few."""
    from matplotlib.ticker import LogLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
