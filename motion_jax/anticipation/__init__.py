"""Anticipation: which of C actions comes next? Anticipators by name, with the fields that each reads."""

from __future__ import annotations

from motion_jax.anticipation import ru_lstm
from motion_jax.anticipation.anticipator import Anticipator
from motion_jax.config import Experiment
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.registry import Entry, Registry

REGISTRY: Registry[LabelSpace, Anticipator] = Registry("anticipation")
register = REGISTRY.register


register("ru_lstm", Entry(ru_lstm.RuLstmConfig, ru_lstm.make))


def make(experiment: Experiment, space: LabelSpace) -> Anticipator:
    """The anticipator that `experiment.model` describes. Raises `UserError` where it cannot serve this space."""
    return REGISTRY.make(experiment, space)
