"""Printed results to hold against, each with its mode, its source and how it came here.

The rows lie in `published.csv` beside this file. Their marks:

    published             printed in the named source
    as the thesis prints  another author's number as quoted by the thesis (Al-Aqel 2020), not checked at its origin
    recalled              quoted from memory of the named paper: look it up before you rely on it

The thesis's own rows stand under `one_step`. It says that it tests free-running, but its errors stay flat to 1000 ms
and follow, horizon by horizon, those of repeating the true previous frame.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
from decimal import Decimal
from importlib import resources

MARKS = ("published", "as the thesis prints", "recalled")
THESIS = "Al-Aqel, Attention Mechanism for Human Motion Prediction, MSc thesis, Umm Al-Qura University, 2020"


@dataclasses.dataclass(frozen=True)
class PublishedRow:
    """One printed line: a model on an action."""

    dataset: str  # "h36m" | "cmu"
    mode: str  # a member of config.MODES: what was measured, whatever the source calls it
    protocol: str
    metric: str
    model: str
    action: str  # or "average", over all of the data set's actions
    mark: str  # a member of MARKS
    source: str
    errors: dict[int, Decimal]  # milliseconds as printed above the column -> error, with the digits that are printed


@functools.cache
def all_rows() -> tuple[PublishedRow, ...]:
    """The whole table, in the order of the file."""
    text = resources.files("motion_jax.evaluation").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(_parse(line) for line in csv.DictReader(text.splitlines()))


def published_rows(dataset: str, mode: str, protocol: str, metric: str) -> tuple[PublishedRow, ...]:
    """The rows that were measured in this way; () where nothing is known, as for synthetic data."""
    wanted = (dataset, mode, protocol, metric)
    return tuple(row for row in all_rows() if (row.dataset, row.mode, row.protocol, row.metric) == wanted)


def _parse(line: dict[str, str]) -> PublishedRow:
    """Columns whose name is a number hold errors; an empty one was not printed."""
    errors = {int(name): Decimal(value) for name, value in line.items() if name.isdecimal() and value}
    return PublishedRow(**{name: value for name, value in line.items() if not name.isdecimal()}, errors=errors)
