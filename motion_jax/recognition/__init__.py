"""Recognition: which of C classes does a sequence show? Classifiers by name, with the fields that each reads."""

from __future__ import annotations

from typing import Any

import jax

from motion_jax.config import Experiment
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.recognition import bi_lstm, deep_lstm, hbrnn
from motion_jax.recognition.classifier import Classifier, Scores
from motion_jax.registry import Entry, Registry
from motion_jax.runtime.devices import merge_microbatches, num_microbatches, split_microbatches
from motion_jax.types import Array

REGISTRY: Registry[LabelSpace, Classifier] = Registry("recognition")
register = REGISTRY.register

register("hbrnn", Entry(hbrnn.HbrnnConfig, hbrnn.make))
register("deep_lstm", Entry(deep_lstm.DeepLstmConfig, deep_lstm.make))
register("bi_lstm", Entry(bi_lstm.BiLstmConfig, bi_lstm.make))


def make(experiment: Experiment, space: LabelSpace) -> Classifier:
    """The classifier that `experiment.model` describes. Raises `UserError` where it cannot serve this space."""
    return REGISTRY.make(experiment, space)


def scores_in_parts(classifier: Classifier, experiment: Experiment) -> Scores:
    """`classifier.scores` for prediction, to be traced: a CPU computes a large batch part after part.

    What a step over time reads of few sequences stays in a core's own cache (see `runtime/devices.py`).
    """

    def scores(params: Any, frames: Array, mask: Array, /) -> Array:
        count = num_microbatches(len(frames), experiment)
        if count == 1:
            return classifier.scores(params, frames, mask)
        parts = split_microbatches((frames, mask), count)
        return merge_microbatches(jax.lax.map(lambda part: classifier.scores(params, *part), parts))

    return scores
