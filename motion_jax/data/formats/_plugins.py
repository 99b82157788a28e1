"""Formats of other packages, found by their entry points."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping

from absl import logging

from motion_jax.data.formats.format import Format
from motion_jax.errors import UserError
from motion_jax.runtime.plugins import load_plugin, plugin_names

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
        for suffix in plugin_names(GROUP):
            try:
                formats[suffix] = _load(suffix, formats)
            except UserError as error:  # of another package, whose format alone is then missing
                logging.warning("left out: %s", error)
        return formats


def _load(suffix: str, known: Mapping[str, Format]) -> Format:
    """The record that an entry point names. Raises `UserError` where it does not fit."""
    where = f"entry point {GROUP}: {suffix}"
    if not re.fullmatch(r"\.[a-z0-9]+", suffix):
        raise UserError(f"{where}: its name must be a suffix in small letters, such as .xyz")
    if suffix in known:
        raise UserError(f"{where}: there is a format for {suffix} already")
    form = load_plugin(GROUP, suffix, Format)
    assert form is not None  # the name came from the same list
    return form
