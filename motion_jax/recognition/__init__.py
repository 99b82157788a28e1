"""Recognition: which of C classes does a sequence show? Classifiers by name, with the fields that each reads."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from motion_jax.config import MODEL_CONFIGS, Experiment, ModelConfig
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.recognition import bi_lstm, deep_lstm, hbrnn
from motion_jax.recognition.classifier import Classifier


class Make(Protocol):
    """A classifier of its own fields (an instance of `Entry.fields`), the whole experiment, and the label space."""

    def __call__(self, config: Any, experiment: Experiment, space: LabelSpace, /) -> Classifier: ...  # noqa: D102


class Entry(NamedTuple):
    """A classifier's own fields, and how it is made of them."""

    fields: type[ModelConfig]
    make: Make


REGISTRY: dict[str, Entry] = {}


def register(name: str, entry: Entry) -> None:
    """Adds a classifier under a name that no model has."""
    assert name not in MODEL_CONFIGS, name
    assert entry.fields.TASK == "recognition", name
    REGISTRY[name] = entry
    MODEL_CONFIGS[name] = entry.fields


register("hbrnn", Entry(hbrnn.HbrnnConfig, hbrnn.make))
register("deep_lstm", Entry(deep_lstm.DeepLstmConfig, deep_lstm.make))
register("bi_lstm", Entry(bi_lstm.BiLstmConfig, bi_lstm.make))


def make(experiment: Experiment, space: LabelSpace) -> Classifier:
    """The classifier that `experiment.model` describes. Raises `UserError` where it cannot serve this space."""
    return REGISTRY[experiment.model.name].make(experiment.model, experiment, space)
