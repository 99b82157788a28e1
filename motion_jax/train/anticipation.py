"""Anticipation as a task: what is seen before labelled segments, and the cross-entropy at every anticipation time.

Reports measure the validation observations. Their score, which chooses the checkpoint, is one minus the accuracy one
second before the action: top-5 as Furnari and Farinella choose, top-1 where there are ten classes or fewer, of which
any five are half.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.anticipation import make
from motion_jax.anticipation.anticipator import Anticipator
from motion_jax.config import Experiment, one_of
from motion_jax.data.labelled.modalities import label_space
from motion_jax.data.labelled.observations import Observations, observe
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.evaluation import anticipation as metrics
from motion_jax.recognition.losses import balanced_weights, loss_of_scores
from motion_jax.train.labelled import LabelledTask
from motion_jax.train.task import SCORE
from motion_jax.types import Array, Params, RateScales

FEW_CLASSES = 10  # up to which top-1 chooses the checkpoint
SCORED_S = 1.0  # s before the action
MOST_AT_ONCE = 1024  # observations in one compiled call of a report


class Examples(NamedTuple):
    """Observations on the device; all of training, or a batch."""

    inputs: tuple[Array, ...]  # [M, S, D_m]
    label: Array  # [M] int32


class Batch(NamedTuple):
    """Examples, and what is random about each."""

    examples: Examples
    keys: Array  # [B, 2] uint32, raw PRNG key data


@dataclasses.dataclass(frozen=True, eq=False)
class Anticipation(LabelledTask):
    """The `Task` of telling what comes next (see `train/task.py` for each member)."""

    experiment: Experiment
    anticipator: Anticipator
    space: LabelSpace
    data: Examples
    data_key: str
    class_weights: np.ndarray  # [C] of the loss
    held_out: Observations | None

    @classmethod
    def of(cls, experiment: Experiment, dataset: LabelledSet) -> Anticipation:
        """The task of `experiment` on `dataset`.

        Raises:
            UserError: an unknown score, a network that cannot serve the inputs, nothing to train on.
        """
        one_of("train.score", experiment.train.score, ("auto", *metrics.METRICS))
        training, labels = dataset.split("train"), experiment.labels
        space = label_space(dataset, training, labels)
        anticipator = make(experiment, space)
        seen = observe(training, anticipator.clock, space, labels, dataset.fps, anticipator.shifts)
        validation = dataset.split("validation")
        held_out = observe(validation, anticipator.clock, space, labels, dataset.fps) if validation else None
        data = Examples(tuple(map(jnp.asarray, seen.inputs)), jnp.asarray(seen.label))
        counts = np.bincount(seen.label, minlength=len(space.classes))
        weights = balanced_weights(counts) if labels.class_weights == "balanced" else np.ones(len(counts), np.float32)
        return cls(experiment, anticipator, space, data, dataset.key, weights, held_out)

    @property
    def whole_batch(self) -> bool:
        """No: the loss is a mean over observations."""
        return False

    @property
    def rate_scales(self) -> RateScales | None:
        """All parameters learn at one rate."""
        return None

    def init(self, key: Array) -> Params:
        """The network's parameters; consumes `key`."""
        return self.anticipator.init(key)

    def sample_batch(self, data: Examples, key: Array, step: Array) -> Batch:
        """B observations; consumes `key`."""
        del step
        rows_key, keys = jax.random.split(key)
        count = self.experiment.train.batch
        rows = jax.random.randint(rows_key, (count,), 0, len(data.label))
        return Batch(jax.tree.map(lambda array: array[rows], data), jax.random.key_data(jax.random.split(keys, count)))

    def loss_and_grad(self, params: Params, batch: Batch, key: Array, step: Array) -> tuple[Array, Params]:
        """The mean over observations and anticipation times, summed over what learns at once, and its gradient."""
        del key  # rows have keys of their own
        return jax.value_and_grad(self._loss)(params, batch, step)

    def measure(self, params: Params, step: int) -> dict[str, Any]:
        """Metrics of the validation observations by anticipation time; the score in the last stage of training."""
        if self.held_out is None:
            return {}
        scores = predict(self._compiled, params, self.held_out.inputs)
        found = metrics.measure(metrics.softmax(scores), self.held_out.label, self.space.components)
        row: dict[str, Any] = {f"validation_{name}": values for name, values in found.items()}
        if step > self.anticipator.last_stage:
            row[SCORE] = 1 - found[self._score_name][self._scored_time]
        return row

    def describe(self, row: Mapping[str, Any]) -> str:
        """Accuracy at each anticipation time."""
        if not self.validates:
            return ""
        name, clock = self._score_name, self.anticipator.clock
        values = " ".join(f"{100 * value:.1f}" for value in row[f"validation_{name}"])
        unit = "of the action seen" if clock.within else "s before the action"
        times = ", ".join(f"{time:g}" for time in clock.times)
        stage = "" if SCORE in row else " (before the last stage of training)"
        return f"  validation: {metrics.TITLES[name]} % {values} at {times} {unit}{stage}"

    def _loss(self, params: Params, batch: Batch, step: Array) -> Array:
        (inputs, label), keys = batch.examples, jax.random.wrap_key_data(batch.keys)
        scores, counts = self.anticipator.train_scores(params, inputs, keys, step)
        labels = jnp.broadcast_to(label[:, None], scores.shape[:-1])
        errors = loss_of_scores(self.experiment.train.loss, self.experiment.labels)(scores, labels)  # [L, B, A]
        return counts @ (errors * jnp.asarray(self.class_weights)[label][:, None]).mean((1, 2))

    @property
    def _score_name(self) -> str:
        chosen = self.experiment.train.score
        return chosen if chosen != "auto" else "top1" if len(self.space.classes) <= FEW_CLASSES else "top5"

    @property
    def _scored_time(self) -> int:
        """The anticipation time next to a second; of early recognition the one half way."""
        times = self.anticipator.clock.times
        wanted = 0.5 if self.anticipator.clock.within else SCORED_S
        return min(range(len(times)), key=lambda number: abs(times[number] - wanted))

    @functools.cached_property
    def _compiled(self) -> jax.stages.Wrapped:
        return jax.jit(self.anticipator.scores)


fit = Anticipation.fit


def predict(scores: Any, params: Params, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
    """Logits `[M, A, C]`, computed in equal parts of which the last is filled up."""
    count = len(inputs[0])
    size = min(count, MOST_AT_ONCE)
    found = []
    for begin in range(0, count, size):
        rows = np.arange(begin, begin + size).clip(max=count - 1)
        found.append(np.asarray(scores(params, tuple(jnp.asarray(array[rows]) for array in inputs))))
    return np.concatenate(found)[:count]
