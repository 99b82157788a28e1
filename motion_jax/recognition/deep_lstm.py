"""Deep LSTM with co-occurrence regularisation and in-depth dropout.

Source: Zhu, Lan, Xing, Zeng, Li, Shen and Xie, "Co-occurrence feature learning for skeleton based action recognition
using regularized deep LSTM networks", AAAI 2016. Three bidirectional LSTM layers, with a feed-forward layer between
each two of them; an affine layer gives scores of every frame, which are summed over time, and a softmax makes them
probabilities. Each layer reads all columns, and two terms of the loss let it find which belong together: over the
weights from inputs to each of the four gates, their L1 norm, and, of the units in K groups, for each group and input
the L2 norm of the group's weights, summed: a group then reads few inputs, and all its units the same.

What is ours, because the paper's text was not at hand: the sizes (but for 100 units), tanh in the feed-forward layers,
no peepholes, that the terms are taken of all three layers and of each direction, and the rates of dropout. "Simple"
dropout, the paper's comparison, is on the outputs of the last LSTM layer.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment, ModelConfig, at_least, at_most, one_of
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.geometry.rotations import safe_norm
from motion_jax.nn.cells import CELLS, CellWeights, LSTMParams
from motion_jax.nn.deferred_grad import compute_of, product, tanh
from motion_jax.nn.dense import Dense, dense_weights, init_dense
from motion_jax.nn.dropout import check_rate, dropout
from motion_jax.nn.in_depth_dropout import SITES, in_depth_dropout
from motion_jax.nn.scans import bidirectional_scan, init_layer, scan_layer
from motion_jax.recognition.classifier import Classifier
from motion_jax.recognition.over_time import mean_output, sum_scores, time_first
from motion_jax.types import Array

CELL = CELLS["lstm"]
GATES = 4
DROPOUTS = ("in_depth", "simple")


@dataclasses.dataclass(frozen=True)
class DeepLstmConfig(ModelConfig):
    """The fields of `deep_lstm`."""

    name: str = "deep_lstm"
    hidden: int = 100  # H, of each direction of the LSTM layers
    feed_forward: int = 100  # units of the layers between them
    dropout: float = 0.5  # in the last LSTM layer; 0: none
    dropout_kind: str = "in_depth"  # of DROPOUTS
    l1: float = 1e-4  # weight of the L1 norm; 0: without
    l21: float = 1e-4  # weight of the grouped L21 norm; 0: without
    groups: int = 10  # K, of ceil(H / K) units each; the last ones may have fewer

    TASK = "recognition"

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        at_least("model.feed_forward", self.feed_forward, 1)
        check_rate("model.dropout", self.dropout)
        one_of("model.dropout_kind", self.dropout_kind, DROPOUTS)
        if self.dropout_kind != DeepLstmConfig.dropout_kind and not self.dropout:
            raise UserError(f"model.dropout_kind={self.dropout_kind!r}: nothing reads it where model.dropout=0")
        at_least("model.l1", self.l1, 0)
        at_least("model.l21", self.l21, 0)
        at_least("model.groups", self.groups, 1)
        at_most("model.groups", self.groups, "model.hidden", self.hidden)
        if self.groups != DeepLstmConfig.groups and not self.l21:
            raise UserError(f"model.groups={self.groups}: nothing reads it where model.l21=0")


class DeepLstmParams(NamedTuple):
    """Parameters, bottom first."""

    layers: tuple[LSTMParams, LSTMParams, LSTMParams]  # two directions stacked, [2, ...]
    between: tuple[Dense, Dense]  # 2 H -> F
    read_out: Dense  # 2 H -> C


def make(config: DeepLstmConfig, experiment: Experiment, space: LabelSpace) -> Classifier:
    """The network over all columns of `space`."""
    hidden, compute = config.hidden, compute_of(experiment.compute)

    def init(key: Array) -> DeepLstmParams:
        keys = jax.random.split(key, 6)
        first, *upper = (
            init_layer(k, CELL, inputs, hidden, bidirectional=True)
            for k, inputs in zip(keys[:3], (space.width, config.feed_forward, config.feed_forward), strict=True)
        )
        one, two = (init_dense(k, 2 * hidden, config.feed_forward) for k in keys[3:5])
        return DeepLstmParams((first, *upper), (one, two), init_dense(keys[5], 2 * hidden, len(space.classes)))

    def outputs(params: DeepLstmParams, x: Array, mask: Array, keys: Array | None) -> Array:
        """Those of the last layer, `[T, B, 2 H]`; `keys` of dropout, None in prediction."""
        *lower, last = (CELL.weights(layer, compute) for layer in params.layers)
        for weights, dense in zip(lower, params.between, strict=True):
            _, y = scan_layer(CELL, weights, x, hidden, bidirectional=True, concatenate=True, mask=mask)
            x = tanh(product(y, dense_weights(dense, compute)))
        if keys is not None and config.dropout and config.dropout_kind == "in_depth":
            return _in_depth(last, x, mask, keys, hidden, config.dropout)
        _, y = scan_layer(CELL, last, x, hidden, bidirectional=True, concatenate=True, mask=mask)
        return dropout(keys, 0, config.dropout, y, axis=1)

    def scores(params: DeepLstmParams, frames: Array, mask: Array) -> Array:
        x, mask = time_first(frames, mask)
        return sum_scores(params.read_out, outputs(params, x, mask, None), mask, compute)

    def train_outputs(
        params: DeepLstmParams, frames: Array, mask: Array, keys: Array
    ) -> tuple[Array, Array, DeepLstmParams]:
        x, mask = time_first(frames, mask)
        y = outputs(params, x, mask, keys)
        return sum_scores(params.read_out, y, mask, compute), mean_output(y, mask), params

    def train_scores(params: DeepLstmParams, frames: Array, mask: Array, keys: Array) -> tuple[Array, DeepLstmParams]:
        return train_outputs(params, frames, mask, keys)[0], params

    def embed(params: DeepLstmParams, frames: Array, mask: Array) -> Array:
        x, mask = time_first(frames, mask)
        return mean_output(outputs(params, x, mask, None), mask)

    def penalty(params: DeepLstmParams) -> Array:
        terms = [co_occurrence(layer.w_input[d], config.l1, config.l21, config.groups)
                 for layer in params.layers for d in (0, 1)]  # fmt: skip
        return jnp.sum(jnp.stack(terms))

    return Classifier(
        init,
        scores,
        train_scores if config.dropout else None,
        embed,
        train_outputs,
        penalty if config.l1 or config.l21 else None,
    )


def _in_depth(weights: CellWeights, x: Array, mask: Array, keys: Array, hidden: int, rate: float) -> Array:
    """The last layer with in-depth dropout, `[T, B, 2 H]`."""
    zeros = CELL.zeros((2, x.shape[1], hidden), x.dtype)
    _, states = bidirectional_scan(CELL, weights, x, zeros, mask=mask, emit=lambda state: state)
    one, two = (jax.tree.map(lambda leaf, d=d: leaf[d], weights) for d in (0, 1))
    forward = in_depth_dropout(one, x, states[0], keys, 0, rate, reverse=False)
    backward = in_depth_dropout(two, x, states[1], keys, SITES, rate, reverse=True)
    return jnp.concatenate([forward, backward], axis=-1)


def co_occurrence(w_input: Array, l1: float, l21: float, groups: int) -> Array:
    """`[]` l1 sum |w| + l21 sum over gates, groups and inputs of the L2 norm of the group's weights.

    Args:
        w_input: `[I, 4 H]` from inputs to gates side by side.
        l1: weight of the first term.
        l21: weight of the second.
        groups: K, of ceil(H / K) units each, in order; the last ones may have fewer or none.
    """
    inputs, hidden = w_input.shape[0], w_input.shape[1] // GATES
    size = math.ceil(hidden / groups)
    by_gate = jnp.pad(w_input.reshape(inputs, GATES, hidden), ((0, 0), (0, 0), (0, groups * size - hidden)))
    norms = safe_norm(by_gate.reshape(inputs, GATES, groups, size))
    return l1 * jnp.sum(jnp.abs(w_input)) + l21 * jnp.sum(norms)
