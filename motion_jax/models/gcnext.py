"""GCNext: siMLPe with graph convolutions in each block, one of which each block chooses by itself.

As in siMLPe (`models/simlpe.py`), frames go through the DCT over time, a linear layer over columns, L blocks, a linear
layer over columns and the inverse DCT; the first P frames, added to the last observed one, are the prediction. Behind
each of the two layers over columns stands a matrix over time. A block is x + norm(FC(y)), FC being linear over time; y
is x mixed between joints that are linked in the skeleton, plus one of four options, all of x: nothing; a mixing of
neighbours in time; one of the coordinates of each joint; one of neighbours in time, column by column. (Time is here the
DCT's, as it is in siMLPe's blocks.) A gate chooses the option for each block and sequence by the greatest of four
scores: the mean of x over columns, times one matrix that all blocks share. Training adds Gumbel noise to the scores and
takes the gradient of the softmax at a temperature that falls (Jang et al. 2017).

The mixing of joints and the matrices over time begin as identities, the options as zero; they are here called
adjacency. In the authors' code they learn at the rate 1e-8, so that Adam moves them by about 4e-4 at most in 40,000
steps, and not at all where they are 1 in float32. What learns is siMLPe.

Source: Wang, Cui, Chen, Liu, *GCNext: towards the unity of graph convolutions for human motion prediction*, AAAI 2024,
and the authors' code.

Departures: those of siMLPe; and the authors' code draws Gumbel noise in prediction too, so that its figures vary from
run to run, while here prediction draws nothing. Theirs lowers the temperature once an epoch, here each update does.
What their masks leave out of the mixing of neighbours is not stored. The rate of the adjacency is a share of the
configured one and falls with it, where theirs is constant.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import FORCING, DataConfig, Experiment, ModelConfig, at_least, fraction, positive
from motion_jax.models.joint_grid import JointGrid, joint_grid
from motion_jax.models.one_shot import loss_of_window, one_shot
from motion_jax.models.simlpe import check_predicted
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, contract, make_operand, product
from motion_jax.nn.dense import Dense, dense_weights
from motion_jax.nn.mixer import (
    TINY,
    Mixer,
    MixerWeights,
    dct_time,
    init_columns,
    init_mixer,
    inverse_dct_time,
    mix_once,
    mix_time,
    mixer_weights,
    xavier_bound,
)
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

OPTIONS = 4  # nothing, time, coordinates, time column by column
COLDEST = 1e-3  # the temperature falls no further; as configured, it is there after 133,000 updates


@dataclasses.dataclass(frozen=True)
class GcnextConfig(ModelConfig):
    """The fields of `gcnext`."""

    name: str = "gcnext"
    layers: int = 48  # L, blocks
    predicted: int = 10  # P, frames at once
    temperature: float = 5.0  # of the softmax whose gradient the gate learns by, at the first update
    cooling: float = 6.4e-5  # an update multiplies the temperature by exp(-cooling): .045 in 700, about an epoch
    adjacency_rate: float = 1e-8 / 3e-4  # share of the learning rate that the adjacency learns at

    UNREAD: ClassVar[tuple[str, ...]] = FORCING

    def __post_init__(self) -> None:
        at_least("model.layers", self.layers, 1)
        at_least("model.predicted", self.predicted, 1)
        positive("model.temperature", self.temperature)
        fraction("model.cooling", self.cooling)
        fraction("model.adjacency_rate", self.adjacency_rate)

    @property
    def width(self) -> int:
        """That of a narrow network, as siMLPe's."""
        return 64

    def check(self, data: DataConfig) -> None:
        """The inverse DCT makes S frames: P must be among them, and windows must hold them."""
        check_predicted(self.predicted, data)


class Neighbours(NamedTuple):
    """How much of the frames beside it a frame takes over, of L blocks; c is 1 or the number of columns."""

    earlier: Array  # [L, S - 1, c] of frame s in frame s + 1
    later: Array  # [L, S - 1, c] of frame s + 1 in frame s


class Adjacency(NamedTuple):
    """Graph convolutions of L blocks, for K tokens (joints, and the translation) of C coordinates."""

    joints: Array  # [L, K, K], from, to; what no link allows is not read
    time: Neighbours
    coordinates: Array  # [L, K, C, C], from, to
    column_time: Neighbours  # column by column


class GcnextParams(NamedTuple):
    """Parameters."""

    before: Dense  # [n, n], over columns
    time_before: Array  # [S, S]
    blocks: Mixer
    adjacency: Adjacency
    gate: Array  # [S, 4]
    after: Dense  # [n, n]
    time_after: Array  # [S, S]


class BlockWeights(NamedTuple):
    """A block's parameters, or those of all, as what products read."""

    mixer: MixerWeights
    joints: Operand  # [n, n]
    time: Neighbours
    coordinates: Operand  # [n, n]
    column_time: Neighbours


class Draws(NamedTuple):
    """What training draws for the gates."""

    noise: Array  # [L, B, 4] Gumbel
    temperature: Array  # []


