"""Readings: what a reader of labelled data is asked for, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from motion_jax.config import DataConfig, LabelsConfig
from motion_jax.data.findings import Finding
from motion_jax.data.labelled.sequences import LabelledSet


class Request(NamedTuple):
    """Where to read, and what decides what is read. `data.actions` and `data.validation` do not: they choose later."""

    root: Path
    data: DataConfig
    labels: LabelsConfig
    strict: bool = False  # whether what would be left out is an error


class Reading(NamedTuple):
    """All that one folder holds; of the splits only "train" and "test", where nobody has said what validates."""

    dataset: LabelledSet
    hashes: Mapping[str, str] = {}  # sha256 of every file that was read, by its path below the root
    findings: tuple[Finding, ...] = ()  # what was left out or is odd; errors among them: nothing of it can be used
    split: str = ""  # how the test was chosen, in a sentence; "": as the data set's record says
