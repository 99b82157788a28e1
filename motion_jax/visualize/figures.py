"""Figures without global state: matplotlib's object API on its Agg canvas, loaded only where a picture is drawn."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, written_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Told apart with every kind of colour vision (Okabe & Ito 2008, without their yellow and black)."""
BASELINE = "#7A7A7A"
"""Of zero-velocity, in every picture and however many models stand beside it."""
LINES = ("-", "--", ":", "-.")  # the next kind begins where the colours are used up
INK = "#262626"
NOTE = "#666666"
FAINT = "#8C8C8C"
DPI = 150
SUFFIXES = (".png", ".pdf", ".svg")


def check_drawable(path: str | Path) -> None:
    """Raises `UserError` if matplotlib is missing, or `path` cannot be written or has another suffix than SUFFIXES."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a picture's suffix must be one of {', '.join(SUFFIXES)}")
    check_writable(path)
    new_figure(1, 1)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` x `height` inches. Raises `UserError` if matplotlib is missing."""
    try:
        _load_matplotlib()
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("a picture needs matplotlib: pip install 'motion-jax[viz]'") from None
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _load_matplotlib() -> None:
    """Imports matplotlib with the backend that MPLBACKEND names, or none if there is none of that name.

    What is drawn here needs no backend, but importing matplotlib fails over an unknown one, and using it over one that
    is not installed, such as a notebook's in a shell that was started from there.
    """
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", "")
    try:
        import matplotlib
    finally:
        if named:
            os.environ["MPLBACKEND"] = named
    if named and _importable(named):
        with contextlib.suppress(ValueError):  # no backend of matplotlib's
            matplotlib.rcParams["backend"] = named  # as importing it does


def _importable(backend: str) -> bool:
    """Whether a backend of another package is there; true for matplotlib's own names."""
    if not backend.startswith("module://"):
        return True
    try:
        return importlib.util.find_spec(backend.removeprefix("module://")) is not None
    except (ImportError, ValueError):
        return False


def save(figure: Figure, path: str | Path) -> None:
    """Writes a picture whole or not at all, in the format of the path's suffix. Raises `UserError` if it cannot."""
    check_drawable(path)
    path = Path(path)
    show_names_as_they_are(figure)
    picture = io.BytesIO()  # matplotlib's own writer of PDF stumbles over a full disk
    figure.savefig(picture, format=path.suffix[1:].lower(), facecolor="white")
    with written_atomically(path) as draft:
        draft.write_bytes(picture.getvalue())


def show_names_as_they_are(figure: Figure) -> None:
    """What stands between dollar signs is part of a name and no formula, which might also fail.

    Numbers beside an axis stay as matplotlib writes them.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    numbers = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels(which="both")
            if isinstance(axis.get_major_formatter(), LogFormatter | ScalarFormatter):
                numbers.update(labels)
    for text in figure.findobj(Text):
        if text not in numbers:
            text.set_parse_math(False)  # pyright: ignore[reportAttributeAccessIssue]


def style(number: int) -> tuple[str, str]:
    """Colour and line of the curve with this number."""
    return COLOURS[number % len(COLOURS)], LINES[number // len(COLOURS) % len(LINES)]


def styles(models: Iterable[tuple[str, bool]]) -> dict[str, tuple[str, str]]:
    """Colour and line of each model, by its name; what is said to be the baseline has one of its own."""
    found: dict[str, tuple[str, str]] = {}
    number = 0
    for name, is_baseline in dict(models).items():
        found[name] = (BASELINE, "--") if is_baseline else style(number)
        number += not is_baseline
    return found


def add_title(figure: Figure, text: str) -> None:
    """A title at the top left, broken into lines that the figure has room for."""
    width = int(figure.get_figwidth() / 0.088)  # of a letter of 11 points, inches
    figure.suptitle(textwrap.fill(text, width), fontsize=11, color=INK, x=0.01, ha="left")


def add_legend(figure: Figure) -> None:
    """One legend for all panels, below them."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        handles, names = axes.get_legend_handles_labels()
        entries |= dict(zip(names, handles, strict=True))
    if entries:
        columns = int(figure.get_figwidth() / (0.08 * max(map(len, entries)) + 0.6))
        figure.legend(entries.values(), entries.keys(), loc="outside lower left", ncols=max(1, min(columns, 5)),
                      frameon=False, fontsize=9, labelcolor=INK)  # fmt: skip


def dress(axes: Axes, title: str, x: str, y: str) -> None:
    """A quiet frame, a light grid, and labels."""
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
