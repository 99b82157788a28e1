"""AGED: a residual encoder-decoder whose loss is also that of two discriminators of whole sequences.

Source: Gui, Wang, Liang and Moura, "Adversarial geometry-aware human motion prediction", ECCV 2018. In the thesis: the
rows "AGED w/ adv+geo" (Tables 8-15). The paper's other rows are fields: without adversaries `model.adversarial = 0`,
without geodesic loss `train.loss = "mse"`.

The predictor is a GRU encoder and a GRU decoder of their own, with residual connections (`seq2seq` without attention).
The fidelity discriminator sees predicted frames alone, the continuity discriminator observed and predicted frames; each
is a GRU whose last state a linear layer reads. What could not be checked against the paper: their sizes (here those of
the predictor), the optimiser, the weight of 0.6, and the form of the adversarial loss. Here the predictor minimises
-log D(prediction), which has a gradient where D is sure, in place of log(1 - D(prediction)).

The discriminators read the kept columns without the action. A geodesic loss teaches nothing about the root's
translation: only they do. The action's outputs get no gradient and stay as they were observed.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment, ModelConfig, at_least
from motion_jax.losses import make_loss
from motion_jax.models import seq2seq
from motion_jax.models.seq2seq import Seq2SeqConfig, Seq2SeqParams, Seq2SeqWeights
from motion_jax.nn.cells import CELLS
from motion_jax.nn.deferred_grad import Compute, compute_of, product
from motion_jax.nn.dense import Dense, dense_weights, init_dense
from motion_jax.nn.scans import encode
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

CELL = CELLS["gru"]


class Discriminator(NamedTuple):
    """A recurrent network over a sequence, and what its last state says."""

    layer: Params  # of CELL
    verdict: Dense  # H -> 1: the logit of "this was recorded"


class Discriminators(NamedTuple):
    """The two discriminators."""

    fidelity: Discriminator  # of predicted frames
    continuity: Discriminator  # of observed and predicted frames


class AGEDParams(NamedTuple):
    """Both players; `judges`, the discriminators, is None without adversaries."""

    predictor: Seq2SeqParams
    judges: Discriminators | None  # the name that checkpoints know them by


@dataclasses.dataclass(frozen=True)
class AgedConfig(ModelConfig):
    """The fields of `aged`."""

    name: str = "aged"
    hidden: int = 1024  # H, of the predictor and the discriminators
    layers: int = 1  # of the predictor
    cell: str = "gru"  # of the predictor
    adversarial: float = 0.6  # weight of what the discriminators say; 0: none

    def __post_init__(self) -> None:
        self.predictor()
        at_least("model.adversarial", self.adversarial, 0)

    def predictor(self) -> Seq2SeqConfig:
        """The network that predicts. Raises `UserError` for an impossible field."""
        return Seq2SeqConfig(hidden=self.hidden, layers=self.layers, cell=self.cell, attention="none")


def make(config: AgedConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The predictor's forward pass; `loss_and_grad` holds the gradients of both players, for one optimiser."""
    predictor = seq2seq.make(config.predictor(), experiment, space)
    assert predictor.prepare is not None
    prepare_predictor = predictor.prepare
    loss, compute = make_loss(experiment.train.loss, space), compute_of(experiment.compute)

    def init(key: Array) -> AGEDParams:
        predictor_key, discriminators_key = jax.random.split(key)
        discriminators = (
            init_discriminators(discriminators_key, len(space.kept), config.hidden) if config.adversarial else None
        )
        return AGEDParams(predictor.init(predictor_key), discriminators)

    def prepare(params: AGEDParams) -> Seq2SeqWeights:
        return prepare_predictor(params.predictor)

    def apply(params: AGEDParams | Seq2SeqWeights, history: Array, future: Array, forced: Array) -> Array:
        weights = prepare(params) if isinstance(params, AGEDParams) else params
        return predictor.apply(weights, history, future, forced)

    def loss_and_grad(
        params: AGEDParams, batch: Batch, forced: Array, key: Array, step: Array
    ) -> tuple[Array, AGEDParams]:
        """The loss is the predictor's. A global clipping norm sees the gradients of both players."""
        del key, step

        def both(params: AGEDParams) -> tuple[Array, Array]:
            assert params.judges is not None
            prediction = apply(params, batch.history, batch.future, forced)
            seen = _poses(batch, space)
            guess = prediction[..., : len(space.kept)]
            own = loss(prediction, batch.future, batch.last)
            own += config.adversarial * generator_loss(
                jax.lax.stop_gradient(params.judges), seen.history, guess, compute
            )
            return own + discriminator_loss(params.judges, seen, jax.lax.stop_gradient(guess), compute), own

        (_, own), gradient = jax.value_and_grad(both, has_aux=True)(params)
        return own, gradient

    return Model(init, apply, loss_and_grad=loss_and_grad if config.adversarial else None, prepare=prepare)


def init_discriminators(key: Array, inputs: int, hidden: int) -> Discriminators:
    """Fresh discriminators of frames of `inputs` columns; consumes `key`."""

    def init(key: Array) -> Discriminator:
        layer_key, verdict_key = jax.random.split(key)
        return Discriminator(CELL.init(layer_key, inputs, hidden), init_dense(verdict_key, hidden, 1))

    return Discriminators(*(init(k) for k in jax.random.split(key)))


def discriminate(params: Discriminator, sequence: Array, compute: Compute) -> Array:
    """Sequences `[B, L, P]` to the logits `[B]` of being recorded."""
    hidden = params.verdict.w.shape[0]
    weights = (CELL.weights(params.layer, compute),)
    (last,), _ = encode(CELL, weights, jnp.swapaxes(sequence, 0, 1), hidden, bidirectional=False)
    return product(last, dense_weights(params.verdict, compute))[:, 0]


def generator_loss(pair: Discriminators, history: Array, guess: Array, compute: Compute) -> Array:
    """Mean of -log D over predicted frames `[B, T, P]` after `[B, S, P]`, of both discriminators."""
    whole = jnp.concatenate([history, guess], axis=1)
    logits = jnp.stack([discriminate(pair.fidelity, guess, compute), discriminate(pair.continuity, whole, compute)])
    return jnp.sum(jnp.mean(jax.nn.softplus(-logits), axis=1))


def discriminator_loss(pair: Discriminators, true: Batch, guess: Array, compute: Compute) -> Array:
    """Mean of -log D(recorded) - log(1 - D(predicted)), of both discriminators."""
    futures = jnp.concatenate([true.future, guess])  # one pass for both kinds
    wholes = jnp.concatenate([jnp.concatenate([true.history] * 2), futures], axis=1)
    logits = jnp.stack(
        [
            discriminate(pair.fidelity, futures, compute),
            discriminate(pair.continuity, wholes, compute),
        ]
    )
    recorded, predicted = jnp.split(logits, 2, axis=1)
    return jnp.sum(jnp.mean(jax.nn.softplus(-recorded) + jax.nn.softplus(predicted), axis=1))


def _poses(batch: Batch, space: PoseSpace) -> Batch:
    return Batch(*(frames[..., : len(space.kept)] for frames in (batch.history, batch.future)))
