"""Which poses of a live stream count, by their stamps."""

from __future__ import annotations

import math
from typing import NamedTuple

from motion_jax.errors import UserError

MAX_RATE = 10_000.0  # poses/s; no sensor of bodies is faster, and the store grows with it


class PoseCounts(NamedTuple):
    """What became of the poses so far: the rows of the table in `StreamingPredictor`."""

    taken: int = 0
    invalid: int = 0
    duplicate: int = 0
    late: int = 0
    crowded: int = 0
    gaps: int = 0
    set_back: int = 0


class StampFilter:
    """Judges each pose by the newest one before it, and keeps count."""

    def __init__(self, rate: float, max_gap: float) -> None:
        """See `StreamingPredictor`. Raises `UserError` on a number out of range."""
        if not 0 < rate <= MAX_RATE:
            raise UserError(f"rate={rate}: must be above 0 and at most {MAX_RATE:g} poses a second")
        if not 0.5 / rate < max_gap < math.inf:
            least = f"longer than half a pose, {0.5 / rate:g} s at rate={rate:g}"
            raise UserError(f"max_gap={max_gap}: must be a finite number of seconds, {least}")
        self.closest = 0.5 / rate  # s between two poses that are taken; half a period leaves room for jitter
        self.newest = math.nan  # s, the stamp of the pose taken last; NaN before the first
        self._max_gap = max_gap
        self._counts = dict.fromkeys(PoseCounts._fields, 0)

    @property
    def counts(self) -> PoseCounts:
        """What became of the poses so far."""
        return PoseCounts(**self._counts)

    def judge(self, sound: bool, stamp: float) -> str:
        """The field of `PoseCounts` that a pose belongs to; "gaps" and "set_back" are taken too, as a new beginning."""
        fate = self._fate(sound, stamp)
        self._counts[fate] += 1
        if fate in ("gaps", "set_back"):
            self._counts["taken"] += 1
        if fate in ("taken", "gaps", "set_back"):
            self.newest = stamp
        return fate

    def _fate(self, sound: bool, stamp: float) -> str:
        if not (sound and math.isfinite(stamp)):
            return "invalid"
        step = stamp - self.newest
        if math.isnan(step):
            return "taken"
        if step > self._max_gap:
            return "gaps"
        if step < -self._max_gap:
            return "set_back"
        if step == 0:
            return "duplicate"
        return "late" if step < 0 else "crowded" if step < self.closest else "taken"
