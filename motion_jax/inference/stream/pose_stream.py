"""PoseStream: poses in one by one, at any rate and with any fault; what the body did at given moments out."""

from __future__ import annotations

import math
from numbers import Real
from typing import Literal

import numpy as np

from motion_jax.data.motion.rotations_np import (
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)
from motion_jax.data.motion.unwrap import unwrap_rotations
from motion_jax.errors import UserError
from motion_jax.inference.stream.ring import Ring
from motion_jax.inference.stream.stamps import PoseCounts, StampFilter

_ROUNDING = 1e-3  # of a frame: by how much the oldest pose may be younger than the oldest moment
_EARLY = 0.45  # of a period: by how much an answer may come before it is due, as stamps are uneven

Bridge = Literal["hold", "extrapolate"]


class PoseStream:
    """The poses of a stream, of which R moments up to the newest are read at once.

    What becomes of each pose, by its stamp and content, is told in the table of `StreamingPredictor`. Translations go
    straight from one pose to the next, rotations by slerp. The store has a fixed size: a pose allocates nothing that
    stays, and neither does a reading, which is found in `rows`, `times` and `bridged`.
    """

    def __init__(
        self,
        offsets: np.ndarray,
        columns: int,
        fps: float,
        *,
        rate: float,
        max_gap: float,
        period: float,
        bridge: Bridge | None,
        max_bridge: float,
    ) -> None:
        """Makes room.

        Args:
            offsets: `[R]` s of the moments from the newest stamp, ascending, the last 0.
            columns: D of a pose.
            fps: frames/s of whoever reads: how finely poses are extrapolated, and what counts as rounding.
            rate: poses/s that must find room.
            max_gap: s without a pose that are still even motion; more is a gap.
            period: s between two answers; 0: one for every pose.
            bridge: how poses that have not come are stood in for, see `StreamingPredictor`.
            max_bridge: s, the longest gap that is bridged.

        Raises:
            UserError: a number is out of range.
        """
        if not 0 <= period < math.inf:
            raise UserError(f"period={period}: must be 0 or a finite number of seconds")
        if bridge not in ("hold", "extrapolate", None):
            raise UserError(f"bridge={bridge!r}: must be 'hold', 'extrapolate' or None")
        self._stamps = StampFilter(rate, max_gap, max_bridge if bridge else 0.0)
        self._bridge = bridge
        self.period = period
        self._fps = fps
        self._due = -math.inf  # s, when the next answer is
        self._rounding = _ROUNDING / fps
        self._offsets = offsets
        filled = math.ceil(self._stamps.max_bridge * fps) + 1  # rows that stand for poses that have not come
        self._ring = Ring(math.ceil(self.reach / self._stamps.closest) + 3 + filled, columns, len(offsets))
        self._pose, self._held = np.zeros((2, columns))
        self._narrow = np.zeros(columns, np.float32)
        self._finite = np.zeros(columns, bool)
        self.times = np.zeros(len(offsets))  # [R] s, the moments that were read last
        self.rows = np.zeros((len(offsets), columns))  # [R, D] the poses there, root absolute
        self.bridged = np.zeros(len(offsets), bool)  # [R] which of them lie where no pose came for too long

    @property
    def reach(self) -> float:
        """s that the poses must reach back before the newest."""
        return -float(self._offsets[0])

    @property
    def counts(self) -> PoseCounts:
        """What became of the poses so far."""
        return self._stamps.counts

    def observe(self, pose: np.ndarray, stamp: float) -> bool:
        """Takes in a pose `[D]`; whether it was taken.

        Raises:
            UserError: the pose is not `[D]` real numbers, or the stamp is no number.
        """
        stamp = _seconds(stamp)
        held = self._stamps.held
        verdict = self._stamps.decide(self._is_sound(pose), stamp)
        if verdict == "hold":
            np.copyto(self._held, pose)
        if verdict in ("drop", "hold"):
            return False
        if verdict == "restart":
            self._ring.clear()
            self._due = -math.inf
        if verdict != "take":
            self._ring.append(held, self._held, bridged=verdict == "bridge")
        np.copyto(self._pose, pose)
        self._ring.append(stamp, self._pose)
        return True

    def is_due(self, stamp: float) -> bool:
        """Whether it is time for an answer at `stamp`."""
        return not stamp < self._due - _EARLY * self.period

    def answered(self, stamp: float) -> None:
        """An answer was given at `stamp`: the next is due a period later."""
        behind = stamp - self._due > self.period  # at the first, and after a pause: the rhythm begins here
        self._due = (stamp if behind else self._due) + self.period

    def read(self, stamp: float | None = None) -> float | None:
        """Reads the moments up to the newest pose, or up to `stamp`, to which no pose has come since.

        What lies after the newest pose is bridged as `bridge` says. It is no observation: the next pose replaces it. A
        `stamp` before the newest pose counts as that pose's.

        Returns:
            s, the moment up to which was read; None where the poses do not reach back far enough, or `stamp` lies more
            than `max_bridge` after the newest.

        Raises:
            UserError: the stamp is no number.
        """
        newest = self._stamps.newest
        at = newest if stamp is None else max(newest, _seconds(stamp))
        if self._ring.count < 2 or not at - newest <= self._stamps.max_bridge:
            return None
        filled = self._fill(newest, at) if at > newest else 0
        try:
            if at - self._ring.stamps[0] < self.reach - self._rounding:
                return None
            np.add(self._offsets, at, out=self.times)
            self._ring.read(self.times, self.rows)
        finally:
            self._ring.drop_last(filled)
        np.greater(self.times, newest + self._rounding, out=self.bridged)
        self.bridged |= self._ring.bridged
        return at

    def _fill(self, newest: float, at: float) -> int:
        """Puts rows into the ring that stand for the poses up to `at`; how many."""
        last = self._ring.last()
        if self._bridge == "hold":
            self._ring.append(at, last)
            return 1
        count = math.ceil((at - newest) * self._fps)
        span = min(1 / self._fps, newest - self._ring.stamps[0])  # s over which speed is measured
        self.times.fill(newest - span)
        self._ring.read(self.times, self.rows)
        before, share = self.rows[0], (at - newest) / (count * span)
        step = share * (last[:3] - before[:3])
        old, pose = (quaternion_from_rotvec(one[3:].reshape(-1, 3)) for one in (before, last))
        turn = quaternion_from_rotvec(
            share * rotvec_from_quaternion(quaternion_multiply(pose, quaternion_conjugate(old)))
        )
        for number in range(1, count + 1):
            pose = quaternion_multiply(turn, pose)
            row = np.concatenate([last[:3] + step, rotvec_from_quaternion(pose).reshape(-1)])
            last = unwrap_rotations(row[None], near=last)[0]
            self._ring.append(newest + number / count * (at - newest), last)
        return count

    def _is_sound(self, pose: np.ndarray) -> bool:
        """Whether a pose is finite in float32."""
        pose = np.asarray(pose)
        if pose.shape != self._pose.shape or pose.dtype.kind not in "fiu":
            raise UserError(f"pose is {pose.dtype} {list(pose.shape)}: it must be real numbers [{len(self._pose)}]")
        with np.errstate(over="ignore"):
            np.copyto(self._narrow, pose, casting="unsafe")
        np.isfinite(self._narrow, out=self._finite)
        return bool(self._finite.all())


def _seconds(stamp: float) -> float:
    """`stamp` as a float. Raises `UserError` if it is no number."""
    if not isinstance(stamp, Real):
        raise UserError(f"stamp is {stamp!r}: it must be a number of seconds")
    try:
        return float(stamp)
    except OverflowError:
        return math.inf
