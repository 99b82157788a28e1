"""Units of length: between what a person or a file can mean by one."""

from __future__ import annotations

from numbers import Real

from motion_jax.errors import UserError

LEAST_MM, MOST_MM = 1e-3, 1e6  # a micrometre, a kilometre


def check_unit(unit_mm: float | None, name: str = "unit_mm") -> None:
    """Raises `UserError` that names the value if a unit of `unit_mm` mm, where one is given, is none of length."""
    if unit_mm is None or (isinstance(unit_mm, Real) and LEAST_MM <= unit_mm <= MOST_MM):
        return
    shown = f"{unit_mm:g}" if isinstance(unit_mm, float | int) else repr(unit_mm)
    raise UserError(f"{name}={shown}: it must be a number of mm from {LEAST_MM:g} to {MOST_MM:.0f}")
