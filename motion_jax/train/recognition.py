"""Recognition as a task: examples of labelled segments, the configured loss, and what a report measures.

Reports measure the validation examples. Their score, which chooses the checkpoint and ends a run without progress
(`train.patience`), is by `train.score`: one minus the accuracy of examples ("auto", "accuracy"), of another metric of
`evaluation/classification.py` likewise, or the log loss as it is. Test sequences are not measured in training.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import Experiment, one_of
from motion_jax.data.labelled.examples import (
    Examples,
    LabelledBatch,
    Packed,
    check_step,
    gather,
    make_examples,
    sample_examples,
)
from motion_jax.data.labelled.modalities import label_space
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.evaluation.classification import EMBEDDED, LOWER_IS_BETTER, TITLES, measure
from motion_jax.recognition import make, scores_in_parts
from motion_jax.recognition.classifier import Classifier
from motion_jax.recognition.losses import Loss, make_loss
from motion_jax.train.labelled import LabelledTask
from motion_jax.train.step import replace_running
from motion_jax.train.task import SCORE
from motion_jax.types import Array, Params, RateScales


@dataclasses.dataclass(frozen=True, eq=False)
class Recognition(LabelledTask):
    """The `Task` of telling which class an example shows (see `train/task.py` for each member)."""

    experiment: Experiment
    classifier: Classifier
    space: LabelSpace
    loss: Loss
    examples: Examples  # of training
    data_key: str
    held_out: Examples | None
    rate_scales: RateScales | None = None

    @classmethod
    def of(cls, experiment: Experiment, dataset: LabelledSet) -> Recognition:
        """The task of `experiment` on `dataset`.

        Raises:
            UserError: an unknown score, a network that cannot serve the inputs, a loss that it cannot be taught by,
                nothing to train on, or a class without a training segment.
        """
        labels, training = experiment.labels, dataset.split("train")
        check_step(training, labels)
        space = label_space(dataset, training, labels)
        classifier = make(experiment, space)
        examples = make_examples(training, space, labels, dataset.fps)
        counts = examples.counts(len(space.classes))
        if missing := [name for name, count in zip(space.classes, counts, strict=True) if not count]:
            raise UserError(f"data set {dataset.name!r}: no training segment of class {', '.join(missing)}")
        loss = make_loss(experiment.train.loss, labels, counts)
        if loss.embeds and classifier.embed is None:
            raise UserError(
                f"train.loss={experiment.train.loss!r}: model {experiment.model.name!r} has no embedding to teach"
            )
        scores = [name for name in TITLES if loss.embeds or name not in EMBEDDED]
        one_of("train.score", experiment.train.score, ("auto", *scores))
        validation = [sequence for sequence in dataset.split("validation") if sequence.segments]
        held_out = make_examples(validation, space, labels, dataset.fps) if validation else None
        return cls(experiment, classifier, space, loss, examples, dataset.key, held_out)

    @property
    def data(self) -> Packed:
        """Frames of the training sequences, and where examples lie in them."""
        return self.examples.packed

    @property
    def whole_batch(self) -> bool:
        """Of batch statistics, and of losses that compare examples."""
        return self.classifier.whole_batch or self.loss.whole_batch

    def init(self, key: Array) -> Params:
        """The classifier's parameters; consumes `key`."""
        return self.classifier.init(key)

    def sample_batch(self, data: Packed, key: Array, step: Array) -> LabelledBatch:
        """B examples of one bucket; consumes `key`."""
        del step
        return sample_examples(self.examples, data, key, self.experiment.train.batch)

    def loss_and_grad(self, params: Params, batch: LabelledBatch, key: Array, step: Array) -> tuple[Array, Params]:
        """The configured loss and the model's penalty, computed on as many frames as the batch's bucket has."""
        del key, step  # rows have keys of their own

        def of_length(length: int, params: Params, batch: LabelledBatch) -> tuple[Array, Params]:
            short = batch._replace(frames=batch.frames[:, :length], mask=batch.mask[:, :length])
            (loss, moved), grad = jax.value_and_grad(self._loss, has_aux=True)(params, short)
            return loss, replace_running(grad, moved)

        branches = [functools.partial(of_length, length) for length in self.examples.lengths]
        return jax.lax.switch(batch.bucket[0], branches, params, batch)

    def measure(self, params: Params, step: int) -> dict[str, Any]:
        """Metrics of the validation examples, and the score."""
        del step
        if self.held_out is None:
            return {}
        found = evaluate(self._outputs, params, self.held_out, self.experiment.eval.batch)[0]
        row: dict[str, Any] = {f"validation_{name}": value for name, value in found.items()}
        value = found[self._score_name]
        row[SCORE] = value if self._score_name in LOWER_IS_BETTER else 1 - value
        return row

    def describe(self, row: Mapping[str, Any]) -> str:
        """The metrics in a line."""
        if not self.validates:
            return ""
        parts = []
        for name, title in TITLES.items():
            if (value := row.get(f"validation_{name}")) is not None:
                parts.append(f"{title} {value:.3f}" if name in LOWER_IS_BETTER else f"{title} {100 * value:.1f}%")
        return f"  validation: {', '.join(parts)}"

    def _loss(self, params: Params, batch: LabelledBatch) -> tuple[Array, Params]:
        moved, embeddings, model = params, None, self.classifier
        keys = jax.random.wrap_key_data(batch.keys)
        if self.loss.embeds and model.train_outputs:
            logits, embeddings, moved = model.train_outputs(params, batch.frames, batch.mask, keys)
        elif model.train_scores:
            logits, moved = model.train_scores(params, batch.frames, batch.mask, keys)
        else:
            logits = model.scores(params, batch.frames, batch.mask)
        if self.loss.embeds and embeddings is None:
            assert model.embed
            embeddings = model.embed(params, batch.frames, batch.mask)
        loss = self.loss.of_batch(logits, embeddings, batch.label)
        return loss + model.penalty(params) if model.penalty else loss, moved

    @property
    def _score_name(self) -> str:
        chosen = self.experiment.train.score
        return "accuracy" if chosen == "auto" else chosen

    @functools.cached_property
    def _outputs(self) -> Outputs:
        return Outputs.of(self.classifier, self.experiment, self.loss.embeds)


