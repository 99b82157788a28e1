"""ConvLSTM: convolutional LSTMs over the pose as an image of one row, its joints in the order of the body.

Source of the cell: Shi et al., NIPS 2015 (`nn.conv_lstm`), who forecast radar images by an encoder and a decoder of
separate weights. Here one network reads what was observed and then its own predictions, as ERD does: the layers lie one
on another, and the last one's state is read out, by a linear layer that all joints share, as the change of each joint
to the next frame. An image has the coordinates of a joint as its channels and a learned vector of each joint beside
them. The action is not read.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment, at_least
from motion_jax.errors import UserError
from motion_jax.models.autoregressive import AutoregressiveConfig, Network
from motion_jax.models.autoregressive import make as make_autoregressive
from motion_jax.models.joint_grid import JointGrid, joint_grid
from motion_jax.nn.conv_lstm import (
    ConvLstmParams,
    ConvLstmState,
    ConvLstmWeights,
    conv_lstm_step,
    conv_lstm_weights,
    init_conv_lstm,
)
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, product
from motion_jax.nn.dense import Dense, dense_weights
from motion_jax.nn.dropout import dropout
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model

NAMED = 4  # width of what is learned of each joint
DEVIATION = 0.1  # of it at first


class ConvLstmModelParams(NamedTuple):
    """Parameters."""

    joints: Array  # [K, NAMED]
    layers: tuple[ConvLstmParams, ...]
    read_out: Dense  # H -> C


class ConvLstmModelWeights(NamedTuple):
    """The same as what products read."""

    joints: Array
    layers: tuple[ConvLstmWeights, ...]
    read_out: Operand


States = tuple[ConvLstmState, ...]  # of each layer


@dataclasses.dataclass(frozen=True)
class ConvLstmConfig(AutoregressiveConfig):
    """The fields of `conv_lstm`."""

    name: str = "conv_lstm"
    hidden: int = 32  # H, of one joint
    kernel: int = 5  # joints that a convolution reads

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("model.kernel", self.kernel, 1)
        if self.kernel % 2 == 0:
            raise UserError(f"model.kernel={self.kernel}: must be odd")


def make(config: ConvLstmConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model of the given sizes."""
    compute, grid = compute_of(experiment.compute), joint_grid(space)
    network = Network(
        init=functools.partial(_init, config, grid),
        weights=functools.partial(_weights, compute),
        start=functools.partial(_start, config, grid),
        read=functools.partial(_read, config, grid),
    )
    return make_autoregressive(experiment, space, network, config.free_running)


def _init(config: ConvLstmConfig, grid: JointGrid, key: Array) -> ConvLstmModelParams:
    joints, *layers = jax.random.split(key, 1 + config.layers)
    inputs = (grid.coordinates + NAMED,) + (config.hidden,) * (config.layers - 1)
    return ConvLstmModelParams(
        joints=DEVIATION * jax.random.normal(joints, (grid.tokens, NAMED)),
        layers=tuple(
            init_conv_lstm(k, grid.tokens, width, config.hidden, config.kernel)
            for k, width in zip(layers, inputs, strict=True)
        ),
        # zero, so that it starts as zero-velocity
        read_out=Dense(jnp.zeros((config.hidden, grid.coordinates)), jnp.zeros(grid.coordinates)),
    )


def _weights(compute: Compute, params: ConvLstmModelParams) -> ConvLstmModelWeights:
    layers = tuple(conv_lstm_weights(layer, compute) for layer in params.layers)
    return ConvLstmModelWeights(params.joints, layers, dense_weights(params.read_out, compute))


def _start(
    config: ConvLstmConfig,
    grid: JointGrid,
    weights: ConvLstmModelWeights,
    history: Array,
    length: int,
    keys: Array | None,
) -> tuple[None, States]:
    """Reads all observed frames but the last, from zero states."""
    del length
    zeros = jnp.zeros((history.shape[1], grid.tokens, config.hidden))
    states = tuple(ConvLstmState(zeros, zeros) for _ in weights.layers)
    return None, _read(config, grid, weights, None, states, history[:-1], keys)[0]


def _read(
    config: ConvLstmConfig,
    grid: JointGrid,
    weights: ConvLstmModelWeights,
    context: None,
    states: States,
    frames: Array,
    keys: Array | None,
) -> tuple[States, Array]:
    """L more frames `[L, B, N]`: the states after them, and the change `[L, B, n]` from each to the next."""
    del context
    poses = grid.to_grid(frames[..., : int(grid.mask.sum())])
    named = jnp.broadcast_to(weights.joints, (*poses.shape[:-1], NAMED))
    x, after = jnp.concatenate([poses, named], axis=-1), []
    for number, (layer, state) in enumerate(zip(weights.layers, states, strict=True)):

        def step(state: ConvLstmState, x: Array, layer: ConvLstmWeights = layer) -> tuple[ConvLstmState, Array]:
            state = conv_lstm_step(layer, state, x, config.kernel)
            return state, state.h

        state, x = jax.lax.scan(step, state, x)
        after.append(state)
        x = dropout(keys, number, config.dropout, x, axis=1)
    return tuple(after), grid.from_grid(product(x, weights.read_out))
