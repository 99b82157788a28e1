"""Bi-LSTM over windows of sensors: the action recogniser of Keras's layers.

Three bidirectional LSTM layers of 32, the first two read on frame by frame; of the third the last states of both
directions (that of the backward one is of the first frame), dropout of 0.5, an affine layer and a softmax. As it was
taught it reads windows of 240 frames of an Xsens suit at 240 Hz (`labels.window=240`) of eight classes of manual work,
and is trained with Adam. Optionally every layer's outputs are normalised, over the batch or over their own channels.
Keras begins with a forget gate's bias of 1 and Glorot weights; here all layers begin as PyTorch's do.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax

from motion_jax.config import Experiment, ModelConfig, at_least, one_of
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.nn.cells import CELLS, LSTMParams
from motion_jax.nn.deferred_grad import compute_of, product
from motion_jax.nn.dense import Dense, dense_weights, init_dense
from motion_jax.nn.dropout import check_rate, dropout
from motion_jax.nn.norm import BatchNorm, LayerNorm, batch_norm, init_batch_norm, init_layer_norm, layer_norm
from motion_jax.nn.scans import init_layer, scan_layer
from motion_jax.recognition.classifier import Classifier
from motion_jax.recognition.over_time import time_first
from motion_jax.types import Array

CELL = CELLS["lstm"]
NORMS = ("none", "batch", "layer")


@dataclasses.dataclass(frozen=True)
class BiLstmConfig(ModelConfig):
    """The fields of `bi_lstm`."""

    name: str = "bi_lstm"
    hidden: int = 32  # H, of each direction
    layers: int = 3
    dropout: float = 0.5  # behind the last layer
    norm: str = "none"  # of each layer's outputs: one of NORMS

    TASK = "recognition"

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        at_least("model.layers", self.layers, 1)
        check_rate("model.dropout", self.dropout)
        one_of("model.norm", self.norm, NORMS)


class BiLstmParams(NamedTuple):
    """Parameters, bottom first."""

    layers: tuple[LSTMParams, ...]  # two directions stacked, [2, ...]
    norms: tuple[BatchNorm | LayerNorm, ...]  # of 2 H channels; none without normalisation
    read_out: Dense  # 2 H -> C


def make(config: BiLstmConfig, experiment: Experiment, space: LabelSpace) -> Classifier:
    """The network over all columns of `space`."""
    hidden, compute = config.hidden, compute_of(experiment.compute)

    def init(key: Array) -> BiLstmParams:
        *keys, last = jax.random.split(key, config.layers + 1)
        inputs = (space.width,) + (2 * hidden,) * (config.layers - 1)
        layers = tuple(init_layer(k, CELL, i, hidden, bidirectional=True) for k, i in zip(keys, inputs, strict=True))
        norms: tuple[BatchNorm | LayerNorm, ...] = ()
        if config.norm != "none":
            norms = tuple((init_batch_norm if config.norm == "batch" else init_layer_norm)(2 * hidden) for _ in layers)
        return BiLstmParams(layers, norms, init_dense(last, 2 * hidden, len(space.classes)))

    def encoded(params: BiLstmParams, x: Array, mask: Array, train: bool) -> tuple[Array, BiLstmParams]:
        """The last states `[B, 2 H]`, normalised, and the parameters with new running statistics."""
        x, mask = time_first(x, mask)
        norms = []
        for number, layer in enumerate(params.layers):
            weights = CELL.weights(layer, compute)
            state, x = scan_layer(CELL, weights, x, hidden, bidirectional=True, concatenate=True, mask=mask)
            last = number == config.layers - 1
            x = state.h if last else x
            if params.norms:
                x, norm = _normalised(params.norms[number], x, train, None if last else mask)
                norms.append(norm)
        return x, params._replace(norms=tuple(norms))

    def read(params: BiLstmParams, h: Array) -> Array:
        return product(h, dense_weights(params.read_out, compute))

    def scores(params: BiLstmParams, frames: Array, mask: Array) -> Array:
        return read(params, encoded(params, frames, mask, False)[0])

    def train_outputs(
        params: BiLstmParams, frames: Array, mask: Array, keys: Array
    ) -> tuple[Array, Array, BiLstmParams]:
        h, new = encoded(params, frames, mask, True)
        h = dropout(keys, 0, config.dropout, h)
        return read(params, h), h, new

    def train_scores(params: BiLstmParams, frames: Array, mask: Array, keys: Array) -> tuple[Array, BiLstmParams]:
        logits, _, new = train_outputs(params, frames, mask, keys)
        return logits, new

    def embed(params: BiLstmParams, frames: Array, mask: Array) -> Array:
        return encoded(params, frames, mask, False)[0]

    trains = config.dropout or config.norm == "batch"
    return Classifier(
        init,
        scores,
        train_scores if trains else None,
        embed,
        train_outputs,
        whole_batch=config.norm == "batch",
    )


def _normalised(
    norm: BatchNorm | LayerNorm, x: Array, train: bool, mask: Array | None
) -> tuple[Array, BatchNorm | LayerNorm]:
    if isinstance(norm, BatchNorm):
        return batch_norm(norm, x, train, mask)
    return layer_norm(norm, x), norm