fit = Recognition.fit


@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """What a classifier gives of packed examples, compiled once for each bucket."""

    compiled: Any  # (params, packed, rows [B], length) -> probabilities [B, C], embeddings [B, E] or None

    @classmethod
    def of(cls, classifier: Classifier, experiment: Experiment, embeds: bool) -> Outputs:
        """`embeds`: embeddings too."""
        scores = scores_in_parts(classifier, experiment)

        @functools.partial(jax.jit, static_argnums=3)
        def outputs(params: Params, packed: Packed, rows: Array, length: int) -> tuple[Array, Array | None]:
            frames, mask = gather(packed, rows, length)
            found = jax.nn.softmax(scores(params, frames, mask), axis=-1)
            return found, classifier.embed(params, frames, mask) if embeds and classifier.embed else None

        return cls(outputs)

    def __call__(self, params: Params, examples: Examples, batch: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Probabilities `[M, C]` and embeddings `[M, E]` (or None), in calls of at most `batch` examples."""
        probabilities, embeddings, begin = [], [], 0
        for length, end in zip(examples.lengths, examples.until, strict=True):
            calls = -(-(end - begin) // batch)
            size = -(-(end - begin) // calls)
            for start in range(begin, end, size):
                rows = jnp.minimum(jnp.arange(start, start + size), end - 1)  # the last fills up
                count = min(size, end - start)
                found, places = self.compiled(params, examples.packed, rows, length)
                probabilities.append(np.asarray(found)[:count])
                embeddings += [] if places is None else [np.asarray(places)[:count]]
            begin = end
        return np.concatenate(probabilities), np.concatenate(embeddings) if embeddings else None


def evaluate(outputs: Outputs, params: Params, examples: Examples, batch: int) -> tuple[dict[str, float], np.ndarray]:
    """Metrics by name, and the probabilities `[M, C]` that they are of."""
    probabilities, embeddings = outputs(params, examples, batch)
    return measure(probabilities, examples.label, examples.segment, embeddings), probabilities
