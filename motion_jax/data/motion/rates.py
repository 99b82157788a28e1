"""Frame rates: what a rate that a file rounded stands for."""

from __future__ import annotations

import math
from numbers import Real

from motion_jax.errors import UserError

CLOSE = 1e-4  # relative: files round a frame's time, so that 0.0083333 s or 0.016667 s stand for 120 and 60 a second


def nominal_rate(fps: float) -> float:
    """The rate that `fps` stands for: the whole number it lies within `CLOSE` of, or else itself.

    59.9988 (a `Frame Time` of 0.016667 s) is 60; 29.97 and 23.976 stay. Whoever counts frames counts by this rate.
    """
    whole = round(fps) if fps < 1e15 else 0
    return float(whole) if whole and abs(fps / whole - 1) < CLOSE else fps


def check_rate(fps: float | None, name: str = "fps", required: bool = False) -> None:
    """Raises `UserError` that names the value if a rate is not a finite number above 0; None is one that is not given.

    Args:
        fps: frames per second.
        name: whose it is, for the message.
        required: None is refused too, as of a data set, whose rate must be known.
    """
    if fps is None and not required:
        return
    if not isinstance(fps, Real) or not 0 < fps < math.inf:
        shown = f"{fps:g}" if isinstance(fps, float | int) else repr(fps)
        raise UserError(f"{name}={shown}: it must be a finite number of frames per second above 0")
