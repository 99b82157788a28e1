"""Trained anticipators as functions: from motion to what comes next, and when."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from motion_jax.anticipation import make
from motion_jax.config import Experiment
from motion_jax.data.finite import as_array, real_numbers
from motion_jax.data.formats import Motion
from motion_jax.data.labelled.modalities import inputs_of
from motion_jax.data.labelled.sequences import Sequence
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.inference.recogniser import motion_sequence
from motion_jax.inference.restore import restore_labelled
from motion_jax.train.anticipation import predict
from motion_jax.types import Array, Params


class Coming(NamedTuple):
    """What an action would be that begins so many seconds after the end of a recording."""

    seconds: float
    label: str  # the likeliest class
    probability: float  # the softmax's, of `label`
    probabilities: np.ndarray  # [C] of every class, in the order of `LabelSpace.classes`


class TrainedAnticipator:
    """A trained network of anticipation as a function.

    `anticipator.anticipate(motion) -> [Coming, ...]` tells of a recording what comes after it.
    `anticipator(inputs) -> [B, A, C]` takes the network's own inputs.
    """

    def __init__(
        self, params: Params, experiment: Experiment, space: LabelSpace, step: int, workdir: Path | None = None
    ) -> None:
        self.params = params
        self.experiment = experiment
        self.space = space
        self.step = step  # updates that the parameters have seen
        self.workdir = workdir  # the folder of the run; None: not from one
        network = make(experiment, space)
        self.clock = network.clock
        self._probabilities = jax.jit(lambda params, inputs: jax.nn.softmax(network.scores(params, inputs), axis=-1))
        self._weights = jax.jit(network.weights) if network.weights else None

    def __repr__(self) -> str:
        times = ", ".join(f"{time:g}" for time in self.clock.times)
        return f"TrainedAnticipator({self.experiment.model.name}, step={self.step}, times={times})"

    @property
    def recorded_fps(self) -> float:
        """The frame rate of the recordings that it was trained on."""
        return self.space.fps * self.space.frame_step

    def __call__(self, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        """Probabilities `[B, A, C]` of an array `[B, S, D_m]` a modality, normalised. Raises `UserError`."""
        return predict(self._probabilities, self.params, self._checked(inputs))

    def weights(self, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        """How much each modality counts, `[B, A, M]`, where model.fusion is "matt". Raises `UserError` elsewhere."""
        if self._weights is None:
            raise UserError("weights of modalities: only a network with model.fusion='matt' has them")
        return predict(self._weights, self.params, self._checked(inputs))

    def anticipate(self, motion: Motion, *, retargeted: bool = False) -> list[Coming]:
        """What would begin after a recording, by how long after it, the longest time first.

        Args:
            motion: of the body that was trained on; at any rate. Times that it is too short for are left out.
            retargeted: put another body on the model's by the names of its joints.

        Raises:
            UserError: the body does not fit, the recording is too short for any time, or the network recognises.
        """
        return self.anticipate_sequence(motion_sequence(motion, self.space, retargeted))

    def anticipate_sequence(self, sequence: Sequence) -> list[Coming]:
        """As `anticipate`, of a sequence at `recorded_fps`."""
        arrays = self._arrays(sequence)
        numbered = [
            (number, frames)
            for number in range(len(self.clock.times))
            if (frames := self._frames(len(arrays[0]) - 1, number))[0] >= 0
        ]
        if not numbered:
            raise self._too_short(sequence, arrays)
        found = self(tuple(np.stack([array[frames] for _, frames in numbered]) for array in arrays))
        return [self._coming(row, number) for row, (number, _) in zip(found, numbered, strict=True)]

    def follow(self, sequence: Sequence, seconds: float = 1.0) -> list[tuple[float, Coming]]:
        """What comes along a sequence at `recorded_fps`, told at every step of the clock.

        Args:
            sequence: of which every moment is told that enough lies before.
            seconds: how long after each moment what is told would begin; the nearest anticipation time is taken.

        Returns:
            s from the sequence's beginning, ascending, and what would come then.

        Raises:
            UserError: it lacks an input, is too short, or the network recognises.
        """
        arrays, clock, fps = self._arrays(sequence), self.clock, self.space.fps
        number = min(range(len(clock.times)), key=lambda one: abs(clock.times[one] - seconds))
        steps = np.arange(int((len(arrays[0]) - 1) / (clock.alpha * fps) + 1e-6) + 1)
        nows = [now for now in np.floor(steps * clock.alpha * fps + 1e-6).astype(np.int64)
                if self._frames(now, number)[0] >= 0]  # fmt: skip
        if not nows:
            raise self._too_short(sequence, arrays)
        filled = np.array(nows + nows[-1:] * ((1 << (len(nows) - 1).bit_length()) - len(nows)))  # few shapes to compile
        rows = np.stack([self._frames(now, number) for now in filled])
        found = self(tuple(array[rows] for array in arrays))
        return [(float(now) / fps, self._coming(row, number)) for now, row in zip(nows, found, strict=False)]

    def _arrays(self, sequence: Sequence) -> tuple[np.ndarray, ...]:
        """Inputs `[F, D_m]` of a sequence; refused where the network recognises."""
        if self.clock.within:
            raise UserError("model.mode='early_recognition': tells what is being done, not what comes")
        return inputs_of(sequence, self.space, self.experiment.labels, self.recorded_fps)

    def _frames(self, now: int, number: int) -> np.ndarray:
        """`[S]` frames of the steps where the scored step `number` is now; the first below 0: it is too early."""
        clock = self.clock
        last = clock.encoding + number  # the step that is now; a score reads nothing of those behind it
        before = np.maximum(last - np.arange(clock.steps), 0) * clock.alpha * self.space.fps
        return now - np.floor(before + 1e-6).astype(np.int64)

    def _coming(self, row: np.ndarray, number: int) -> Coming:
        """Of the probabilities `[A, C]` of a row those at the scored step `number`."""
        best = int(row[number].argmax())
        return Coming(self.clock.times[number], self.space.classes[best], float(row[number][best]), row[number])

    def _too_short(self, sequence: Sequence, arrays: tuple[np.ndarray, ...]) -> UserError:
        needed = self.clock.encoding * self.clock.alpha
        return UserError(f"{sequence.source}: {len(arrays[0]) / self.space.fps:.2f} s long: {needed:g} s are needed")

    def _checked(self, inputs: tuple[np.ndarray | Array, ...]) -> tuple[np.ndarray, ...]:
        modalities, steps = self.space.modalities, self.clock.steps
        if len(inputs) != len(modalities):
            raise UserError(f"inputs hold {len(inputs)} arrays: must be {len(modalities)}, one a modality")
        arrays = [
            as_array(array, modality.name, f"[B, {steps}, {width}]")
            for array, modality, width in zip(inputs, modalities, self.space.widths, strict=True)
        ]
        shapes = [list(array.shape[1:]) for array in arrays]
        wanted = [[steps, width] for width in self.space.widths]
        if shapes != wanted:
            raise UserError(f"inputs have shapes {shapes} behind the batch: must be {wanted}")
        if len(batches := {len(array) for array in arrays}) != 1 or 0 in batches:
            raise UserError(f"inputs have batches of {[len(array) for array in arrays]}: must be one number, 1 or more")
        return tuple(real_numbers(array, modality.name) for array, modality in zip(arrays, modalities, strict=True))


def load_anticipator(workdir: str | Path, checkpoint: str = "auto") -> TrainedAnticipator:
    """Opens a run of anticipation.

    Args:
        workdir: the folder that training left.
        checkpoint: "best" (by validation), "last", or "auto": best where one was chosen, else last.

    Raises:
        UserError: the folder holds no run, one of another task, no such checkpoint, or only damaged ones.
    """
    return TrainedAnticipator(*restore_labelled(workdir, "anticipation", make, checkpoint))
