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
from motion_jax.evaluation.scores import Report
from motion_jax.evaluation.tables import METRIC_TITLES, MODE_TITLES, PROTOCOL_TITLES
from motion_jax.train.log import read_metrics
from motion_jax.train.workdir import Workdir
from motion_jax.visualize.figures import INK, dress, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = dict[str, Any]  # of `metrics.jsonl`

HORIZON = "time since the last observed frame (ms)"
SYNTHETIC = "synthetic data, not comparable with published errors"
ACTION_COLUMNS, TRAINING_COLUMNS = 5, 3


@dataclasses.dataclass(frozen=True)
class Measure:
    """A panel of training: a number of the reports as a line, one of single updates as dots behind it, or either."""

    title: str
    unit: str
    line: str = ""  # names in the log's rows
    dots: str = ""


MEASURES = (
    Measure("Training loss: updates, and their mean", "mean squared error", "mean_loss", "loss"),
    Measure("Validation loss, free-running", "mean squared error", "validation_loss"),
    Measure("Validation score, both modes", "error over zero-velocity's", "validation_score"),
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
    models = _distinct(report.model for report in reports)
    figure = new_figure(4.6 * len(modes) + 0.4, 3.1 * len(rows) + 0.8)
    panels = figure.subplots(len(rows), len(modes), squeeze=False)
    for (protocol, metric), line in zip(rows, panels, strict=True):
        for mode, axes in zip(modes, line, strict=True):
            chosen = [report for report in reports if (report.mode, *report.row[2:]) == (mode, protocol, metric)]
            _draw_errors(axes, chosen, models, "average")
            dress(
                axes,
                f"{MODE_TITLES[mode]}, {PROTOCOL_TITLES[protocol]}",
                HORIZON,
                METRIC_TITLES[metric].replace(", ", ",\n"),
            )
    _finish(figure, f"Error, mean over actions: {_describe(name)}")
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
    models = _distinct(report.model for report in reports)
    figure = new_figure(2.4 * ACTION_COLUMNS, 2.1 * math.ceil(len(actions) / ACTION_COLUMNS) + 0.8)
    panels = _grid(figure, len(actions), ACTION_COLUMNS)
    for axes, action in zip(panels, actions, strict=True):
        axes.sharey(panels[0])
        _draw_errors(axes, reports, models, action)
        dress(axes, action, "", "")
    figure.supxlabel(HORIZON, fontsize=9, color=INK)
    figure.supylabel(METRIC_TITLES[metric], fontsize=9, color=INK)
    _finish(figure, f"{MODE_TITLES[mode]} error, {PROTOCOL_TITLES[protocol]}: {_describe(name)}")
    save(figure, path)


def training_curves(workdirs: Sequence[str | Path], path: str | Path) -> None:
    """Draws what the runs measured while they trained, against the step: a panel a number, a line a run.

    Args:
        workdirs: folders of runs, each with its `config.json` and `metrics.jsonl`.
        path: the picture.

    Raises:
        UserError: a folder holds no run or no rows yet, or the path cannot be written.
    """
    runs = _read_runs([Workdir(folder) for folder in workdirs])
    logged = {name for log in runs.values() for row in log for name in row}
    measures = [measure for measure in MEASURES if logged.intersection((measure.line, measure.dots))]
    figure = new_figure(3.4 * TRAINING_COLUMNS, 2.6 * math.ceil(len(measures) / TRAINING_COLUMNS) + 0.7)
    for axes, measure in zip(_grid(figure, len(measures), TRAINING_COLUMNS), measures, strict=True):
        for number, (name, log) in enumerate(runs.items()):
            _draw_measure(axes, measure, name, log, style(number))
        dress(axes, measure.title, "step", measure.unit)
    _finish(figure, "Training")
    save(figure, path)


def _draw_errors(axes: Axes, reports: Sequence[Report], models: Sequence[str], action: str) -> None:
    for report in reports:
        if values := report.scores(action):
            colour, line = style(models.index(report.model))
            axes.plot(report.milliseconds, values, line, color=colour, marker="o", markersize=3.5,
                      clip_on=False, label=report.model)  # fmt: skip
            if spread := report.spread(action):
                low, high = np.subtract(values, spread), np.add(values, spread)
                axes.fill_between(report.milliseconds, low, high, color=colour, alpha=0.2, linewidth=0)


def _draw_measure(axes: Axes, measure: Measure, name: str, log: Sequence[Row], look: tuple[str, str]) -> None:
    colour, line = look
    if dots := _series(log, measure.dots):
        axes.plot(*dots, ".", color=colour, alpha=0.35, markersize=3, clip_on=False)
    if means := _series(log, measure.line):
        axes.plot(*means, line, color=colour, marker="o", markersize=3.5, clip_on=False, label=name)


def _series(log: Sequence[Row], name: str) -> tuple[list[int], list[float]] | None:
    """Steps, and a number at each: nan where the log says null, the mean over horizons of a list; None without any."""
    rows = [row for row in log if name in row]
    if not rows:
        return None  # an empty line has no extent, on which the layout of the figure fails
    return [row["step"] for row in rows], [float(np.mean(np.array(row[name], float))) for row in rows]


def _grid(figure: Figure, count: int, columns: int) -> list[Axes]:
    """`count` panels in rows of `columns`."""
    grid = figure.add_gridspec(math.ceil(count / columns), columns)
    return [figure.add_subplot(grid[divmod(number, columns)]) for number in range(count)]


def _finish(figure: Figure, title: str) -> None:
    """Axes from zero, the title, and one legend for all panels."""
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        handles, names = axes.get_legend_handles_labels()
        entries |= dict(zip(names, handles, strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside upper right", ncols=4, frameon=False, fontsize=9,
                  labelcolor=INK)  # fmt: skip


def _data_name(reports: Sequence[Report]) -> str:
    names = _distinct(report.data["name"] for report in reports)
    if len(names) != 1:
        raise UserError(f"reports: a picture shows one data set; these are of {', '.join(names) or 'none'}")
    return names[0]


def _describe(name: str) -> str:
    return SYNTHETIC if name == "synthetic" else name


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
