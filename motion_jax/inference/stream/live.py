"""LiveStream: what streams share that answer, as poses come in, whatever they answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import numpy as np

from motion_jax.inference.stream.layout import PoseLayout
from motion_jax.inference.stream.pose_stream import PoseStream
from motion_jax.inference.stream.stamps import PoseCounts

AnswerT = TypeVar("AnswerT")


class LiveStream(ABC, Generic[AnswerT]):
    """Poses in, an answer out whenever one is due."""

    _stream: PoseStream

    @property
    def layout(self) -> PoseLayout:
        """Of the poses that it takes."""
        return self._stream.layout

    @property
    def reach(self) -> float:
        """s that the poses must reach back before the newest."""
        return self._stream.reach

    @property
    def period(self) -> float:
        """s between two answers."""
        return self._stream.period

    @property
    def counts(self) -> PoseCounts:
        """What became of the poses so far."""
        return self._stream.counts

    def push(self, pose: np.ndarray, stamp: float) -> AnswerT | None:
        """Takes in a pose `[D]` observed at `stamp`, s on any clock that goes on, and answers where it is time to.

        Raises:
            UserError: the pose is not `[D]` real numbers, or the stamp is no number.
        """
        if not self.observe(pose, stamp) or not self._stream.is_due(stamp):
            return None
        answer = self.answer()
        if answer is not None:
            self._stream.answered(stamp)
        return answer

    def observe(self, pose: np.ndarray, stamp: float) -> bool:
        """Takes in a pose as `push` does, without an answer; whether it was taken.

        Raises:
            UserError: as `push`.
        """
        return self._stream.observe(pose, stamp)

    def answer(self, stamp: float | None = None) -> AnswerT | None:
        """What `push` answers, of the poses up to the newest, or up to `stamp`, to which no pose has come since.

        What lies after the newest pose is bridged as `bridge` says. It is no observation: the next pose replaces it. A
        `stamp` before the newest pose counts as that pose's.

        Returns:
            None where the poses do not reach back far enough, or `stamp` lies more than `max_bridge` after the newest.

        Raises:
            UserError: the stamp is no number.
        """
        at = self._stream.read(stamp)
        return None if at is None else self._answer(at)

    @abstractmethod
    def _answer(self, at: float) -> AnswerT:
        """Of the rows that were read up to `at`."""
