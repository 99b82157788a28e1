"""Pictures of confusion: of each true class, the share that was called what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from motion_jax.evaluation.classification import ClassificationReport
from motion_jax.visualize.figures import INK, add_title, new_figure, save

SAID = 20  # classes up to which cells have numbers
DARK = 0.6  # share above which a cell's number is white


def confusion_picture(reports: Sequence[ClassificationReport], path: str | Path) -> None:
    """A panel for each model (not for baselines): rows are true classes, columns answers, cells percent of the row.

    Raises:
        UserError: matplotlib is missing or `path` cannot be written.
    """
    shown = [report for report in reports if report.config] or list(reports)
    columns = min(len(shown), 2)
    rows = math.ceil(len(shown) / columns)
    size = 2.4 + 0.34 * max(len(report.classes) for report in shown)
    figure = new_figure(size * columns, size * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes, report in zip(grid, shown, strict=False):
        counts = np.array(report.confusion, float)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
        numbers = range(len(report.classes))
        axes.set_xticks(numbers, report.classes, rotation=90, fontsize=7, color=INK)
        axes.set_yticks(numbers, report.classes, fontsize=7, color=INK)
        axes.set_xlabel("answer", fontsize=8, color=INK)
        axes.set_ylabel("true class", fontsize=8, color=INK)
        accuracy = f"accuracy {100 * report.metrics['accuracy']:.1f}%"
        which = f", {report.checkpoint}" if report.checkpoint else ""
        axes.set_title(f"{report.model}{which}: {accuracy}", fontsize=9, color=INK, loc="left")
        axes.spines[:].set_visible(False)
        for row, column in zip(*np.nonzero(counts), strict=True) if len(report.classes) <= SAID else ():
            value = share[row, column]
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=6,
                      color="white" if value > DARK else INK)  # fmt: skip
    data = shown[0].data["name"]
    add_title(figure, f"{data}, {shown[0].split}: percent of each true class")
    save(figure, path)
