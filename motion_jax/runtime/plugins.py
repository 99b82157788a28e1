"""Plug-ins: what other installed packages add under an entry-point group, imported when it is asked for by name."""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from motion_jax.errors import UserError


def plugin_names(group: str) -> tuple[str, ...]:
    """The names that installed packages add to an entry-point group such as "motion_jax.metrics"; imports nothing."""
    return tuple(sorted(_plugins(group)))


def load_plugin(group: str, name: str, kind: type) -> Any | None:
    """Imports what a package calls `name` in `group`; None where none does.

    Raises:
        UserError: its import fails, it is no `kind`, or several packages use the name; the message names them.
    """
    points = _plugins(group).get(name, [])
    if not points:
        return None
    where = f"entry point {group}: {name} = {' and '.join(sorted(point.value for point in points))}"
    if len(points) > 1:
        raise UserError(f"{where}: two packages use one name; uninstall one of them")
    try:
        found = points[0].load()
    except Exception as error:  # whatever the user's code raises
        raise UserError(f"{where}: {type(error).__name__}: {error}") from None
    if not isinstance(found, kind):
        raise UserError(f"{where}: must name a {kind.__name__}; it names {found!r}")
    return found


@functools.cache
def _plugins(group: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):  # a package that is on the path twice is one package
        found.setdefault(point.name, {})[point.value] = point
    return {name: list(points.values()) for name, points in found.items()}
