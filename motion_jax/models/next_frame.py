"""What ERD, LSTM-3LR and SRNN share: a recurrent network that reads a frame and predicts the next one.

To predict, it reads what was observed and then its own predictions. To learn, it predicts every frame of a window from
the true ones before it, to which noise is added that grows with the iterations, so that it meets frames like those that
it will feed itself.

Sources: Fragkiadaki, Levine, Felsen, Malik, *Recurrent network models for human dynamics*, ICCV 2015, section 3; the
schedule is that of the code of Jain et al. 2016, who trained all three networks by it.

Departures: that code adds noise to a frame with a probability of one half, and to networks that see no action code.
Here every frame gets it, and the code none: it is a label.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import FORCING, Experiment, ModelConfig, at_least, one_of
from motion_jax.losses import make_loss
from motion_jax.nn.decoder import DecoderInputs
from motion_jax.nn.deferred_grad import Compute, compute_of, scan_deferred_grad
from motion_jax.nn.stack import Stack, init_stack, stack_embed, stack_read, stack_step, stack_weights, stack_zeros
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

NOISES = ("none", "fragkiadaki")

NOISE = ((250, 0.01), (500, 0.05), (1000, 0.1), (1300, 0.2), (2000, 0.3), (2500, 0.5), (3300, 0.7))
"""From which iteration on, what standard deviation, of normalised frames; none before."""

Weights = Any
States = Any  # a pytree of [B, ...] arrays
Gates = Any  # a pytree of [..., G] arrays


@dataclasses.dataclass(frozen=True)
class StackedConfig(ModelConfig):
    """The fields of a stack of recurrent layers that learns to predict the next frame."""

    hidden: int = 1024  # H
    layers: int = 1
    noise: str = "none"  # added to the frames that it learns from; "fragkiadaki": growing by iteration

    UNREAD: ClassVar[tuple[str, ...]] = FORCING

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        at_least("model.layers", self.layers, 1)
        one_of("model.noise", self.noise, NOISES)


class Network(NamedTuple):
    """Pure functions of one recurrent network. `embed` and `read` also take whole sequences."""

    init: Callable[[Array], Params]
    weights: Callable[[Params], Weights]
    zeros: Callable[[int, Any], States]  # (B, dtype) -> the states before the first frame
    embed: Callable[[Weights, Array], Gates]  # frames [..., N] -> what of a step does not depend on the states
    step: Callable[[Weights, States, Gates], tuple[States, Array]]  # -> states, h [B, ...]
    read: Callable[[Weights, Array], Array]  # h [..., ...] -> the next frames [..., N]


class Prepared(NamedTuple):
    """Marks weights that were made of parameters before the call."""

    weights: Weights


class Carry(NamedTuple):
    """What one predicted frame hands to the next."""

    states: States
    frame: Array  # [B, N] the prediction


def noise_deviation(step: Array) -> Array:
    """The standard deviation of the noise at an iteration, counted from 0."""
    starts, deviations = zip(*NOISE, strict=True)
    return jnp.array([0.0, *deviations])[jnp.searchsorted(jnp.array(starts), step, side="right")]


def make(experiment: Experiment, space: PoseSpace, network: Network, noise: str) -> Model:
    """The model of a network: how it predicts, and how it learns, with the noise of that name."""
    compute = compute_of(experiment.compute)
    loss, noisy = make_loss(experiment.train.loss, space), noise == "fragkiadaki"

    def prepare(params: Params) -> Prepared:
        return Prepared(network.weights(params))

    def apply(params: Params | Prepared, history: Array, future: Array, forced: Array) -> Array:
        weights = (params if isinstance(params, Prepared) else prepare(params)).weights
        observed = jnp.swapaxes(history, 0, 1)  # time first: a scan walks the leading axis
        states, _ = run_over(network, weights, observed[:-1], compute)
        teacher = jnp.concatenate([observed[-1:], jnp.swapaxes(future, 0, 1)[:-1]])
        inputs = DecoderInputs(teacher, jnp.swapaxes(forced, 0, 1).astype(history.dtype))
        step = functools.partial(_predict, network)
        _, frames = scan_deferred_grad(step, weights, Carry(states, observed[-1]), inputs, compute)
        return jnp.swapaxes(frames, 0, 1)

    def loss_and_grad(params: Params, batch: Batch, forced: Array, key: Array, step: Array) -> tuple[Array, Params]:
        del forced  # every frame is read from the truth
        frames = jnp.concatenate([batch.history, batch.future], axis=1)
        inputs = frames[:, :-1]
        if noisy:
            inputs = add_noise(key, inputs, noise_deviation(step), len(space.kept))

        def value(params: Params) -> Array:
            weights = network.weights(params)
            _, h = run_over(network, weights, jnp.swapaxes(inputs, 0, 1), compute)
            return loss(jnp.swapaxes(network.read(weights, h), 0, 1), frames[:, 1:], batch.last)

        return jax.value_and_grad(value)(params)

    return Model(network.init, apply, loss_and_grad=loss_and_grad, prepare=prepare)


def make_stacked(experiment: Experiment, space: PoseSpace, stack: Stack, noise: str) -> Model:
    """The model of a plain stack of layers, which reads and writes frames of width N."""
    compute = compute_of(experiment.compute)
    network = Network(
        init=lambda key: init_stack(key, stack, space.width),
        weights=lambda params: stack_weights(stack, params, compute),
        zeros=functools.partial(stack_zeros, stack),
        embed=functools.partial(stack_embed, stack),
        step=functools.partial(stack_step, stack),
        read=stack_read,
    )
    return make(experiment, space, network, noise)


def add_noise(key: Array, frames: Array, deviation: Array, motion: int) -> Array:
    """Gaussian noise on the first `motion` features of frames `[..., N]`; consumes `key`."""
    noise = deviation * jax.random.normal(key, (*frames.shape[:-1], motion), frames.dtype)
    return frames.at[..., :motion].add(noise)


def run_over(network: Network, weights: Weights, frames: Array, compute: Compute) -> tuple[States, Array]:
    """Reads known frames `[T, B, N]`, from zero states: the last states, and h `[T, B, ...]` after each frame."""
    zeros = network.zeros(frames.shape[1], frames.dtype)
    return scan_deferred_grad(network.step, weights, zeros, network.embed(weights, frames), compute)


def _predict(network: Network, weights: Weights, carry: Carry, now: DecoderInputs) -> tuple[Carry, Array]:
    x = jnp.where(now.forced[:, None] > 0, now.teacher, carry.frame)
    states, h = network.step(weights, carry.states, network.embed(weights, x))
    frame = network.read(weights, h)
    return Carry(states, frame), frame
