"""Labels of live motion: poses in one by one as they are recorded, what is being done and what comes out."""

from __future__ import annotations

import math
from typing import NamedTuple, Unpack

import numpy as np

from motion_jax.data.labelled.sequences import Sequence
from motion_jax.errors import UserError
from motion_jax.inference.anticipator import Coming, TrainedAnticipator
from motion_jax.inference.recogniser import Recogniser
from motion_jax.inference.stream.label_poses import LIVE, PoseForm, live_poses, pose_forms
from motion_jax.inference.stream.live import AnswerT, LiveStream
from motion_jax.inference.stream.pose_stream import LiveOptions, PoseStream


class Recognition(NamedTuple):
    """What the window up to the newest pose shows; the arrays are the caller's own."""

    start: float  # s of the window's first frame, on the clock of the stamps
    end: float  # s of its last, the newest stamp
    label: str  # the likeliest class
    probability: float  # the softmax's, of `label`
    probabilities: np.ndarray  # [C] of every class, in the order of `LabelSpace.classes`
    bridged: np.ndarray  # [T] bool, which of the frames that were read lie where no pose came for too long


class Anticipation(NamedTuple):
    """What comes after the newest pose; the arrays are the caller's own."""

    end: float  # s, the newest stamp, on the clock of the stamps
    times: np.ndarray  # [A] s on that clock, when what `coming` tells would begin
    coming: tuple[Coming, ...]  # [A] the longest time first
    bridged: np.ndarray  # [T] bool, which of the frames that were read lie where no pose came for too long


class LabelStream(LiveStream[AnswerT]):
    """A window of T network frames that slides over live motion, each read as a recording of its own."""

    def __init__(
        self,
        run: Recogniser | TrainedAnticipator,
        frames: int,
        usual_period: float,
        poses: PoseForm | None,
        **options: Unpack[LiveOptions],
    ) -> None:
        """Makes room for `frames` of the network, compiles and answers once; numbers as `PoseStream`."""
        forms = pose_forms(run)
        if poses is not None and poses not in forms:
            allowed = " or ".join(map(repr, forms))
            raise UserError(f"poses={poses!r}: must be {allowed}, as the network's inputs and training data have it")
        space = run.space
        self._poses = live_poses(run, poses or forms[0])
        self._step = space.frame_step
        self._frames = frames
        fps = space.fps * space.frame_step
        rows = (frames - 1) * space.frame_step + 1 + self._poses.lead
        self._stream = PoseStream(np.arange(1 - rows, 1) / fps, self._poses.layout, fps, usual_period, **options)
        self._answer(0.0)

    def _sequence(self) -> Sequence:
        """The rows that were read."""
        return Sequence(self._poses.arrays(self._stream.rows), (), "", "test", LIVE)

    def _bridged(self) -> np.ndarray:
        """`[T]` bool of the network's frames."""
        return self._stream.bridged[-1 - (self._frames - 1) * self._step :: self._step].copy()


class StreamingRecogniser(LabelStream[Recognition]):
    """A recogniser for live motion: `push(pose, stamp) -> None | Recognition`, over a window up to the newest pose.

    Stamps, gaps and threads are as `StreamingPredictor` takes them. A pose `[D]` is of one of `PoseForm`; see
    `pose_forms` for which a network takes. `labels.preprocess` is applied to each window as to a recording of that
    length: what comes out is what `Recogniser.label_sequence` says of such a recording.

    None is returned until the poses reach back a window, and between two labels. Everything is compiled in the
    constructor; a pose leaves nothing behind, a label its result.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        seconds: float | None = None,
        *,
        poses: PoseForm | None = None,
        **options: Unpack[LiveOptions],
    ) -> None:
        """Compiles for one window.

        Args:
            recogniser: what `load_recogniser` returns.
            seconds: of the window; None: the median segment of training, or `labels.window` where that is shorter.
            poses: what a pose holds; None: the first of `pose_forms`.
            options: see `LiveOptions`; `period` None is a quarter of the window.

        Raises:
            UserError: the network takes no such poses, or angles of several people, or a number is out of range.
        """
        self.recogniser = recogniser
        frames = recogniser.window(recogniser.space.seconds if seconds is None else seconds)
        self._length = (frames - 1) / recogniser.space.fps
        super().__init__(recogniser, frames, frames / recogniser.space.fps / 4, poses, **options)

    def _answer(self, at: float) -> Recognition:
        probabilities = self.recogniser(self.recogniser.inputs(self._sequence())[None])[0]
        best = int(probabilities.argmax())
        label, probability = self.recogniser.space.classes[best], float(probabilities[best])
        return Recognition(at - self._length, at, label, probability, probabilities, self._bridged())


class StreamingAnticipator(LabelStream[Anticipation]):
    """An anticipator for live motion: `push(pose, stamp) -> None | Anticipation`, at every anticipation time.

    As `StreamingRecogniser`; the window is what the earliest step of the network's clock reaches back, and what comes
    out is what `TrainedAnticipator.anticipate` says of a recording of that length.
    """

    def __init__(
        self,
        anticipator: TrainedAnticipator,
        *,
        poses: PoseForm | None = None,
        **options: Unpack[LiveOptions],
    ) -> None:
        """Compiles.

        Args:
            anticipator: what `load_anticipator` returns.
            poses: what a pose holds; None: the first of `pose_forms`.
            options: see `LiveOptions`; `period` None is a step of the network's clock.

        Raises:
            UserError: the network recognises early, takes no such poses, or angles of several people, or a number is
                out of range.
        """
        clock = anticipator.clock
        if clock.within:
            raise UserError("model.mode='early_recognition': tells what is being done, not what comes")
        self.anticipator = anticipator
        frames = math.floor((clock.steps - 1) * clock.alpha * anticipator.space.fps + 1e-6) + 1
        super().__init__(anticipator, frames, clock.alpha, poses, **options)

    def _answer(self, at: float) -> Anticipation:
        coming = tuple(self.anticipator.anticipate_sequence(self._sequence()))
        return Anticipation(at, at + np.array([one.seconds for one in coming]), coming, self._bridged())
