"""Convolutional sequence to sequence: one encoder for all observed frames, another for the last few, which slides.

Source: Li, Zhang, Lee and Lee, "Convolutional sequence to sequence model for human dynamics", CVPR 2018, recalled and
not checked against the paper or its code: a pose sequence is an image of time by joints; each encoder is three
convolutions of stride 2 with leaky rectifiers and a linear layer; the decoder reads both codes and adds its output to
the last frame. The long-term code is made once; the short-term encoder reads the frames that were predicted.

What differs: a joint's coordinates are channels where the paper has them side by side, so the kernel counts joints; all
convolutions are equally wide; the paper's adversary, that judges whole sequences, is left out; the action is not read.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import DataConfig, Experiment, at_least
from motion_jax.errors import UserError
from motion_jax.models.autoregressive import AutoregressiveConfig, Network
from motion_jax.models.autoregressive import make as make_autoregressive
from motion_jax.models.joint_grid import JointGrid, joint_grid
from motion_jax.nn.conv_lstm import neighbours
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, product
from motion_jax.nn.dense import Dense, dense_weights, init_dense
from motion_jax.nn.dropout import dropout
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model

SLOPE = 0.01  # of the leaky rectifier where it is negative


class ConvSeq2SeqParams(NamedTuple):
    """Parameters. An encoder is its convolutions, `[2 kernel I, H]`, and a linear layer behind them."""

    long_term: tuple[Dense, ...]
    short_term: tuple[Dense, ...]
    decoder: Dense  # both codes, 2 H -> H
    read_out: Dense  # H -> n


class ConvSeq2SeqWeights(NamedTuple):
    """The same as what products read."""

    long_term: tuple[Operand, ...]
    short_term: tuple[Operand, ...]
    decoder: Operand
    read_out: Operand


@dataclasses.dataclass(frozen=True)
class ConvSeq2SeqConfig(AutoregressiveConfig):
    """The fields of `conv_seq2seq`."""

    name: str = "conv_seq2seq"
    layers: int = 3  # convolutions of an encoder
    kernel: int = 3  # joints that a convolution reads; of frames, 2
    window: int = 20  # frames that the short-term encoder reads

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("model.window", self.window, 1)
        at_least("model.kernel", self.kernel, 1)
        if self.kernel % 2 == 0:
            raise UserError(f"model.kernel={self.kernel}: must be odd")

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` where the short-term encoder reads more frames than there are."""
        if self.window > data.source_length:
            raise UserError(
                f"model.window={self.window}: must be at most data.source_length, which is {data.source_length}"
            )


def make(config: ConvSeq2SeqConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model of the given sizes."""
    compute, grid = compute_of(experiment.compute), joint_grid(space)
    network = Network(
        init=functools.partial(_init, config, grid, experiment.data.source_length),
        weights=functools.partial(_weights, compute),
        start=functools.partial(_start, config, grid),
        read=functools.partial(_read, config, grid),
    )
    return make_autoregressive(experiment, space, network, config.free_running)


def _init(config: ConvSeq2SeqConfig, grid: JointGrid, observed: int, key: Array) -> ConvSeq2SeqParams:
    long_term, short_term, decoder = jax.random.split(key, 3)
    hidden, motion = config.hidden, int(grid.mask.sum())
    return ConvSeq2SeqParams(
        long_term=_init_encoder(config, grid, observed, long_term),
        short_term=_init_encoder(config, grid, config.window, short_term),
        decoder=init_dense(decoder, 2 * hidden, hidden),
        read_out=Dense(jnp.zeros((hidden, motion)), jnp.zeros(motion)),  # so that it starts as zero-velocity
    )


def _init_encoder(config: ConvSeq2SeqConfig, grid: JointGrid, frames: int, key: Array) -> tuple[Dense, ...]:
    joints, inputs, layers = grid.tokens, grid.coordinates, []
    *keys, last = jax.random.split(key, config.layers + 1)
    for k in keys:
        layers.append(init_dense(k, 2 * config.kernel * inputs, config.hidden))
        frames, joints, inputs = (frames + 1) // 2, (joints + 1) // 2, config.hidden
    return (*layers, init_dense(last, frames * joints * inputs, config.hidden))


def _weights(compute: Compute, params: ConvSeq2SeqParams) -> ConvSeq2SeqWeights:
    long_term, short_term = (
        tuple(dense_weights(layer, compute) for layer in encoder) for encoder in (params.long_term, params.short_term)
    )
    decoder, read_out = (dense_weights(layer, compute) for layer in (params.decoder, params.read_out))
    return ConvSeq2SeqWeights(long_term, short_term, decoder, read_out)


def _start(
    config: ConvSeq2SeqConfig,
    grid: JointGrid,
    weights: ConvSeq2SeqWeights,
    history: Array,
    length: int,
    keys: Array | None,
) -> tuple[Array, Array]:
    """The code `[B, H]` of the observed frames, and the poses before the last of them that a window reads."""
    del length, keys
    poses = grid.to_grid(history[..., : int(grid.mask.sum())])
    return _encode(config, weights.long_term, poses), poses[len(poses) - config.window : -1]


def _read(
    config: ConvSeq2SeqConfig,
    grid: JointGrid,
    weights: ConvSeq2SeqWeights,
    context: Array,
    queue: Array,
    frames: Array,
    keys: Array | None,
) -> tuple[Array, Array]:
    """L more frames `[L, B, N]`: the poses that the next window reads, and the change `[L, B, n]` from each."""
    length, batch = frames.shape[:2]
    known = jnp.concatenate([queue, grid.to_grid(frames[..., : int(grid.mask.sum())])])
    windows = jnp.stack([known[start : start + length] for start in range(config.window)])  # [window, L, B, K, C]
    windows = windows.reshape(config.window, length * batch, *known.shape[2:])
    recent = _encode(config, weights.short_term, windows).reshape(length, batch, -1)
    codes = jnp.concatenate([jnp.broadcast_to(context, recent.shape), recent], axis=-1)
    x = dropout(keys, 0, config.dropout, codes, axis=1)
    x = dropout(keys, 1, config.dropout, jax.nn.leaky_relu(product(x, weights.decoder), SLOPE), axis=1)
    return known[length:], product(x, weights.read_out)


def _encode(config: ConvSeq2SeqConfig, layers: tuple[Operand, ...], x: Array) -> Array:
    """Poses `[F, B, K, C]` to a code `[B, H]`. Each layer halves frames, zeros before an odd first one, and joints."""
    for layer in layers[:-1]:
        x = jnp.pad(x, [(len(x) % 2, 0), (0, 0), (0, 0), (0, 0)])
        x = neighbours(x, config.kernel)[:, :, ::2]
        x = jax.nn.leaky_relu(product(jnp.concatenate([x[::2], x[1::2]], axis=-1), layer), SLOPE)
    flat = jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1)
    return jax.nn.leaky_relu(product(flat, layers[-1]), SLOPE)
