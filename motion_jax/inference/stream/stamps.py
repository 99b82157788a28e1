"""Stamps: which poses of a live stream are used, and where its clock jumped."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from motion_jax.errors import UserError

MAX_RATE = 10_000.0  # poses/s; no sensor of bodies is faster, and the store grows with it
MAX_BRIDGE = 10.0  # s; the store grows with it

Verdict = Literal["take", "drop", "hold", "bridge", "restart"]
"""Use the pose; leave it out; keep it aside until the next ones tell; use the pose kept aside, after a gap that is
bridged, and this one; forget what was before, and use the same two."""


class PoseCounts(NamedTuple):
    """What became of the poses so far. The first seven add up to the poses that were pushed."""

    taken: int = 0
    invalid: int = 0  # not finite
    duplicate: int = 0  # at the stamp of another
    late: int = 0  # before the newest
    ahead: int = 0  # a jump forwards that the next pose did not confirm
    crowded: int = 0  # too soon after another
    held: int = 0  # 0 or 1: kept aside, not yet decided
    bridged: int = 0  # gaps that were bridged
    gaps: int = 0  # gaps that were too long, after which the stream began anew
    set_back: int = 0  # times that the clock was set back, and the stream began anew


class StampFilter:
    """Decides about each pose by its stamp, and keeps count.

    A stamp that jumps, by more than `max_gap` to either side of the newest pose, is held: it may be wrong, or only
    late. Forwards, the next pose that follows it confirms the jump. Backwards, poses that follow each other for
    `max_gap` do: shorter runs are late poses. A pose that follows the newest one refutes the jump.
    """

    def __init__(self, rate: float, max_gap: float, max_bridge: float) -> None:
        """See `StreamingPredictor`; `max_bridge` 0: no gap is bridged. Raises `UserError` on a number out of range."""
        if not 0 < rate <= MAX_RATE:
            raise UserError(f"rate={rate}: must be above 0 and at most {MAX_RATE:g} poses a second")
        if not 0.5 / rate < max_gap < math.inf:
            least = f"longer than half a pose, {0.5 / rate:g} s at rate={rate:g}"
            raise UserError(f"max_gap={max_gap}: must be a finite number of seconds, {least}")
        if not 0 <= max_bridge <= MAX_BRIDGE:
            raise UserError(f"max_bridge={max_bridge}: must be from 0 to {MAX_BRIDGE:g} s")
        self.closest = 0.5 / rate  # s between two poses that are taken; half a period leaves room for jitter
        self.max_bridge = max_bridge
        self.newest = math.nan  # s, the stamp of the pose taken last; NaN before the first
        self.held = math.nan  # s, the stamp of the pose kept aside; NaN: none
        self._run = math.nan  # s, where the poses began that follow each other up to the held one
        self._max_gap = max_gap
        self._counts = dict.fromkeys(PoseCounts._fields, 0)

    @property
    def counts(self) -> PoseCounts:
        """What became of the poses so far."""
        return PoseCounts(**self._counts | {"held": int(not math.isnan(self.held))})

    def decide(self, sound: bool, stamp: float) -> Verdict:
        """What to do with a pose; `sound`: it is finite."""
        if not (sound and math.isfinite(stamp)):
            return self._drop("invalid")
        step = stamp - self.newest
        if abs(step) > self._max_gap:  # false before the first pose
            return self._jump(stamp)
        if step <= 0:
            return self._drop("late" if step else "duplicate")
        if step < self.closest:
            return self._drop("crowded")
        self._refute()
        self._counts["taken"] += 1
        self.newest = stamp
        return "take"

    def _jump(self, stamp: float) -> Verdict:
        follows = stamp - self.held  # NaN where none is held
        if follows == 0:
            return self._drop("duplicate")
        if 0 < follows < self.closest:
            return self._drop("crowded")
        if not 0 < follows <= self._max_gap:
            self._refute()
            self.held = self._run = stamp
            return "hold"
        back = stamp < self.newest
        if back and stamp - self._run < self._max_gap:
            self._counts["late"] += 1  # the one held so far
            self.held = stamp
            return "hold"
        bridged = not back and self.held - self.newest <= self.max_bridge
        self._counts["set_back" if back else "bridged" if bridged else "gaps"] += 1
        self._counts["taken"] += 2
        self.newest, self.held = stamp, math.nan
        return "bridge" if bridged else "restart"

    def _refute(self) -> None:
        """The held pose, if there is one, belongs to no clock."""
        if not math.isnan(self.held):
            self._counts["ahead" if self.held > self.newest else "late"] += 1
            self.held = math.nan

    def _drop(self, why: str) -> Verdict:
        self._counts[why] += 1
        return "drop"
