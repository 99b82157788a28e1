"""The thesis's model: a recurrent encoder and an attention decoder.

Source: *Attention Mechanism for Human Motion Prediction* (2020), chapters 3 and 4. Its rows Uni-Enc-50, Bi-Enc-50,
Uni-Enc-0 and Uni-Enc-100 (Tables 8-15) are fields of the config: `bidirectional` and `train.teacher_forcing`.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment, ModelConfig, at_least, one_of
from motion_jax.errors import UserError
from motion_jax.nn.attention import ATTENTIONS, Sizes
from motion_jax.nn.cells import CELLS, CellWeights
from motion_jax.nn.decoder import (
    Decoder,
    DecoderInputs,
    DecoderParams,
    DecoderWeights,
    decode,
    decoder_weights,
    init_decoder,
)
from motion_jax.nn.deferred_grad import compute_of
from motion_jax.nn.scans import encode, init_layers
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model

OUTPUTS = ("hidden", "full", "combine")


@dataclasses.dataclass(frozen=True)
class Seq2SeqConfig(ModelConfig):
    """The fields of `seq2seq`."""

    name: str = "seq2seq"
    hidden: int = 1024  # H
    layers: int = 1
    bidirectional: bool = False  # of the encoder
    cell: str = "gru"
    attention: str = "additive"  # "none", or a key of `nn.attention.ATTENTIONS`
    heads: int = 4  # of multi_head attention
    output: str = "hidden"  # what the read-out reads: "hidden", "full", or as "combine" does
    residual: bool = True  # the read-out is added to the last frame

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        at_least("model.layers", self.layers, 1)
        at_least("model.heads", self.heads, 1)
        one_of("model.cell", self.cell, CELLS)
        one_of("model.attention", self.attention, ("none", *ATTENTIONS))
        one_of("model.output", self.output, OUTPUTS)
        if self.attention == "multi_head" and self.hidden % self.heads:
            raise UserError(f"model.heads={self.heads} must divide model.hidden={self.hidden}")


class Seq2SeqParams(NamedTuple):
    """Encoder layers (with a leading axis of 2 when bidirectional) and the decoder."""

    encoder: tuple
    decoder: DecoderParams


class Seq2SeqWeights(NamedTuple):
    """The parameters as what products read: what `prepare` makes, and what a call makes of bare parameters."""

    encoder: tuple[CellWeights, ...]
    decoder: DecoderWeights


def make(config: Seq2SeqConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The encoder reads the first S-1 observed frames, the decoder starts from the last one (Martinez 2017)."""
    cell = CELLS[config.cell]
    decoder = Decoder(cell, ATTENTIONS.get(config.attention), config.output, config.residual)
    compute = compute_of(experiment.compute)
    sizes = Sizes(space.width, config.hidden, experiment.data.source_length - 1, config.heads)

    def init(key: Array) -> Seq2SeqParams:
        encoder_key, decoder_key = jax.random.split(key)
        return Seq2SeqParams(
            init_layers(encoder_key, cell, sizes.inputs, sizes.hidden, config.layers,
                        bidirectional=config.bidirectional),
            init_decoder(decoder_key, decoder, sizes, config.layers),
        )  # fmt: skip

    def prepare(params: Seq2SeqParams) -> Seq2SeqWeights:
        encoder = tuple(cell.weights(layer, compute) for layer in params.encoder)
        return Seq2SeqWeights(encoder, decoder_weights(decoder, params.decoder, compute))

    def attend(
        params: Seq2SeqParams | Seq2SeqWeights, history: Array, future: Array, forced: Array
    ) -> tuple[Array, Array | None]:
        weights = params if isinstance(params, Seq2SeqWeights) else prepare(params)
        observed = jnp.swapaxes(history, 0, 1)  # time first: a scan walks the leading axis
        states, encoded = encode(cell, weights.encoder, observed[:-1], sizes.hidden, bidirectional=config.bidirectional)
        teacher = jnp.concatenate([observed[-1:], jnp.swapaxes(future, 0, 1)[:-1]])
        inputs = DecoderInputs(teacher, jnp.swapaxes(forced, 0, 1))
        frames, alignment = decode(decoder, weights.decoder, states, jnp.swapaxes(encoded, 0, 1), observed[-1], inputs)
        return jnp.swapaxes(frames, 0, 1), None if alignment is None else jnp.swapaxes(alignment, 0, 1)

    def apply(params: Seq2SeqParams | Seq2SeqWeights, history: Array, future: Array, forced: Array) -> Array:
        return attend(params, history, future, forced)[0]

    return Model(init, apply, attend if decoder.attention else None, prepare=prepare)
