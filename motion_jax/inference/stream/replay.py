"""Replay: a recorded motion fed to a stream in real time, as if it were live, and how long its answers took."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from motion_jax.errors import UserError
from motion_jax.inference.stream.layout import PoseLayout
from motion_jax.inference.stream.ring import Ring
from motion_jax.inference.stream.stamps import PoseCounts

_LEAD_S = 0.2  # between the call and the first pose
_LOOK_S = 10.0  # between two looks at the memory


class Stream(Protocol):
    """What is fed: predictions or labels, whose answers hold `bridged`."""

    def push(self, pose: np.ndarray, stamp: float) -> Any: ...  # noqa: D102
    def observe(self, pose: np.ndarray, stamp: float) -> bool: ...  # noqa: D102
    @property
    def reach(self) -> float: ...  # noqa: D102
    @property
    def counts(self) -> PoseCounts: ...  # noqa: D102


class Answers(NamedTuple):
    """What a stream's answers are called, and by when each is wanted."""

    name: str = "predictions"
    deadline: str = "the first moment that they predict"
    wanted: Callable[[Any], float] = lambda prediction: prediction.times[0]  # s on the clock of the stamps


PREDICTIONS = Answers()


class Feed(NamedTuple):
    """When the poses of a recording come, and how they are disturbed."""

    rate: float  # poses/s
    seconds: float
    jitter_s: float = 0.0  # standard deviation of each stamp from its even place
    drop: float = 0.0  # share of the poses that never come
    seed: int = 0

    def stamps(self) -> np.ndarray:
        """`[M]` s from the first pose, in the order in which they come; with jitter, not always ascending.

        Raises:
            UserError: a number is out of range.
        """
        for name, value, good, allowed in (
            ("rate", self.rate, 0 < self.rate < np.inf, "a finite number above 0"),
            ("seconds", self.seconds, 0 < self.seconds < np.inf, "a finite number above 0"),
            ("jitter_s", self.jitter_s, 0 <= self.jitter_s < np.inf, "a finite number, 0 or above"),
            ("drop", self.drop, 0 <= self.drop <= 1, "0 to 1"),
        ):
            if not good:
                raise UserError(f"{name}={value:g}: must be {allowed}")
        rng = np.random.default_rng(self.seed)
        even = np.arange(max(1, round(self.seconds * self.rate))) / self.rate
        stamps = even + self.jitter_s * rng.standard_normal(len(even))
        return stamps[rng.random(len(even)) >= self.drop]


class Replay(NamedTuple):
    """N answers after M poses."""

    poses: int
    latency_ms: np.ndarray  # [N] from the moment of a pose to its answer, waiting for the one before included
    processor_ms: np.ndarray  # [N] what that took of the processor, over all threads
    late_frame: int  # answers that came after their deadline: see `Answers`
    late_pose: int  # answers that came after the next pose was due
    passed_over: int  # poses only taken in, because the next was due already: the machine was behind
    bridged: int  # answers that read frames from a bridged gap
    resident_mb: np.ndarray  # [K] at the first answer, every 10 s, at the end; NaN where the system does not say
    counts: PoseCounts
    answers: Answers = PREDICTIONS

    def __str__(self) -> str:
        """For a terminal."""
        poses = "  ".join(f"{name} {value}" for name, value in self.counts._asdict().items())
        first, *_, last = self.resident_mb
        name, deadline, _ = self.answers
        memory = f"{first:.1f} MB at the first, {max(self.resident_mb):.1f} at most, {last:.1f} at the end"
        return "\n".join(
            [
                f"{self.poses} poses: {poses}",
                f"{len(self.latency_ms)} {name}, {self.bridged} of them from bridged gaps",
                f"latency ms: {_percentiles(self.latency_ms)}",
                f"processor ms: {_percentiles(self.processor_ms)}",
                f"missed deadlines: {self.late_frame} {name} came after {deadline}, "
                f"{self.late_pose} after the next pose was due",
                f"behind: {self.passed_over} poses were only taken in, because the next was due already",
                f"resident memory: {memory}",
            ]
        )


