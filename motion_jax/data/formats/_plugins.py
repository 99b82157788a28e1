"""Formats of other packages, found by their entry points."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from absl import logging

from motion_jax.data.formats.format import Format

GROUP = "motion_jax.formats"


class Registry(Mapping[str, Format]):
    """Formats by suffix: this package's, and those that installed packages register.

    Other packages are imported when the table is first looked at, so that they can import this one.
    """

    def __init__(self, own: Mapping[str, Format]) -> None:
        self._own = own

    def __getitem__(self, suffix: str) -> Format:
        return self._all[suffix]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @functools.cached_property
    def _all(self) -> dict[str, Format]:
        formats = dict(self._own)
        for entry in entry_points(group=GROUP):
            try:
                formats[entry.name] = _loaded(entry, formats)
            except Exception as error:  # of another package, whose formats alone are then missing
                problem = f"{type(error).__name__}: {error}"
                logging.warning("entry point %s = %s of %s is left out: %s", entry.name, entry.value, GROUP, problem)
        return formats


def _loaded(entry: EntryPoint, formats: Mapping[str, Format]) -> Format:
    """The record that an entry point names. Raises `ValueError` or `TypeError` where it does not fit."""
    if not re.fullmatch(r"\.[a-z0-9]+", entry.name):
        raise ValueError("its name must be a suffix in small letters, such as .xyz")
    if entry.name in formats:
        raise ValueError(f"there is a format for {entry.name} already")
    form = entry.load()
    if not isinstance(form, Format):
        raise TypeError(f"it must be a motion_jax.data.formats.Format, not {type(form).__name__}")
    return form
