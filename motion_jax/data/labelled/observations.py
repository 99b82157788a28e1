"""Observations: what is seen before a labelled segment begins, or while it lasts, at steps of a clock."""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import NamedTuple

import numpy as np

from motion_jax.config import LabelsConfig
from motion_jax.data.labelled.modalities import inputs_of
from motion_jax.data.labelled.sequences import Segment, Sequence
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError


class Clock(NamedTuple):
    """When a segment is observed (Furnari and Farinella 2019): S = encoding + anticipation steps, the last A scored.

    Before a segment the steps lie alpha seconds apart and the last of them alpha before its first frame. With `within`
    they divide the segment instead: after step k of S, k/S of it has been seen.
    """

    alpha: float  # s
    encoding: int
    anticipation: int  # A
    within: bool = False

    @property
    def steps(self) -> int:
        """S."""
        return self.encoding + self.anticipation

    @property
    def times(self) -> tuple[float, ...]:
        """`[A]` seconds from each scored step to the segment's first frame; `within`: the share that has been seen."""
        if self.within:
            return tuple((self.encoding + step + 1) / self.steps for step in range(self.anticipation))
        return tuple(self.alpha * (self.anticipation - step) for step in range(self.anticipation))

    def frames(self, segment: Segment, fps: float, shift: float = 0.0) -> np.ndarray:
        """`[S]` numbers of the newest frame, at `fps` as segments are, that each step has seen; below 0: before all.

        All steps are later by `shift` of a step, -1 to 1.
        """
        if self.within:
            length = segment.end - segment.start
            seen = segment.start + length * (np.arange(1, self.steps + 1) + shift) / self.steps - 1
            return np.floor(seen + 1e-6).clip(segment.start, segment.end - 1).astype(np.int64)
        before = self.alpha * fps * (np.arange(self.steps, 0, -1) - shift)
        return np.floor(segment.start - before + 1e-6).astype(np.int64)  # 1e-6: 0.1 * 30 is 3 frames, not 3.0000001


class Observations(NamedTuple):
    """All observed segments of some sequences."""

    inputs: tuple[np.ndarray, ...]  # [M, S, D_m] float32 of each modality, normalised
    label: np.ndarray  # [M] int32
    current: np.ndarray  # [M, A] int32, label of what had begun last before it, at each scored step; C: nothing
    left_out: int  # segments that too little lies before


def observe(
    sequences: Several[Sequence],
    clock: Clock,
    space: LabelSpace,
    labels: LabelsConfig,
    fps: float,
    shifts: int = 1,
) -> Observations:
    """Every segment that enough lies before, in order.

    Args:
        sequences: at `fps` frames a second.
        clock: when.
        space: of the run; its rate is that of `labels.frame_step`.
        labels: as the run was trained with.
        fps: of `sequences` and their segments.
        shifts: how often each is observed, with steps up to half a step earlier and later, evenly.

    Raises:
        UserError: the clock is finer than the frames that a network reads, or no segment can be observed.
    """
    if not clock.within and clock.alpha * space.fps < 1 - 1e-6:
        raise UserError(f"model.alpha={clock.alpha:g}: is less than a frame of {space.fps:g} frames a second")
    found: list[tuple[np.ndarray, ...]] = []
    numbers, currents, left_out = [], [], 0
    for sequence in sequences:
        arrays = inputs_of(sequence, space, labels, fps)
        for segment in sequence.segments:
            shifted = [clock.frames(segment, fps, (number + 0.5) / shifts - 0.5) for number in range(shifts)]
            if min(frames[0] for frames in shifted) < 0:
                left_out += 1
                continue
            earlier = [other for other in sequence.segments if other.start < segment.start]
            for frames in shifted:
                found.append(tuple(array[frames // labels.frame_step] for array in arrays))
                numbers.append(segment.label)
                currents.append([_last_begun(earlier, frame, len(space.classes)) for frame in frames[clock.encoding :]])
    if not found:
        starts = [segment.start for sequence in sequences for segment in sequence.segments]
        if clock.within or not starts:
            raise UserError(f"no segment can be observed: {left_out} segments in {len(sequences)} sequences")
        needed = clock.alpha * (clock.steps + 0.5 - 0.5 / shifts)
        raise UserError(
            f"model.alpha={clock.alpha:g}, model.encoding={clock.encoding}, model.anticipation={clock.anticipation}: "
            f"need {needed:g} s before a segment begins: the longest that lies before any of {left_out} segments in "
            f"{len(sequences)} sequences is {max(starts) / fps:g} s"
        )
    inputs = tuple(np.stack(arrays).astype(np.float32) for arrays in zip(*found, strict=True))
    return Observations(inputs, np.array(numbers, np.int32), np.array(currents, np.int32), left_out)


def _last_begun(segments: Several[Segment], frame: int, nothing: int) -> int:
    begun = [segment.label for segment in segments if segment.start <= frame]
    return begun[-1] if begun else nothing
