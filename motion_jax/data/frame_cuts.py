"""Frame cuts: a table of which frames of each recording are usable, in the form in which 100STYLE has one.

    STYLE_NAME,BR_START,BR_STOP,BW_START,BW_STOP,...
    Aeroplane,189,4182,210,3901,...

The recording `Aeroplane_BW` then begins at its frame 210, counted from 0, and ends before frame 3901.
"""

from __future__ import annotations

import csv
from pathlib import Path

from motion_jax.data.text_files import read_bytes
from motion_jax.data.walk import walk_files
from motion_jax.errors import UserError

Cuts = dict[str, tuple[int, int]]
"""Name of a recording without suffix -> its first usable frame, and one past the last."""

_ABSENT = ("", "n/a", "nan", "none", "na")


def find_frame_cuts(root: Path, name: str) -> str | None:
    """The path below `root` of the table called `name`, the first of several; None where there is none."""
    found = (path for path in walk_files(root) if path.name == name)
    return next((path.relative_to(root).as_posix() for path in found), None)


def read_frame_cuts(path: Path) -> Cuts:
    """Reads a table; a recording whose cells are empty or N/A is not in it.

    Raises:
        UserError: it cannot be read, has no such columns, or a cell is no number of a frame.
    """
    try:
        rows = list(csv.reader(read_bytes(path).decode("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    header = [name.strip() for name in rows[0]] if rows else []
    motions = [name.removesuffix("_START") for name in header if name.endswith("_START")]
    columns = {motion: (header.index(f"{motion}_START"), _stop(header, motion, path)) for motion in motions}
    if not motions:
        raise UserError(f"{path}: not a table of frame cuts: it must have columns like FW_START and FW_STOP")
    cuts: Cuts = {}
    for line, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row]
        for motion, places in columns.items():
            pair = [cells[at] if at < len(cells) else "" for at in places]
            if not cells or any(cell.lower() in _ABSENT for cell in pair):
                continue
            try:
                start, stop = (int(float(cell)) for cell in pair)
            except (ValueError, OverflowError):
                start, stop = -1, -1
            if not 0 <= start < stop:
                wanted = "must be frames from 0, the second after the first"
                raise UserError(f"{path}:{line}: {motion} of {cells[0]!r} is {pair[0]!r} to {pair[1]!r}: {wanted}")
            cuts[f"{cells[0]}_{motion}"] = start, stop
    return cuts


def _stop(header: list[str], motion: str, path: Path) -> int:
    if f"{motion}_STOP" not in header:
        raise UserError(f"{path}: has a column {motion}_START and none called {motion}_STOP")
    return header.index(f"{motion}_STOP")
