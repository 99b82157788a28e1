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

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment
from motion_jax.losses import make_loss
from motion_jax.nn.decoder import Inputs
from motion_jax.nn.deferred_grad.products import Compute
from motion_jax.nn.deferred_grad.scan import recur
from motion_jax.nn.stack import Stack, init_stack, stack_embed, stack_maps, stack_read, stack_step, stack_zeros
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

NOISE = ((250, 0.01), (500, 0.05), (1000, 0.1), (1300, 0.2), (2000, 0.3), (2500, 0.5), (3300, 0.7))
"""From which iteration on, what standard deviation, of normalised frames; none before."""

Maps = Any
States = Any  # a pytree of [B, ...] arrays
Gates = Any  # a pytree of [..., G] arrays


class Network(NamedTuple):
    """Pure functions of one recurrent network. `embed` and `read` also take whole sequences."""

    init: Callable[[Array], Params]
    maps: Callable[[Params], Maps]
    zeros: Callable[[int, Any], States]  # (B, dtype) -> the states before the first frame
    embed: Callable[[Maps, Array], Gates]  # frames [..., N] -> what of a step does not depend on the states
    step: Callable[[Maps, States, Gates], tuple[States, Array]]  # -> states, h [B, ...]
    read: Callable[[Maps, Array], Array]  # h [..., ...] -> the next frames [..., N]


class Prepared(NamedTuple):
    """Marks maps that were made of parameters before the call."""

    maps: Maps


class Carry(NamedTuple):
    """What one predicted frame hands to the next."""

    states: States
    frame: Array  # [B, N] the prediction


def noise_deviation(step: Array) -> Array:
    """The standard deviation of the noise at an iteration, counted from 0."""
    starts, deviations = zip(*NOISE, strict=True)
    return jnp.array([0.0, *deviations])[jnp.searchsorted(jnp.array(starts), step, side="right")]


def make(experiment: Experiment, space: PoseSpace, network: Network) -> Model:
    """The model of a network: how it predicts, and how it learns."""
    compute = Compute(experiment.model.precision, experiment.model.fast, experiment.model.unroll)
    loss, noisy = make_loss(experiment.train.loss, space), experiment.train.noise == "fragkiadaki"

    def prepare(params: Params) -> Prepared:
        return Prepared(network.maps(params))

    def apply(params: Params | Prepared, history: Array, future: Array, forced: Array) -> Array:
        maps = (params if isinstance(params, Prepared) else prepare(params)).maps
        observed = jnp.swapaxes(history, 0, 1)  # time first: a scan walks the leading axis
        states, _ = read_through(network, maps, observed[:-1], compute)
        teacher = jnp.concatenate([observed[-1:], jnp.swapaxes(future, 0, 1)[:-1]])
        inputs = Inputs(teacher, jnp.swapaxes(forced, 0, 1).astype(history.dtype))
        step = functools.partial(_predict, network)
        _, frames = recur(step, maps, Carry(states, observed[-1]), inputs, compute)
        return jnp.swapaxes(frames, 0, 1)

    def learn(params: Params, batch: Batch, forced: Array, key: Array, step: Array) -> tuple[Array, Params]:
        del forced  # every frame is read from the truth
        frames = jnp.concatenate(batch, axis=1)
        inputs = frames[:, :-1]
        if noisy:
            inputs = add_noise(key, inputs, noise_deviation(step), len(space.kept))

        def value(params: Params) -> Array:
            maps = network.maps(params)
            _, h = read_through(network, maps, jnp.swapaxes(inputs, 0, 1), compute)
            return loss(jnp.swapaxes(network.read(maps, h), 0, 1), frames[:, 1:])

        return jax.value_and_grad(value)(params)

    return Model(network.init, apply, learn=learn, prepare=prepare)


def make_stacked(experiment: Experiment, space: PoseSpace, stack: Stack) -> Model:
    """The model of a plain stack of layers, which reads and writes frames of width N."""
    config = experiment.model
    compute = Compute(config.precision, config.fast, config.unroll)
    network = Network(
        init=lambda key: init_stack(key, stack, space.width),
        maps=lambda params: stack_maps(stack, params, compute),
        zeros=functools.partial(stack_zeros, stack),
        embed=functools.partial(stack_embed, stack),
        step=functools.partial(stack_step, stack),
        read=stack_read,
    )
    return make(experiment, space, network)


def add_noise(key: Array, frames: Array, deviation: Array, motion: int) -> Array:
    """Gaussian noise on the first `motion` features of frames `[..., N]`; consumes `key`."""
    noise = deviation * jax.random.normal(key, (*frames.shape[:-1], motion), frames.dtype)
    return frames.at[..., :motion].add(noise)


def read_through(network: Network, maps: Maps, frames: Array, compute: Compute) -> tuple[States, Array]:
    """Reads known frames `[T, B, N]`, from zero states: the last states, and h `[T, B, ...]` after each frame."""
    zeros = network.zeros(frames.shape[1], frames.dtype)
    return recur(network.step, maps, zeros, network.embed(maps, frames), compute)


def _predict(network: Network, maps: Maps, carry: Carry, now: Inputs) -> tuple[Carry, Array]:
    x = jnp.where(now.forced[:, None] > 0, now.teacher, carry.frame)
    states, h = network.step(maps, carry.states, network.embed(maps, x))
    frame = network.read(maps, h)
    return Carry(states, frame), frame
