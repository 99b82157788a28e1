"""Formats: the record that says what can be done with the files of one suffix."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from motion_jax.data.motion.motion import Markers, Motion


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """What the user says about a file; None: as the file says, or as is usual for its format.

    Values have been checked: numbers are finite and above 0.
    """

    unit_mm: float | None = None  # mm to the file's unit of length
    fps: float | None = None  # frames per second; a reader may ignore it, its caller sets it
    skeleton: Path | None = None  # the file of the body; only for formats with `separate_skeleton`
    person: int | None = None  # which of several people, from 1; only for formats with `several_people`


class Format(NamedTuple):
    """What can be done with the files of one suffix; None: not that.

    A reader raises `UserError` that names file and line, and nothing else, on any content. A writer writes to the path
    that it is handed, which is a draft: `OSError` may come out of it, and `UserError` where a motion does not fit.
    """

    name: str  # for messages
    read: Callable[[Path, ReadOptions], Motion] | None = None
    write: Callable[[Motion, Path], None] | None = None
    read_markers: Callable[[Path, ReadOptions], Markers] | None = None
    write_markers: Callable[[Markers, Path], None] | None = None
    separate_skeleton: bool = False  # the body is in a file of its own
    several_people: bool = False  # a file may hold more than one
    own_unit: bool = False  # written lengths are in the unit that its reader takes for granted, not in the motion's
