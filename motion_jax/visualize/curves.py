"""Errors against the horizon, and what a run measured while it trained. The two modes have panels of their own."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motion_jax.config import MODES
from motion_jax.errors import UserError
from motion_jax.evaluation.metrics import find_metric
from motion_jax.evaluation.report import Report
from motion_jax.evaluation.tables import MODE_TITLES, PROTOCOL_TITLES
from motion_jax.experiments.compare import ZERO_VELOCITY
from motion_jax.train.log import read_metrics
from motion_jax.train.workdir import Workdir
from motion_jax.visualize.figures import FAINT, INK, add_legend, add_title, dress, new_figure, save, style, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]  # of `metrics.jsonl`

HORIZON = "time since the last observed frame (ms)"
SYNTHETIC = "synthetic data, not comparable with published errors"
ACTION_COLUMNS, TRAINING_COLUMNS = 5, 3  # at most
WIDE_RANGE = 20  # largest over smallest value from which a panel of training is logarithmic


@dataclasses.dataclass(frozen=True)
class Measure:
    """A panel of training: a number of the reports as a line, one of single updates as dots behind it, or either."""

    title: str
    unit: str
    line: str = ""  # names in the log's rows
    dots: str = ""
    reference: float | None = None  # a dotted line


MEASURES = (
    Measure("Training loss: updates, and their mean", "mean squared error", "mean_loss", "loss"),
    Measure("Validation loss, free-running", "mean squared error", "validation_loss"),
    Measure("Validation score, both modes", "error / error of zero-velocity", "validation_score", reference=1.0),
    Measure("Gradient of updates", "L2 norm before clipping", dots="grad_norm"),
    *(Measure(f"SRNN test error, {MODE_TITLES[mode].lower()}", "mean over horizons (rad)", f"srnn_error_rad_{mode}")
      for mode in MODES),
)  # fmt: skip


def error_curves(reports: Sequence[Report], path: str | Path) -> None:
    """Draws the average over actions at every reported horizon: a row a protocol and metric, a column a mode.

    A line is a model; a band is one standard deviation over its runs. Raises `UserError` if there are no reports, they
    are of several data sets, or the path cannot be written.
    """
    name = _data_name(reports)
    rows = _distinct((report.protocol, report.metric) for report in reports)
    modes = [mode for mode in MODES if any(report.mode == mode for report in reports)]
    figure = new_figure(4.6 * len(modes) + 0.4, 3.1 * len(rows) + 1)
    panels = figure.subplots(len(rows), len(modes), squeeze=False)
    looks = _styles(reports)
    for (protocol, metric), line in zip(rows, panels, strict=True):
        for mode, axes in zip(modes, line, strict=True):
            chosen = [report for report in reports if (report.mode, *report.row[2:]) == (mode, protocol, metric)]
            _draw_errors(axes, chosen, looks, "average")
            title = f"{MODE_TITLES[mode]}, {PROTOCOL_TITLES[protocol]}"
            dress(axes, title, HORIZON, find_metric(metric).heading.replace(", ", ",\n"))
            _begin_at_zero(axes)
    add_title(figure, f"Error, mean over actions: {_describe(name)}")
    add_legend(figure)
    save(figure, path)


def horizon_curves(reports: Sequence[Report], path: str | Path) -> None:
    """Draws the first protocol and metric of `reports`: free-running and one-step, each in a panel of its own.

    Lines and bands are as in `error_curves`, which draws every protocol and metric. Raises `UserError` as it does.
    """
    error_curves([report for report in reports if report.row[2:] == reports[0].row[2:]], path)


def action_curves(reports: Sequence[Report], path: str | Path) -> None:
    """Draws a small panel for each action, of reports of one mode, protocol and metric.

    Raises `UserError` if the reports are none, or not of one data set, mode, protocol and metric, or the path cannot be
    written.
    """
    name = _data_name(reports)
    kinds = _distinct(report.row[1:] for report in reports)
    if len(kinds) > 1:
        raise UserError(f"reports: panels of actions need one mode, protocol and metric, not {kinds[0]} and {kinds[1]}")
    ((mode, protocol, metric),) = kinds
    actions = _distinct(itertools.chain.from_iterable(report.actions for report in reports))
    looks = _styles(reports)
    figure, panels, columns = _grid(len(actions), ACTION_COLUMNS, 2.3, 2.1, least=5.0)
    for number, (axes, action) in enumerate(zip(panels, actions, strict=True)):
        axes.sharey(panels[0])
        _draw_errors(axes, reports, looks, action)
        dress(axes, action, "horizon (ms)" if number + columns >= len(actions) else "", "")
    for axes in panels:  # whose common scale is known once all are drawn
        _begin_at_zero(axes)
    figure.supylabel(find_metric(metric).heading, fontsize=9, color=INK)
    add_title(figure, f"{MODE_TITLES[mode]} error, {PROTOCOL_TITLES[protocol]}: {_describe(name)}")
    add_legend(figure)
    save(figure, path)


def training_curves(workdirs: Sequence[str | Path], path: str | Path) -> None:
    """Draws what the runs measured while they trained, against the step: a panel a number, a line a run.

    The axis of a number spans what was measured, not zero, so that a change is seen.

    Args:
        workdirs: folders of runs, each with its `config.json` and `metrics.jsonl`.
        path: the picture.

    Raises:
        UserError: a folder holds no run or no rows yet, or the path cannot be written.
    """
    runs = _read_runs([Workdir(folder) for folder in workdirs])
    logged = {name for log in runs.values() for row in log for name in row}
    measures = [measure for measure in MEASURES if logged.intersection((measure.line, measure.dots))]
    figure, panels, _ = _grid(len(measures), TRAINING_COLUMNS, 3.4, 2.6, least=4.6)
    for axes, measure in zip(panels, measures, strict=True):
        for number, (name, log) in enumerate(runs.items()):
            _draw_measure(axes, measure, name, log, style(number))
        if measure.reference is not None:
            axes.axhline(measure.reference, color=FAINT, linestyle=":", linewidth=1.2)
        dress(axes, measure.title, "step", measure.unit)
        axes.set_xlim(left=0)
        _scale(axes)
    add_title(figure, "Training")
    add_legend(figure)
    save(figure, path)


def _draw_errors(axes: Axes, reports: Sequence[Report], looks: dict[str, tuple[str, str]], action: str) -> None:
    for report in reports:
        if values := report.scores(action):
            colour, line = looks[report.model]
            axes.plot(report.milliseconds, values, line, color=colour, marker="o", markersize=3.5,
                      clip_on=False, label=report.model)  # fmt: skip
            if spread := report.spread(action):
                low, high = np.subtract(values, spread), np.add(values, spread)
                axes.fill_between(report.milliseconds, low, high, color=colour, alpha=0.2, linewidth=0)


def _begin_at_zero(axes: Axes) -> None:
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def _styles(reports: Sequence[Report]) -> dict[str, tuple[str, str]]:
    return styles((report.model, report.config["model"]["name"] == ZERO_VELOCITY) for report in reports)


def _draw_measure(axes: Axes, measure: Measure, name: str, log: Sequence[Row], look: tuple[str, str]) -> None:
    colour, line = look
    if dots := _series(log, measure.dots):
        axes.plot(*dots, ".", color=colour, alpha=0.5, markersize=4)
    if means := _series(log, measure.line):
        axes.plot(*means, line, color=colour, marker="o", markersize=3.5, label=name)


def _scale(axes: Axes) -> None:
    """A logarithmic axis where values span much, with plain numbers at its ticks."""
    from matplotlib.ticker import LogLocator, NullFormatter

    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() / values.min() > WIDE_RANGE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _series(log: Sequence[Row], name: str) -> tuple[list[int], list[float]] | None:
    """Steps, and a number at each: nan where the log says null, the mean over horizons of a list; None without any."""
    rows = [row for row in log if name in row]
    if not rows:
        return None  # an empty line has no extent, on which the layout of the figure fails
    return [row["step"] for row in rows], [float(np.mean(np.array(row[name], float))) for row in rows]


def _grid(count: int, most: int, width: float, height: float, least: float) -> tuple[Figure, list[Axes], int]:
    """`count` panels of `width` x `height` inches in rows as even as can be, and the number of columns.

    The figure is at least `least` wide.
    """
    rows = math.ceil(count / most)
    columns = math.ceil(count / rows)
    figure = new_figure(max(width * columns, least), height * rows + 0.9)
    grid = figure.add_gridspec(rows, columns)
    return figure, [figure.add_subplot(grid[divmod(number, columns)]) for number in range(count)], columns


def _data_name(reports: Sequence[Report]) -> str:
    names = _distinct(report.data["name"] for report in reports)
    if len(names) != 1:
        raise UserError(f"reports: a picture shows one data set; these are of {', '.join(names) or 'none'}")
    return names[0]


def _describe(name: str) -> str:
    return SYNTHETIC if name.startswith("synthetic") else name


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _read_runs(folders: Sequence[Workdir]) -> dict[str, list[Row]]:
    """Rows by the run's name, or by its folder where several runs share a name."""
    if not folders:
        raise UserError("training curves: no runs to draw")
    names = [folder.read_experiment().name for folder in folders]
    labels = names if len(set(names)) == len(names) else [str(folder.path) for folder in folders]
    return {label: _read_rows(folder) for label, folder in zip(labels, folders, strict=True)}


def _read_rows(folder: Workdir) -> list[Row]:
    rows = read_metrics(folder.metrics)
    if not rows:
        raise UserError(f"{folder.metrics}: holds no measurements yet")
    return rows
