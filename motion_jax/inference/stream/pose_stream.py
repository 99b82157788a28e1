"""PoseStream: poses in one by one, at any rate and with any fault; what the body did at given moments out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real
from typing import Literal, TypedDict

import numpy as np

from motion_jax.data.finite import as_array
from motion_jax.data.motion.rotations_np import (
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)
from motion_jax.data.motion.unwrap import unwrap_rotations
from motion_jax.errors import UserError
from motion_jax.inference.stream.layout import PoseLayout
from motion_jax.inference.stream.ring import Ring
from motion_jax.inference.stream.stamps import PoseCounts, StampFilter

_ROUNDING = 1e-3  # of a frame: by how much the oldest pose may be younger than the oldest moment
_EARLY = 0.45  # of a period: by how much an answer may come before it is due, as stamps are uneven

Bridge = Literal["hold", "extrapolate"]


class LiveOptions(TypedDict, total=False):
    """What every stream may be told, by keyword: when poses come, and when answers are wanted."""

    rate: float  # poses/s that must find room; 120
    max_gap: float  # s without a pose that are still even motion, 0.2; more is a gap
    period: float | None  # s between two answers; None: as each stream says; 0: one for every pose
    bridge: Bridge | None
    """What stands in for poses that have not come, where an answer is asked for all the same: "extrapolate", the newest
    pose goes on at the speed of the last 1/fps s; "hold", it stays. None: gaps are not bridged at all."""
    max_bridge: float  # s, the longest gap that is bridged; 0.5


class PoseStream:
    """The poses of a stream, of which R moments up to the newest are read at once.

    What becomes of each pose, by its stamp and content, is told in the table of `StreamingPredictor`. Lengths go
    straight from one pose to the next, rotations by slerp. The store has a fixed size: a pose allocates nothing that
    stays, and neither does a reading, which is found in `rows`, `times` and `bridged`.
    """

    def __init__(
        self,
        offsets: np.ndarray,
        layout: PoseLayout,
        fps: float,
        usual_period: float,
        *,
        rate: float = 120.0,
        max_gap: float = 0.2,
        period: float | None = None,
        bridge: Bridge | None = "extrapolate",
        max_bridge: float = 0.5,
    ) -> None:
        """Makes room.

        Args:
            offsets: `[R]` s of the moments from the newest stamp, ascending, the last 0.
            layout: of a pose.
            fps: frames/s of whoever reads: how finely poses are extrapolated, and what counts as rounding.
            usual_period: s between two answers where `period` is None.
            rate: this and the others: see `LiveOptions`.
            max_gap: likewise.
            period: likewise.
            bridge: likewise.
            max_bridge: likewise.

        Raises:
            UserError: a number is out of range.
        """
        period = usual_period if period is None else period
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
        self._ring = Ring(math.ceil(self.reach / self._stamps.closest) + 3 + filled, layout, len(offsets))
        self.layout, columns = layout, layout.columns
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
        for number, row in enumerate(_extrapolate(before, last, share, count, self.layout), 1):
            self._ring.append(newest + number / count * (at - newest), row)
        return count

    def _is_sound(self, pose: np.ndarray) -> bool:
        """Whether a pose is finite in float32; of joint places, whether anybody is in it."""
        pose = as_array(pose, "pose", f"[{len(self._pose)}]")
        if pose.shape != self._pose.shape or pose.dtype.kind not in "fiu":
            raise UserError(f"pose is {pose.dtype} {list(pose.shape)}: it must be real numbers [{len(self._pose)}]")
        with np.errstate(over="ignore"):
            np.copyto(self._narrow, pose, casting="unsafe")
        np.isfinite(self._narrow, out=self._finite)
        return bool(self._finite.all()) and (not self.layout.people or bool(self._narrow.any()))


def _extrapolate(
    before: np.ndarray, last: np.ndarray, share: float, count: int, layout: PoseLayout
) -> Iterator[np.ndarray]:
    """The `count` poses `[D]` after `last`, of which each goes on by `share` of what lies between `before` and it.

    The array is the same each time.
    """
    straight = layout.straight
    step = share * (last - before)[:straight]
    if layout.people > 1:  # who has just come or left has no speed
        gone, absent = (~pose[:straight].reshape(layout.people, -1).any(axis=1) for pose in (before, last))
        step.reshape(layout.people, -1)[gone | absent] = 0.0
    old, turned = (quaternion_from_rotvec(pose[straight:].reshape(-1, 3)) for pose in (before, last))
    turn = quaternion_from_rotvec(
        share * rotvec_from_quaternion(quaternion_multiply(turned, quaternion_conjugate(old)))
    )
    last = last.copy()
    for _ in range(count):
        last[:straight] += step
        if layout.turns:
            turned = quaternion_multiply(turn, turned)
            frame = np.concatenate([np.zeros(3), rotvec_from_quaternion(turned).reshape(-1)])
            near = np.concatenate([np.zeros(3), last[straight:]])
            last[straight:] = unwrap_rotations(frame[None], near=near)[0, 3:]
        yield last


def _seconds(stamp: float) -> float:
    """`stamp` as a float. Raises `UserError` if it is no number."""
    if not isinstance(stamp, Real):
        raise UserError(f"stamp is {stamp!r}: it must be a number of seconds")
    try:
        return float(stamp)
    except OverflowError:
        return math.inf
