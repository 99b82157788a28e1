"""Ring: the last poses at uneven moments, in a store of fixed size, interpolated for any moment between them.

Everything is numpy on arrays made once: a pose costs no allocation and nothing that a compiler would trace again. The
components of vectors and quaternions are the first axis and are worked on one by one: numpy would make buffers to step
through axes of 3 and 4.
"""

from __future__ import annotations

import numpy as np

from motion_jax.inference.stream.layout import PoseLayout

_TURN = 2 * np.pi
_AT_POSE = 1e-3  # of the time between two poses: a moment this near to one is that pose's
_TINY = 1e-12  # rad; below it a sine is its angle, and what is divided by it is smaller still


class Ring:
    """The last C poses `[D]` of one layout, of J rotation vectors each, and R moments read from them at once.

    Row i is kept twice, at i and C + i, so that the last n rows lie together wherever the ring closes.
    """

    def __init__(self, capacity: int, layout: PoseLayout, reads: int) -> None:
        twice, joints = 2 * capacity, layout.turns
        self.capacity = capacity
        self.layout = layout
        self.count = 0
        self._next = 0  # row of the next pose, 0..C-1
        self._stamps = np.zeros(twice)  # s
        self._straight = np.zeros((twice, layout.straight))
        self._vectors = np.zeros((3, twice, joints))  # rotation vectors as they were given, rad
        self._turns = np.zeros((4, twice, joints))  # unit quaternions wxyz, each on the side of the one before
        self._arcs = np.zeros((1, twice, joints))  # angle in the space of quaternions from the one before, rad
        self._bridged = np.zeros(twice, bool)  # whether the time from the row before is a gap that is bridged
        self.bridged = np.zeros(reads, bool)  # of the moments read last, which lie in such a gap
        self._pair = np.zeros((2, 4, joints))  # two rows at work
        self._length = np.zeros((2, joints))
        self._work = _Reads(reads, layout)

    @property
    def stamps(self) -> np.ndarray:
        """`[n]` s, ascending; a view."""
        return self._stamps[self._window()]

    def clear(self) -> None:
        """Forgets everything."""
        self.count = 0

    def drop_last(self, count: int) -> None:
        """Forgets the last `count` poses; what they replaced stays forgotten."""
        self.count -= count
        self._next = (self._next - count) % self.capacity

    def last(self) -> np.ndarray:
        """The newest pose `[D]`, a new array."""
        row = self._next - 1 + self.capacity
        return np.concatenate([self._straight[row], self._vectors[:, row].T.reshape(-1)])

    def append(self, stamp: float, pose: np.ndarray, bridged: bool = False) -> None:
        """Takes in a pose `[D]` later than the last; rotation vectors in rad, of any length.

        `bridged`: the time from the last one to this is a gap that is bridged.
        """
        row, before = self._next, self._next - 1 + self.capacity
        self._stamps[row] = self._stamps[row + self.capacity] = stamp
        self._bridged[row] = self._bridged[row + self.capacity] = bridged
        self._straight[row] = self._straight[row + self.capacity] = pose[: self.layout.straight]
        if self.layout.turns:
            self._vectors[:, row] = pose[self.layout.straight :].reshape(-1, 3).T
            self._turn(row)
            if self.count:
                self._join(row, before)
            for column in (self._vectors, self._turns, self._arcs):
                column[:, row + self.capacity] = column[:, row]
        self._next = (row + 1) % self.capacity
        self.count = min(self.count + 1, self.capacity)

    def read(self, times: np.ndarray, frames: np.ndarray) -> None:
        """Poses at `times` `[R]`, written into `frames` `[R, D]`.

        Straight columns go straight from one neighbour to the next, rotations along the shortest arc at even speed
        (slerp). A person of several who is in one of the two neighbours alone is as in the nearer one. A moment outside
        what is kept gets the pose at that end. Needs at least two poses. `bridged` tells of each moment whether it lies
        within a gap that is bridged.
        """
        window, work = self._window(), self._work
        stamps = self._stamps[window]
        work.low[:] = stamps.searchsorted(times, side="right")
        work.low -= 1
        np.clip(work.low, 0, len(stamps) - 2, out=work.low)
        np.add(work.low, 1, out=work.high)
        np.take(stamps, work.low, out=work.begin, mode="clip")
        np.take(stamps, work.high, out=work.share, mode="clip")
        work.share -= work.begin
        np.subtract(times, work.begin, out=work.begin)
        np.divide(work.begin, work.share, out=work.share)
        np.clip(work.share, 0, 1, out=work.share)
        np.take(self._bridged[window], work.high, out=self.bridged, mode="clip")
        self.bridged &= (work.share > _AT_POSE) & (work.share < 1 - _AT_POSE)
        self._read_straight(window)
        frames[:, : self.layout.straight] = work.straight
        if self.layout.turns:
            self._read_turns(window)
            self._read_vectors(window)
            frames[:, self.layout.straight :].reshape(len(frames), -1, 3)[:] = work.turn[1:].transpose(1, 2, 0)

    def _window(self) -> slice:
        """Where the last `count` rows lie together."""
        end = self._next + self.capacity
        return slice(end - self.count, end)

    def _read_straight(self, window: slice) -> None:
        """(1 - u) a + u b, into `work.straight`."""
        work, stored = self._work, self._straight[window]
        np.take(stored, work.high, axis=0, out=work.straight, mode="clip")
        np.take(stored, work.low, axis=0, out=work.start, mode="clip")
        share = work.share[:, None]
        if self.layout.people > 1:
            by_person = (len(share), self.layout.people, -1)
            before, after = (array.reshape(by_person).any(axis=-1) for array in (work.start, work.straight))
            share = np.where(before & after, share, np.rint(share))  # [R, people]
            share = np.repeat(share, self.layout.straight // self.layout.people, axis=1)
        work.straight -= work.start
        work.straight *= share
        work.straight += work.start

    def _turn(self, row: int) -> None:
        """The quaternion of a row's vectors: cos(t/2), sin(t/2) r/t."""
        angle, factor = self._length
        vectors, turn = self._vectors[:, row], self._turns[:, row]
        _norm(vectors, turn[1:], angle)
        np.maximum(angle, _TINY, out=angle)
        np.multiply(angle, 0.5, out=factor)
        np.cos(factor, out=turn[0])
        np.sin(factor, out=factor)
        factor /= angle
        np.multiply(vectors, factor, out=turn[1:])

    def _join(self, row: int, before: int) -> None:
        """Turns a row to the side of the one before, of q and -q, and measures the arc between them."""
        (apart, together), (short, long) = self._pair, self._length
        a, b, arc = self._turns[:, before], self._turns[:, row], self._arcs[0, row]
        np.multiply(a, b, out=apart)
        np.sum(apart, axis=0, out=short)
        np.copysign(1, short, out=short)
        _scale(b, short)
        np.subtract(b, a, out=apart)
        np.add(b, a, out=together)
        _norm(apart, apart, short)
        _norm(together, together, long)
        np.arctan2(short, long, out=arc)  # half the angle between unit vectors, exact where an arccosine is not
        arc *= 2
        np.maximum(arc, _TINY, out=arc)

    def _read_turns(self, window: slice) -> None:
        """(sin((1-u) t) a + sin(u t) b) / sin(t), into `work.turn`."""
        work = self._work
        _take(self._arcs, window, work.high, work.arc[None])
        work.near[:] = work.share[:, None]
        np.multiply(work.arc, work.near, out=work.far)
        np.subtract(work.arc, work.far, out=work.near)
        for angle in (work.arc, work.near, work.far):
            np.sin(angle, out=angle)
        work.near /= work.arc
        work.far /= work.arc
        _take(self._turns, window, work.high, work.turn)
        _scale(work.turn, work.far)
        _take(self._turns, window, work.low, work.other)
        _scale(work.other, work.near)
        work.turn += work.other

    def _read_vectors(self, window: slice) -> None:
        """Of all the vectors of one rotation, which lie whole turns apart, the one next to the nearer neighbour's.

        A network that learnt from vectors longer than pi would not know them by their shorter form. They take the place
        of `work.turn[1:]`.
        """
        work = self._work
        np.rint(work.share, out=work.begin)
        work.high[:] = work.begin  # 0 or 1: which neighbour is nearer
        work.high += work.low
        axis, given = work.turn[1:], work.other[1:]
        length, angle, whole = work.near, work.far, work.arc
        _norm(axis, given, length)
        np.arctan2(length, work.turn[0], out=angle)
        angle *= 2
        np.maximum(length, _TINY, out=length)
        np.divide(1, length, out=length)
        _scale(axis, length)
        _take(self._vectors, window, work.high, given)
        given *= axis
        np.sum(given, axis=0, out=whole)  # how far the neighbour's vector goes along this axis
        whole -= angle
        whole /= _TURN
        np.rint(whole, out=whole)
        whole *= _TURN
        whole += angle
        _scale(axis, whole)


class _Reads:
    """Room for R moments."""

    def __init__(self, reads: int, layout: PoseLayout) -> None:
        joints = layout.turns
        self.low = np.zeros(reads, np.intp)  # the neighbour before
        self.high = np.zeros(reads, np.intp)
        self.begin = np.zeros(reads)
        self.share = np.zeros(reads)  # u, how far from the neighbour before to the one after, 0..1
        self.start, self.straight = np.zeros((2, reads, layout.straight))
        self.turn = np.zeros((4, reads, joints))
        self.other = np.zeros((4, reads, joints))
        self.arc, self.near, self.far = np.zeros((3, reads, joints))


def _take(stored: np.ndarray, window: slice, rows: np.ndarray, out: np.ndarray) -> None:
    """Rows of a window of `stored` `[K, 2C, J]` into `out` `[K, R, J]`, a component at a time: each lies together."""
    for component, target in zip(stored, out, strict=True):
        np.take(component[window], rows, axis=0, out=target, mode="clip")


def _scale(vectors: np.ndarray, factor: np.ndarray) -> None:
    """Multiplies `[K, ...]` by `[...]` in place."""
    for component in vectors:
        component *= factor


def _norm(vectors: np.ndarray, work: np.ndarray, out: np.ndarray) -> None:
    """Lengths of `vectors` `[K, ...]` into `out` `[...]`; `work` `[K, ...]` is overwritten."""
    np.multiply(vectors, vectors, out=work)
    np.sum(work, axis=0, out=out)
    np.sqrt(out, out=out)
