"""Everything that is known of a data set before a file of it is opened: one record each, read by every command."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from motion_jax.data.layouts import Layout
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Root
from motion_jax.types import Dataset

FOLDER_ROOTS: tuple[Root, ...] = ("difference", "heading")  # in which a prediction goes on from where a body is


@dataclasses.dataclass(frozen=True)
class MotionFiles:
    """Recordings in any of the formats that are read, below one folder; what the files themselves do not say."""

    pattern: str = ""  # of paths below the folder without suffix; "": one of the usual forms (see `parse_paths`)
    exclude: tuple[str, ...] = ()  # patterns of names, or of paths, that are left out (see `find_recordings`)
    actions: tuple[str, ...] = ()  # in the order of the one-hot code, others are left out; (): all, by name
    test: tuple[str, ...] = ()  # subjects to test on; (): the last by name, where the test is chosen by subject
    split: str = "auto"  # how the test is chosen, one of `splits.WAYS`
    fps: float = 50.0  # of the data set; a model that trains with data.stride=2 sees half of it
    input_fps: float | None = None  # at which the files were recorded; None: as they say
    unit_mm: float | None = None  # mm to a unit of length; None: as the files say (BVH: cm)
    skeleton: str = ""  # a motion file with the body that all are put on; "": that of most files, the first's
    body: str = ""  # "body22": all humanoid bodies are put on the canonical one (`motion.rig`); "": as `skeleton` says
    joint_map: str = ""  # of `body`: a table of joints' names that comes before the shipped one
    root: Root = "difference"  # what the root's columns hold, one of FOLDER_ROOTS


@dataclasses.dataclass(frozen=True)
class Generated:
    """Motion made by code."""

    make: Callable[[int], Dataset]  # data.synthetic_seed -> the whole set, the same for the same seed
    code: tuple[Path, ...]  # the files whose content decides the frames: another content is another cache entry


@dataclasses.dataclass(frozen=True)
class LabelledFiles:
    """Labelled sequences (see `labelled.sequences`): recognition and anticipation read them, forecasting does not."""

    read: Callable[[Any], Any]  # `labelled.reading.Request` -> `labelled.reading.Reading`, the whole set
    code: tuple[Path, ...] = ()  # the files whose content decides what is read: another content, another cache entry
    pattern: str = ""  # of names, with * and ?: the files that `read` reads; "": many and large, so that none is cached
    made: bool = False  # by code, from data.synthetic_seed: there is no folder
    action_sets: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Published choices of classes: what `data.actions` may be beside names."""
    folds: tuple[tuple[str, ...], ...] = ()  # subjects that `labels.fold` 1, 2, ... tests on
    tables: bool = False  # whether `labels.table` may say what is in them


@dataclasses.dataclass(frozen=True)
class Drawing:
    """How the published test windows start in a clip: from row `first` to `margin` rows before its end, exclusive.

    Rows are those that down-sampling keeps; a start counts from a history of 50 rows (see `protocols`).
    """

    trials: int | None = None  # test clips of an action, drawn from in turn; None: all that there are
    first: int = 0
    margin: int = 75


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """One data set. docs/adding_a_data_set.md adds one, here or from another package."""

    name: str  # of data.name, of --dataset and of reports
    title: str  # in words
    files: Layout | MotionFiles | Generated | LabelledFiles  # what it is read from (docs/adding_a_data_set.md)
    split: str = ""  # how the test is chosen, in a sentence; "": as `files` says, and told when it is read
    drawing: Drawing = Drawing()
    validation: str = ""  # the subjects, or "trial N", that data.validation="auto" holds out; "": the last, of several
    source: str = ""  # where it is from, and whom to cite
    terms: str = ""  # under which it may be used

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w+", self.name):
            raise UserError(f"data set {self.name!r}: a name must be of letters, digits and '_'")
        if isinstance(self.files, Layout) and self.files.name != self.name:
            raise UserError(f"data set {self.name!r}: its layout must be called the same, not {self.files.name!r}")
