"""Recogniser: a trained classifier as a function, from motion to labels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from motion_jax.config import Experiment
from motion_jax.data.finite import as_array, real_numbers
from motion_jax.data.formats import Motion
from motion_jax.data.labelled.modalities import inputs_of, kind_of
from motion_jax.data.labelled.sequences import Sequence
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.data.motion.merge_root import fit_root
from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.root_forms import from_absolute
from motion_jax.data.positions import to_positions
from motion_jax.errors import UserError
from motion_jax.inference.continuation import fit_body
from motion_jax.inference.predictor import padded_batch
from motion_jax.inference.restore import restore_labelled
from motion_jax.recognition import make, scores_in_parts
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array, Params

_AT_ONCE = 64  # windows to a compiled call


class Label(NamedTuple):
    """What a window of a recording shows."""

    start_s: float
    end_s: float
    label: str  # the likeliest class
    probability: float  # the softmax's, of `label`
    probabilities: np.ndarray  # [C] of every class, in the order of `LabelSpace.classes`


class Recogniser:
    """A trained classifier as a function.

    `recogniser.label(motion) -> [Label, ...]` slides a window over a recording as `read_motion` gives it, at any rate.
    `recogniser(frames) -> [B, C]` takes the network's own inputs.
    """

    def __init__(
        self, params: Params, experiment: Experiment, space: LabelSpace, step: int, workdir: Path | None = None
    ) -> None:
        self.params = params
        self.experiment = experiment
        self.space = space
        self.step = step  # updates that the parameters have seen
        self.workdir = workdir  # the folder of the run; None: not from one
        scores = scores_in_parts(make(experiment, space), experiment)

        @jax.jit
        def probabilities(params: Params, frames: Array, mask: Array) -> Array:
            return jax.nn.softmax(scores(params, frames, mask), axis=-1)

        self._probabilities = probabilities

    def __repr__(self) -> str:
        return f"Recogniser({self.experiment.model.name}, step={self.step}, {len(self.space.classes)} classes)"

    @property
    def recorded_fps(self) -> float:
        """The frame rate of the recordings that it was trained on."""
        return self.space.fps * self.space.frame_step

    def window(self, seconds: float | None = None, name: str = "seconds") -> int:
        """Frames of the network in a window of `seconds`, which `name` calls in messages.

        None: the longest that was read whole in training, `labels.window`; where that is 0, the median segment.

        Raises:
            UserError: the window would hold less than two frames.
        """
        if seconds is None and (longest := self.experiment.labels.window):
            return longest
        seconds = self.space.seconds if seconds is None else seconds
        frames = round(seconds * self.space.fps) if np.isfinite(seconds) else 0
        if frames < 2:
            raise UserError(f"{name}={seconds:g}: a window must hold two frames, {2 / self.space.fps:g} s, or more")
        return frames

    def hop(self, size: int, seconds: float | None = None, name: str = "hop") -> int:
        """Frames between the beginnings of two windows of `size` frames; None: half a window.

        Raises:
            UserError: less than a frame.
        """
        if seconds is None:
            return max(1, size // 2)
        frames = round(seconds * self.space.fps) if np.isfinite(seconds) else 0
        if frames < 1:
            raise UserError(f"{name}={seconds:g}: must be a frame, {1 / self.space.fps:g} s, or more")
        return frames

    def __call__(self, frames: np.ndarray | Array, mask: np.ndarray | Array | None = None) -> np.ndarray:
        """Probabilities `[B, C]` of the network's own inputs.

        Args:
            frames: `[B, T, D]` normalised, the modalities of `space` side by side (see `inputs`).
            mask: `[B, T]`, 1 for frames and 0 for padding at the end; None: all are frames.

        Raises:
            UserError: a wrong shape, what is not finite, or a mask that is not ones and then zeros.
        """
        frames = as_array(frames, "frames", f"[B, T, {self.space.width}]")
        if frames.ndim != 3 or frames.shape[-1] != self.space.width or not frames.size:
            raise UserError(f"frames have shape {list(frames.shape)}: must be [B, T, {self.space.width}]")
        numbers = real_numbers(frames, "frames")
        ones = np.ones(frames.shape[:2], np.float32) if mask is None else _checked_mask(mask, frames.shape[:2])
        return np.asarray(self._probabilities(self.params, numbers, ones))

    def inputs(self, sequence: Sequence) -> np.ndarray:
        """`[F, D]`: a sequence at `recorded_fps` as the network reads it.

        Raises:
            UserError: it lacks an input.
        """
        return np.concatenate(inputs_of(sequence, self.space, self.experiment.labels, self.recorded_fps), axis=-1)

    def sequence(self, motion: Motion, retargeted: bool = False) -> Sequence:
        """A recording as a sequence at `recorded_fps`, without segments.

        Raises:
            UserError: the network reads feature arrays or several people, or the body does not fit.
        """
        return motion_sequence(motion, self.space, retargeted)

    def label(
        self, motion: Motion, seconds: float | None = None, hop: float | None = None, *, retargeted: bool = False
    ) -> list[Label]:
        """Labels of the windows of a recording, one every `hop` seconds; the last ends where the recording does.

        Args:
            motion: of the body that was trained on; at any rate.
            seconds: of a window; None: `labels.window` of training, or the median segment where that is 0. A recording
                that is shorter is one window, read whole.
            hop: s between the beginnings of two windows; None: half a window.
            retargeted: put another body on the model's by the names of its joints.

        Raises:
            UserError: the body does not fit, or a number is out of range.
        """
        return self.label_sequence(self.sequence(motion, retargeted), seconds, hop)

    def label_sequence(self, sequence: Sequence, seconds: float | None = None, hop: float | None = None) -> list[Label]:
        """As `label`, of a sequence at `recorded_fps`."""
        frames = self.inputs(sequence)
        size = min(self.window(seconds), len(frames))
        step = self.hop(size, hop)
        starts = list(range(0, len(frames) - size + 1, step))
        if starts[-1] + size < len(frames):
            starts.append(len(frames) - size)
        found = []
        for begin in range(0, len(starts), _AT_ONCE):
            some = starts[begin : begin + _AT_ONCE]
            filled = some + some[-1:] * (padded_batch(len(some)) - len(some))  # so that few programs are compiled
            found.append(self(np.stack([frames[at : at + size] for at in filled]))[: len(some)])
        rate = self.space.fps
        return [
            Label(at / rate, (at + size) / rate, self.space.classes[best := int(row.argmax())], float(row[best]), row)
            for at, row in zip(starts, np.concatenate(found), strict=True)
        ]


def check_mask(mask: np.ndarray) -> None:
    """Raises `UserError` unless each row of `[B, T]` is ones, one or more, and then zeros; it names the first other."""
    sound = np.isin(mask, (0, 1)).all(axis=1) & (mask[:, 0] == 1) & (mask[:, 1:] <= mask[:, :-1]).all(axis=1)
    if not sound.all():
        number = int(sound.argmin())
        shown = np.array2string(mask[number], threshold=16, max_line_width=1000)
        wanted = "must be 1 for frames, one at least, and then 0 for padding"
        raise UserError(f"mask: sequence {number} has {shown}: {wanted}")


def _checked_mask(mask: np.ndarray | Array, shape: tuple[int, ...]) -> np.ndarray:
    """As float32. Raises `UserError` unless it is a mask of frames `[B, T]`, `shape`."""
    found = as_array(mask, "mask", f"{list(shape)}, as frames are")
    if found.shape != shape:
        raise UserError(f"mask has shape {list(found.shape)}: must be {list(shape)}, as frames are")
    numbers = real_numbers(found.astype(np.float32) if found.dtype == bool else found, "mask")
    check_mask(numbers)
    return numbers


def motion_sequence(motion: Motion, space: LabelSpace, retargeted: bool = False) -> Sequence:
    """A recording as a sequence at the rate of the recordings that were trained on, without segments.

    Raises:
        UserError: the network reads feature arrays or several people, or the body does not fit.
    """
    if not isinstance(motion, Motion):
        raise UserError(
            f"{kind_of(motion)} is no motion: it must be what read_motion returns; a network's own inputs are for its "
            f"call, and arrays by name for label_sequence and anticipate_sequence"
        )
    body = one_body(space, motion.source)
    for warning in motion.warnings:
        logging.warning("%s: %s", motion.source, warning)
    onto = fit_body(body, fit_root(motion, body), retargeted)
    rows = resample(onto, space.fps * space.frame_step).frames
    return Sequence(arrays_of_rows(rows, body), (), "", "test", motion.source)


def one_body(space: LabelSpace, source: str) -> Skeleton:
    """The body whose raw frames a network's inputs can be made of.

    Raises:
        UserError: the network reads feature arrays or several people; the message begins with `source`.
    """
    if space.skeleton is None or space.bodies != 1:
        what = "feature arrays" if space.skeleton is None else f"{space.bodies} people at once"
        raise UserError(f"{source}: a motion holds the joints of one person; this network reads {what}")
    return space.skeleton.of_angles


def arrays_of_rows(rows: np.ndarray, body: Skeleton) -> dict[str, np.ndarray]:
    """The arrays of a sequence of raw frames `[F, D]` with an absolute root; of a root of steps the first is gone."""
    rows = from_absolute(body.root, rows) if len(rows) > 1 else rows
    return {"positions": to_positions(body, rows), "angles": rows.astype(np.float32)}


def load_recogniser(workdir: str | Path, checkpoint: str = "auto") -> Recogniser:
    """Opens a run of recognition.

    Args:
        workdir: the folder that training left.
        checkpoint: "best" (by validation), "last", or "auto": best where one was chosen, else last.

    Raises:
        UserError: the folder holds no run, one of another task, no such checkpoint, or only damaged ones.
    """
    return Recogniser(*restore_labelled(workdir, "recognition", make, checkpoint))
