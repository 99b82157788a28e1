"""Trained models of each task, and what is exported of them."""

from __future__ import annotations

from motion_jax.export.forecasting import of_predictor
from motion_jax.export.labelled import of_anticipator, of_recogniser
from motion_jax.export.program import Exportable
from motion_jax.inference.load import Trained
from motion_jax.inference.predictor import Predictor
from motion_jax.inference.recogniser import Recogniser


def exportable(trained: Trained) -> Exportable:
    """What is exported of a predictor, a recogniser or an anticipator. Raises `UserError` where it cannot be."""
    if isinstance(trained, Predictor):
        return of_predictor(trained)
    return of_recogniser(trained) if isinstance(trained, Recogniser) else of_anticipator(trained)