def make(config: GcnextConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The action's columns are not read."""
    columns, length = len(space.kept), experiment.data.source_length
    grid, compute = joint_grid(space), compute_of(experiment.compute)

    def init(key: Array) -> GcnextParams:
        ends, blocks, gate = jax.random.split(key, 3)
        before, after = init_columns(ends, columns, columns, columns)
        bound = xavier_bound(length, OPTIONS, TINY)
        return GcnextParams(
            before,
            jnp.eye(length),
            init_mixer(blocks, config.layers, length, columns),
            init_adjacency(grid, config.layers, length, columns),
            jax.random.uniform(gate, (length, OPTIONS), jnp.float32, -bound, bound),
            after,
            jnp.eye(length),
        )

    def predict(params: GcnextParams, history: Array, draws: Draws | None = None) -> Array:
        gate, blocks = make_operand(params.gate, None, compute), block_weights(params, grid, compute)
        x = dct_time(jnp.swapaxes(history, 0, 1), compute)
        x = product(x, dense_weights(params.before, compute))
        x = mix_time(x, make_operand(params.time_before, None, compute))
        noise, temperature = (None, jnp.ones(())) if draws is None else draws

        def step(x: Array, now: tuple[BlockWeights, Array | None]) -> tuple[Array, None]:
            block, noise = now
            return convolve(block, gate, x, noise, temperature), None

        x = jax.lax.scan(step, x, (blocks, noise))[0]
        x = product(x, dense_weights(params.after, compute))
        x = mix_time(x, make_operand(params.time_after, None, compute))
        return jnp.swapaxes(inverse_dct_time(x, config.predicted, compute), 0, 1) + history[:, -1:]

    def predict_drawn(drawn: tuple[GcnextParams, Draws], history: Array) -> Array:
        return predict(drawn[0], history, drawn[1])

    loss = loss_of_window(predict_drawn, experiment, space)

    def train_loss(params: Params, batch: Batch, keys: Array, step: Array) -> tuple[Array, Params]:
        noise = jax.vmap(lambda key: jax.random.gumbel(key, (config.layers, OPTIONS)))(keys)
        temperature = jnp.maximum(config.temperature * jnp.exp(-config.cooling * step), COLDEST)
        draws = Draws(jnp.swapaxes(noise, 0, 1), temperature)
        return loss((params, draws), batch, keys, step)[0], params

    def rate_scales(params: GcnextParams) -> GcnextParams:
        slow = jax.tree.map(lambda _: config.adjacency_rate, params)
        scales = jax.tree.map(lambda _: 1.0, params)
        return scales._replace(adjacency=slow.adjacency, time_before=slow.time_before, time_after=slow.time_after)

    return Model(init, one_shot(predict, space), train_loss=train_loss, rate_scales=rate_scales)


def init_adjacency(grid: JointGrid, blocks: int, length: int, columns: int) -> Adjacency:
    """The identity between joints, zero for the options."""
    joints = jnp.broadcast_to(jnp.eye(grid.tokens), (blocks, grid.tokens, grid.tokens))
    time, column_time = (jnp.zeros((blocks, length - 1, each)) for each in (1, columns))
    coordinates = jnp.zeros((blocks, grid.tokens, grid.coordinates, grid.coordinates))
    return Adjacency(joints, Neighbours(time, time), coordinates, Neighbours(column_time, column_time))


def block_weights(params: GcnextParams, grid: JointGrid, compute: Compute) -> BlockWeights:
    """The blocks, stacked; what mixes joints and coordinates as matrices over the kept columns."""
    joints, time, coordinates, column_time = params.adjacency
    linked = joints * grid.adjacency
    between_joints = linked[:, :, None, :, None] * np.eye(grid.coordinates)[:, None, :]
    within_joints = coordinates[:, :, :, None, :] * np.eye(grid.tokens)[:, None, :, None]
    return BlockWeights(
        mixer_weights(params.blocks, compute),
        make_operand(_over_columns(grid, between_joints), None, compute),
        time,
        make_operand(_over_columns(grid, within_joints), None, compute),
        column_time,
    )


def _over_columns(grid: JointGrid, matrices: Array) -> Array:
    """`[L, K, C, K, C]`, from and to places of the grid, as `[L, n, n]`, from and to columns."""
    to_columns = jnp.moveaxis(grid.from_grid(matrices), -1, 1)  # [L, n, K, C]
    return jnp.swapaxes(grid.from_grid(to_columns), 1, 2)


def convolve(block: BlockWeights, gate: Operand, x: Array, noise: Array | None, temperature: Array) -> Array:
    """x `[S, B, n]` through one block.

    Args:
        block: its weights.
        gate: `[S, 4]`.
        x: `[S, B, n]`.
        noise: `[B, 4]`, added to the scores of the options; None: none is.
        temperature: `[]`, of the gate's gradient.
    """
    scores = contract("sb,so->bo", jnp.mean(x, axis=-1), gate)
    chosen = choose(scores if noise is None else scores + noise, temperature)
    _, time, coordinates, column_time = (chosen[:, [option]] for option in range(OPTIONS))  # [B, 1] each
    y = product(x, block.joints) + product(coordinates * x, block.coordinates)
    earlier, later = (
        time * one[:, None] + column_time * each[:, None]
        for one, each in zip(block.time, block.column_time, strict=True)
    )  # [S - 1, B, n]
    y = y + jnp.pad(x[:-1] * earlier, ((1, 0), (0, 0), (0, 0))) + jnp.pad(x[1:] * later, ((0, 1), (0, 0), (0, 0)))
    return x + mix_once(block.mixer, y)


def choose(scores: Array, temperature: Array) -> Array:
    """A one for the greatest of scores `[B, 4]`, zeros for the others; its gradient is that of the softmax."""
    soft = jax.nn.softmax(scores / temperature, axis=-1)
    hard = jax.nn.one_hot(jnp.argmax(scores, axis=-1), scores.shape[-1], dtype=scores.dtype)
    return hard + (soft - jax.lax.stop_gradient(soft))
