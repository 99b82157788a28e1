"""CRBM: a conditional restricted Boltzmann machine over one frame, given the few before it.

The frame v is real-valued with unit variance, the hidden units h are binary; the last `model.order` frames u enter as
biases of both:

    E(v, h | u) = |v - (a + u A)|^2 / 2  -  (b + u B + v W) . h

so that p(h = 1 | v, u) = sigmoid(b + u B + v W) and p(v | h, u) = N(a + u A + h W^T, 1). It learns by contrastive
divergence (`model.gibbs` steps), and predicts frame after frame by mean-field updates that begin at the previous frame.

Source: Taylor, Hinton, Roweis, *Modeling human motion using binary latent variables*, NIPS 19 (2007). The thesis names
it among the early works; its tables have no row of it. Checked against the authors' published code: energy, order,
initialisation, mean reconstructions from sampled hidden units, 30 updates a generated frame. The paper's text and its
number of hidden units could not be checked.

Departures: the statistics of the data are expectations over h, not a sample, which has the same mean and varies less;
that code's weight decay of .0002 and its first epochs without momentum are left out; generation samples nothing and
adds no noise to its first guess, because `apply` is a pure function. `train.loss` is reported, not minimised;
`train.teacher_forcing` has no effect: every frame is learned from the true ones before it.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import FORCING, DataConfig, Experiment, ModelConfig, at_least
from motion_jax.errors import UserError
from motion_jax.losses import mse
from motion_jax.nn.decoder import DecoderInputs
from motion_jax.nn.deferred_grad import (
    Compute,
    Operand,
    compute_of,
    concat_operands,
    contract,
    make_operand,
    product,
    scan_deferred_grad,
)
from motion_jax.nn.dense import Dense, dense_weights
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

UPDATES = 30  # mean-field updates of a generated frame
SCALE = 0.01  # standard deviation of fresh parameters
OFF = -1.0  # mean of fresh hidden biases: units begin rather off


class CrbmParams(NamedTuple):
    """u is `[order * N]`: the conditioning frames end to end, the oldest first."""

    frame: Dense  # A [order * N, N], a [N]
    hidden: Dense  # B [order * N, H], b [H]
    pair: Array  # W [N, H]


class CrbmWeights(NamedTuple):
    """The parameters as what products read."""

    past: Operand  # A and B side by side, [order * N, N + H], with both biases
    pair: Operand


class Biases(NamedTuple):
    """What the past adds to the units of one case."""

    frame: Array  # [C, N]
    hidden: Array  # [C, H]


@dataclasses.dataclass(frozen=True)
class CrbmConfig(ModelConfig):
    """The fields of `crbm`."""

    name: str = "crbm"
    hidden: int = 1024  # H, hidden units
    order: int = 3  # observed frames that condition the next
    gibbs: int = 1  # steps of contrastive divergence

    UNREAD: ClassVar[tuple[str, ...]] = FORCING

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        at_least("model.order", self.order, 1)
        at_least("model.gibbs", self.gibbs, 1)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` if fewer frames are observed than condition a frame."""
        if self.order > data.source_length:
            raise UserError(
                f"model.order={self.order}: must be at most data.source_length={data.source_length}, "
                f"for so many frames are observed before the first that is predicted"
            )