class Recording:
    """A recorded motion at any moment: to its end, back to its beginning, and again."""

    def __init__(self, frames: np.ndarray, fps: float, layout: PoseLayout) -> None:
        """Takes frames `[F, D]` of a stream's layout, F >= 2. Raises `UserError` where there are fewer."""
        if len(frames) < 2:
            raise UserError(f"the motion has {len(frames)} frame: it must have at least 2")
        self.seconds = (len(frames) - 1) / fps
        self._ring = Ring(len(frames), layout, 1)
        for number, frame in enumerate(np.asarray(frames, np.float64)):
            self._ring.append(number / fps, frame)
        self._time, self._frames = np.zeros(1), np.zeros((1, frames.shape[1]))

    def at(self, moment: float) -> np.ndarray:
        """The pose `[D]`; the next call overwrites it."""
        self._time[0] = self.seconds - abs(moment % (2 * self.seconds) - self.seconds)
        self._ring.read(self._time, self._frames)
        return self._frames[0]


def replay(
    stream: Stream,
    recording: Recording,
    feed: Feed,
    answers: Answers = PREDICTIONS,
    show: Callable[[Any], None] | None = None,
) -> Replay:
    """Pushes the poses when they are due, which takes `feed.seconds`, and times the answers.

    Args:
        stream: what is fed.
        recording: where the poses come from.
        feed: when they come.
        answers: what the stream's answers are.
        show: is given each answer once it has been timed, or None.

    Raises:
        UserError: no answer came about, so that there is nothing to tell.
    """
    stamps = feed.stamps()
    if not len(stamps):
        raise UserError(f"drop={feed.drop:g}: leaves none of the poses of {feed.seconds:g} s")
    taken = np.zeros((len(stamps), 5))  # s, of each prediction: see `_push`
    resident, passed_over, count = [], 0, 0
    begin = time.perf_counter() + _LEAD_S
    for stamp, following in zip(stamps.tolist(), [*stamps[1:].tolist(), np.inf], strict=True):
        pose = recording.at(stamp)
        time.sleep(max(0.0, begin + stamp - time.perf_counter()))
        if time.perf_counter() - begin > following:
            stream.observe(pose, stamp)
            passed_over += 1
        elif (answer := _push(stream, pose, stamp, following, begin, answers, taken[count])) is not None:
            count += 1
            if show:
                show(answer)
            if time.perf_counter() - begin > _LOOK_S * len(resident):
                resident.append(resident_mb())
    if not count:
        reach = f"the poses must reach back {stream.reach:g} s"
        raise UserError(f"no {answers.name.removesuffix('s')} in {feed.seconds:g} s: {reach}; {_told(stream.counts)}")
    latency, processor, after_frame, after_pose, bridged = taken[:count].T
    return Replay(
        poses=len(stamps),
        latency_ms=1000 * latency,
        processor_ms=1000 * processor,
        late_frame=int(np.sum(after_frame > 0)),
        late_pose=int(np.sum(after_pose > 0)),
        passed_over=passed_over,
        bridged=int(np.sum(bridged)),
        resident_mb=np.array([*resident, resident_mb()]),
        counts=stream.counts,
        answers=answers,
    )


def resident_mb() -> float:
    """The process's resident memory, MB; NaN where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def _push(
    stream: Stream,
    pose: np.ndarray,
    stamp: float,
    following: float,
    begin: float,
    answers: Answers,
    taken: np.ndarray,
) -> Any:
    """The answer, or None. `taken` holds s: latency, processor, how long after its deadline and the next pose; and
    whether it read a bridged gap.
    """
    processor = time.process_time()
    answer = stream.push(pose, stamp)
    if answer is None:
        return None
    ready = time.perf_counter() - begin
    late_frame, late_pose = ready - answers.wanted(answer), ready - following
    taken[:] = ready - stamp, time.process_time() - processor, late_frame, late_pose, answer.bridged.any()
    return answer


def _told(counts: PoseCounts) -> str:
    """What became of the poses, without what did not occur."""
    return ", ".join(f"{count} {name}" for name, count in counts._asdict().items() if count) or "no pose was taken"


def _percentiles(values: np.ndarray) -> str:
    p50, p99, most = np.percentile(values, [50, 99, 100])
    return f"p50 {p50:.2f}  p99 {p99:.2f}  max {most:.2f}"
