"""Res. sup.: the residual recurrent encoder-decoder without attention.

Source: Martinez, Black, Romero, *On human motion prediction using recurrent neural networks*, CVPR 2017, sections 3 and
4; rows "Res. sup." of the thesis's Tables 8-15. It is the thesis's network without attention, with one more choice:
`model.tied`, by which encoder and decoder are one cell. What else varies in the paper are fields of the config:
`model.residual`; the action code, `data.one_hot`; one action, `data.actions`; its sampling-based loss is
`train.teacher_forcing` 0.

Departures: where `model.residual`, the read-out begins at zero (the authors' code draws it from U(-0.04, 0.04)), and
the other weights are drawn as in all networks here; the authors' are those of TensorFlow 1.
"""

from __future__ import annotations

import dataclasses

from motion_jax.config import Experiment, ModelConfig
from motion_jax.models import seq2seq
from motion_jax.models.seq2seq import Seq2SeqConfig, Seq2SeqParams, Seq2SeqWeights
from motion_jax.nn.decoder import DecoderParams, DecoderWeights
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model


@dataclasses.dataclass(frozen=True)
class ResSupConfig(ModelConfig):
    """The fields of `res_sup`."""

    name: str = "res_sup"
    hidden: int = 1024  # H
    layers: int = 1
    cell: str = "gru"
    residual: bool = True  # the read-out is added to the last frame
    tied: bool = True  # encoder and decoder share one cell

    def __post_init__(self) -> None:
        self.untied()

    def untied(self) -> Seq2SeqConfig:
        """The same network with a cell each. Raises `UserError` for an impossible field."""
        return Seq2SeqConfig(
            hidden=self.hidden, layers=self.layers, cell=self.cell, residual=self.residual, attention="none"
        )


def make(config: ResSupConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """Tied, the parameters are those of the decoder alone; else those of seq2seq."""
    untied = seq2seq.make(config.untied(), experiment, space)
    return _tie(untied) if config.tied else untied


def _tie(untied: Model) -> Model:
    """The encoder's cells are the decoder's: without attention both read frames alone, so the shapes agree."""

    def init(key: Array) -> DecoderParams:
        return untied.init(key).decoder

    def prepare(params: DecoderParams) -> DecoderWeights:
        assert untied.prepare is not None
        return untied.prepare(Seq2SeqParams((), params)).decoder

    def apply(params: DecoderParams | DecoderWeights, history: Array, future: Array, forced: Array) -> Array:
        weights = params if isinstance(params, DecoderWeights) else prepare(params)
        return untied.apply(Seq2SeqWeights(weights.layers, weights), history, future, forced)

    return Model(init, apply, prepare=prepare)