def make(config: CrbmConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """Learns by contrastive divergence; predicts by mean-field updates from the last frame."""
    order = config.order
    # The default gradients: learning differentiates no loop, and mean-field is a loop within a step.
    compute = compute_of(experiment.compute)._replace(fast=False)

    def init(key: Array) -> CrbmParams:
        return init_params(key, order, space.width, config.hidden)

    def prepare(params: CrbmParams) -> CrbmWeights:
        return crbm_weights(params, compute)

    def apply(params: CrbmParams | CrbmWeights, history: Array, future: Array, forced: Array) -> Array:
        weights = params if isinstance(params, CrbmWeights) else prepare(params)
        teacher = jnp.concatenate([history[:, -1:], future[:, :-1]], axis=1)
        inputs = DecoderInputs(jnp.swapaxes(teacher, 0, 1), jnp.swapaxes(forced, 0, 1))
        _, frames = scan_deferred_grad(_predict, weights, history[:, -order:], inputs, compute)
        return jnp.swapaxes(frames, 0, 1)

    def loss_and_grad(params: CrbmParams, batch: Batch, forced: Array, key: Array, step: Array) -> tuple[Array, Params]:
        del forced, step
        past, frames = conditioned_frames(jnp.concatenate([batch.history, batch.future], axis=1), order)
        weights = prepare(params)
        rebuilt = reconstruct(weights, biases(weights, past), frames, key, config.gibbs)
        return mse(rebuilt, frames), contrastive_divergence(params, past, frames, rebuilt, compute)

    return Model(init, apply, loss_and_grad=loss_and_grad, prepare=prepare)


def init_params(key: Array, order: int, width: int, hidden: int) -> CrbmParams:
    """Fresh parameters; consumes `key`."""
    past, keys = order * width, jax.random.split(key, 5)
    return CrbmParams(
        Dense(_draw(keys[0], past, width), _draw(keys[1], width)),
        Dense(_draw(keys[2], past, hidden), OFF + _draw(keys[3], hidden)),
        _draw(keys[4], width, hidden),
    )


def _draw(key: Array, *shape: int) -> Array:
    return SCALE * jax.random.normal(key, shape)


def crbm_weights(params: CrbmParams, compute: Compute) -> CrbmWeights:
    """Parameters as what products read; done once for many calls where the parameters stay."""
    past = concat_operands(dense_weights(params.frame, compute), dense_weights(params.hidden, compute))
    return CrbmWeights(past, make_operand(params.pair, None, compute))


def conditioned_frames(frames: Array, order: int) -> tuple[Array, Array]:
    """Every frame of windows `[B, L, N]` that has `order` before it: u `[C, order * N]` and v `[C, N]`."""
    batch, length, width = frames.shape
    count = length - order
    past = jnp.concatenate([frames[:, lag : lag + count] for lag in range(order)], axis=-1)
    return past.reshape(batch * count, order * width), frames[:, order:].reshape(batch * count, width)


def biases(weights: CrbmWeights, past: Array) -> Biases:
    """a + u A, and b + u B."""
    both = product(past, weights.past)
    width = both.shape[-1] - weights.pair.array.shape[-1]
    return Biases(both[..., :width], both[..., width:])


def hidden_probability(weights: CrbmWeights, bias: Biases, frames: Array) -> Array:
    """p(h = 1 | v, u), `[C, H]`."""
    return jax.nn.sigmoid(bias.hidden + product(frames, weights.pair))


def visible_mean(weights: CrbmWeights, bias: Biases, hidden: Array) -> Array:
    """The mean of p(v | h, u), `[C, N]`."""
    return bias.frame + contract("bh,nh->bn", hidden, weights.pair)


def free_energy(weights: CrbmWeights, bias: Biases, frames: Array) -> Array:
    """-log sum over h of exp(-E(v, h | u)), `[C]`."""
    distance = jnp.sum((frames - bias.frame) ** 2, axis=-1) / 2
    return distance - jnp.sum(jax.nn.softplus(bias.hidden + product(frames, weights.pair)), axis=-1)


def reconstruct(weights: CrbmWeights, bias: Biases, frames: Array, key: Array, steps: int) -> Array:
    """What is left of v after `steps` times sampling h and taking the mean of v; consumes `key`."""

    def gibbs(frames: Array, key: Array) -> tuple[Array, None]:
        hidden = jax.random.bernoulli(key, hidden_probability(weights, bias, frames))
        return visible_mean(weights, bias, hidden.astype(frames.dtype)), None

    return jax.lax.scan(gibbs, frames, jax.random.split(key, steps))[0]


def contrastive_divergence(
    params: CrbmParams, past: Array, frames: Array, rebuilt: Array, compute: Compute
) -> CrbmParams:
    """Contrastive divergence: the gradient of the mean free energy of what was seen less that of what was rebuilt."""

    def contrast(params: CrbmParams) -> Array:
        weights = crbm_weights(params, compute)
        bias = biases(weights, past)
        return jnp.mean(free_energy(weights, bias, frames) - free_energy(weights, bias, rebuilt))

    return jax.grad(contrast)(params)


def mean_field(weights: CrbmWeights, recent: Array) -> Array:
    """The next frame `[B, N]` after `recent` `[B, order, N]`: mean-field updates from the last of these."""
    bias = biases(weights, recent.reshape(recent.shape[0], -1))
    return jax.lax.fori_loop(
        0, UPDATES, lambda _, v: visible_mean(weights, bias, hidden_probability(weights, bias, v)), recent[:, -1]
    )


def _predict(weights: CrbmWeights, recent: Array, now: DecoderInputs) -> tuple[Array, Array]:
    recent = recent.at[:, -1].set(jnp.where(now.forced[:, None], now.teacher, recent[:, -1]))
    frame = mean_field(weights, recent)
    return jnp.concatenate([recent[:, 1:], frame[:, None]], axis=1), frame
