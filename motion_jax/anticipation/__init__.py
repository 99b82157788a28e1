"""Anticipation: which of C actions comes next? Anticipators by name, with the fields that each reads."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from motion_jax.anticipation import ru_lstm
from motion_jax.anticipation.anticipator import Anticipator
from motion_jax.config import MODEL_CONFIGS, Experiment, ModelConfig
from motion_jax.data.labelled.space import LabelSpace


class Make(Protocol):
    """An anticipator of its own fields (an instance of `Entry.fields`), the whole experiment, and the label space."""

    def __call__(self, config: Any, experiment: Experiment, space: LabelSpace, /) -> Anticipator: ...  # noqa: D102


class Entry(NamedTuple):
    """An anticipator's own fields, and how it is made of them."""

    fields: type[ModelConfig]
    make: Make


REGISTRY: dict[str, Entry] = {}


def register(name: str, entry: Entry) -> None:
    """Adds an anticipator under a name that no model has."""
    assert name not in MODEL_CONFIGS, name
    assert entry.fields.TASK == "anticipation", name
    REGISTRY[name] = entry
    MODEL_CONFIGS[name] = entry.fields


def make(experiment: Experiment, space: LabelSpace) -> Anticipator:
    """The anticipator that `experiment.model` describes. Raises `UserError` where it cannot serve this space."""
    return REGISTRY[experiment.model.name].make(experiment.model, experiment, space)


register("ru_lstm", Entry(ru_lstm.RuLstmConfig, ru_lstm.make))
