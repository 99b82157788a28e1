"""TCN: a temporal convolutional network, that predicts the next frame from causal dilated convolutions over the past.

Source: Bai, Kolter and Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence
modeling", 2018, section 3: residual blocks of two causal convolutions of one dilation, each followed by normalisation,
a ReLU and dropout; a ReLU behind the sum with the block's input; dilations 1, 2, 4, ...; zeros before the first frame.

What differs: a linear layer embeds the frames, so that no block changes the width; the normalisation is that of layers
where the paper normalises weights; and what is read out is the change to the next frame. The inputs of a convolution
that later frames will ask for are kept: a free-running step computes one frame.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment, at_least
from motion_jax.models.autoregressive import AutoregressiveConfig, Network
from motion_jax.models.autoregressive import make as make_autoregressive
from motion_jax.nn.convolution import causal_convolution
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, product
from motion_jax.nn.dense import Dense, dense_weights, init_dense
from motion_jax.nn.dropout import dropout
from motion_jax.nn.norm import LayerNorm, init_layer_norm, layer_norm
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model

CONVOLUTIONS = 2  # of a block


class TcnParams(NamedTuple):
    """Parameters; convolutions and norms in order, `CONVOLUTIONS` to a block."""

    embed: Dense  # N -> H
    convolutions: tuple[Dense, ...]  # [kernel H, H]
    norms: tuple[LayerNorm, ...]
    read_out: Dense  # H -> n


class TcnWeights(NamedTuple):
    """The same as what products read."""

    embed: Operand
    convolutions: tuple[Operand, ...]
    norms: tuple[LayerNorm, ...]
    read_out: Operand


Queues = tuple[Array, ...]  # of each convolution, the inputs before the next one, [(kernel - 1) dilation, B, H]


@dataclasses.dataclass(frozen=True)
class TcnConfig(AutoregressiveConfig):
    """The fields of `tcn`."""

    name: str = "tcn"
    layers: int = 5  # blocks, of dilations 1, 2, 4, ...
    kernel: int = 2  # frames that a convolution reads

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("model.kernel", self.kernel, 2)


def make(config: TcnConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model of the given sizes."""
    compute = compute_of(experiment.compute)
    network = Network(
        init=functools.partial(_init, config, space),
        weights=functools.partial(_weights, compute),
        start=functools.partial(_start, config),
        read=functools.partial(_read, config),
    )
    return make_autoregressive(experiment, space, network, config.free_running)


def dilations(layers: int) -> tuple[int, ...]:
    """Of each convolution of so many blocks."""
    return tuple(2**block for block in range(layers) for _ in range(CONVOLUTIONS))


def _init(config: TcnConfig, space: PoseSpace, key: Array) -> TcnParams:
    count, hidden, motion = CONVOLUTIONS * config.layers, config.hidden, len(space.kept)
    embed, *convolutions = jax.random.split(key, 1 + count)
    return TcnParams(
        embed=init_dense(embed, space.width, hidden),
        convolutions=tuple(init_dense(k, config.kernel * hidden, hidden) for k in convolutions),
        norms=tuple(init_layer_norm(hidden) for _ in range(count)),
        read_out=Dense(jnp.zeros((hidden, motion)), jnp.zeros(motion)),  # so that it starts as zero-velocity
    )


def _weights(compute: Compute, params: TcnParams) -> TcnWeights:
    return TcnWeights(
        embed=dense_weights(params.embed, compute),
        convolutions=tuple(dense_weights(layer, compute) for layer in params.convolutions),
        norms=params.norms,
        read_out=dense_weights(params.read_out, compute),
    )


def _start(
    config: TcnConfig, weights: TcnWeights, history: Array, length: int, keys: Array | None
) -> tuple[None, Queues]:
    """Reads all observed frames but the last."""
    del length
    batch = history.shape[1]
    zeros = tuple(jnp.zeros(((config.kernel - 1) * d, batch, config.hidden)) for d in dilations(config.layers))
    return None, _read(config, weights, None, zeros, history[:-1], keys)[0]


def _read(
    config: TcnConfig, weights: TcnWeights, context: None, queues: Queues, frames: Array, keys: Array | None
) -> tuple[Queues, Array]:
    """L more frames `[L, B, N]`: the queues after them, and the change `[L, B, n]` from each to the next."""
    del context
    x, after = product(frames, weights.embed), []
    before = x
    layers = zip(weights.convolutions, weights.norms, queues, dilations(config.layers), strict=True)
    for number, (layer, norm, queue, dilation) in enumerate(layers):
        queue, y = causal_convolution(layer, queue, x, dilation)
        after.append(queue)
        x = dropout(keys, number, config.dropout, jax.nn.relu(layer_norm(norm, y)), axis=1)
        if (number + 1) % CONVOLUTIONS == 0:
            x = before = jax.nn.relu(x + before)
    return tuple(after), product(x, weights.read_out)
