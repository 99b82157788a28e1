"""ST-Transformer: joints as tokens, each attending to its own past and to the other joints of its frame.

Source: Aksan, Kaufmann, Cao and Hilliges, "A spatio-temporal transformer for 3D human motion prediction", 3DV 2021,
recalled and not checked against the paper or its code: an embedding of its own for each joint, sinusoidal positions
over time, blocks of causal attention over time, of queries, keys and values of each joint's own, beside attention over
the joints of a frame, whose queries are each joint's own and whose keys and values are shared; both summed, then a
feed-forward layer; the next frame is the last one plus what each joint's linear layer reads out.

What differs: the temporal maps and the feed-forward layers are shared by all joints, and the spatial ones are the same
for all, so that a layer is one product for the whole body; joints are told apart by their embeddings, and by a learned
vector each that is added to them. The coordinates of a joint are those of the space that the network works in. The
action is not read. Keys and values of frames once read are kept: a free-running step computes one frame.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import Experiment, at_least
from motion_jax.models.autoregressive import AutoregressiveConfig, Network, divide_into_heads
from motion_jax.models.autoregressive import make as make_autoregressive
from motion_jax.models.joint_grid import JointGrid, joint_grid
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, contract, make_operand
from motion_jax.nn.dense import Dense, uniform
from motion_jax.nn.dropout import dropout
from motion_jax.nn.mlp import apply_mlp, init_mlp, mlp_weights
from motion_jax.nn.norm import LayerNorm, init_layer_norm, layer_norm
from motion_jax.nn.positions import sinusoidal_positions
from motion_jax.nn.self_attention import (
    Cache,
    attend_heads,
    causal_mask,
    empty_cache,
    heads_weights,
    init_heads,
    project_keys,
    write_cache,
)
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model

SITES = 3  # of dropout in a block


class Block(NamedTuple):
    """A block's parameters, or the same as what products read."""

    temporal: Any
    spatial: Any
    feed_forward: tuple
    norms: tuple[LayerNorm, ...]  # behind each of temporal, spatial, feed_forward


class StTransformerParams(NamedTuple):
    """Parameters: K tokens (joints) of C coordinates."""

    embed: Dense  # [K, C, H], [K, H]: each joint's own
    blocks: tuple[Block, ...]
    read_out: Dense  # [K, H, C], [K, C]


class StTransformerWeights(NamedTuple):
    """The same as what products read; biases of the joints apart."""

    embed: tuple[Operand, Array]
    blocks: tuple[Block, ...]
    read_out: tuple[Operand, Array]


class State(NamedTuple):
    """What was read."""

    caches: tuple[Cache, ...]  # of each block, `[S + T - 1, B K, heads, d]`
    read: Array  # [] int32, frames read


@dataclasses.dataclass(frozen=True)
class StTransformerConfig(AutoregressiveConfig):
    """The fields of `st_transformer`."""

    name: str = "st_transformer"
    hidden: int = 32  # H, of one joint
    heads: int = 4
    feed_forward: int = 64  # width between the two layers

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("model.feed_forward", self.feed_forward, 1)
        divide_into_heads(self.hidden, self.heads)


def make(config: StTransformerConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model of the given sizes."""
    compute, grid = compute_of(experiment.compute), joint_grid(space)
    network = Network(
        init=functools.partial(_init, config, grid),
        weights=functools.partial(_weights, compute),
        start=functools.partial(_start, config, grid),
        read=functools.partial(_read, config, grid),
    )
    return make_autoregressive(experiment, space, network, config.free_running)


def _init(config: StTransformerConfig, grid: JointGrid, key: Array) -> StTransformerParams:
    embed, bias, *blocks = jax.random.split(key, 2 + config.layers)
    joints, coordinates, hidden = grid.tokens, grid.coordinates, config.hidden

    def block(key: Array) -> Block:
        temporal, spatial, feed_forward = jax.random.split(key, 3)
        return Block(
            temporal=init_heads(temporal, hidden, config.heads),
            spatial=init_heads(spatial, hidden, config.heads),
            feed_forward=init_mlp(feed_forward, (hidden, config.feed_forward, hidden)),
            norms=tuple(init_layer_norm(hidden) for _ in range(SITES)),
        )

    return StTransformerParams(
        embed=Dense(
            uniform(embed, (joints, coordinates, hidden), coordinates), uniform(bias, (joints, hidden), coordinates)
        ),
        blocks=tuple(map(block, blocks)),
        # zero, so that it starts as zero-velocity
        read_out=Dense(jnp.zeros((joints, hidden, coordinates)), jnp.zeros((joints, coordinates))),
    )


def _weights(compute: Compute, params: StTransformerParams) -> StTransformerWeights:
    def block(p: Block) -> Block:
        temporal, spatial = (heads_weights(part, compute) for part in (p.temporal, p.spatial))
        return Block(temporal, spatial, mlp_weights(p.feed_forward, compute), p.norms)

    embed, read_out = ((make_operand(part.w, None, compute), part.b) for part in (params.embed, params.read_out))
    return StTransformerWeights(embed, tuple(map(block, params.blocks)), read_out)


def _start(
    config: StTransformerConfig,
    grid: JointGrid,
    weights: StTransformerWeights,
    history: Array,
    length: int,
    keys: Array | None,
) -> tuple[None, State]:
    """Reads all observed frames but the last."""
    seen, batch = history.shape[:2]
    room = (seen - 1 + length, batch * grid.tokens, config.heads, config.hidden)
    empty = State(tuple(empty_cache(*room) for _ in weights.blocks), jnp.zeros((), jnp.int32))
    return None, _read(config, grid, weights, None, empty, history[:-1], keys)[0]


def _read(
    config: StTransformerConfig,
    grid: JointGrid,
    weights: StTransformerWeights,
    context: None,
    state: State,
    frames: Array,
    keys: Array | None,
) -> tuple[State, Array]:
    """L more frames `[L, B, N]`: the state after them, and the change `[L, B, n]` from each to the next."""
    del context
    length, batch = frames.shape[:2]
    joints, hidden = grid.tokens, config.hidden
    poses = grid.to_grid(frames[..., : int(grid.mask.sum())])
    embed, bias = weights.embed
    position = sinusoidal_positions(state.read + jnp.arange(length), hidden)
    x = contract("lbkc,kch->lbkh", poses, embed) + bias + position[:, None, None]
    x = dropout(keys, 0, config.dropout, x, axis=1)
    caches = []
    for number, (block, cache) in enumerate(zip(weights.blocks, state.caches, strict=True)):

        def sub_layer(site: int, x: Array, y: Array, number: int = number, block: Block = block) -> Array:
            dropped = dropout(keys, 1 + SITES * number + site, config.dropout, y, axis=1)
            return layer_norm(block.norms[site], x + dropped)

        in_time = x.reshape(length, batch * joints, hidden)
        caches.append(write_cache(cache, project_keys(block.temporal, in_time), state.read))
        mask = causal_mask(length, len(cache.keys), state.read)
        past = attend_heads(block.temporal, in_time, caches[-1], mask).reshape(x.shape)
        in_space = jnp.moveaxis(x, 2, 0).reshape(joints, length * batch, hidden)
        body = attend_heads(block.spatial, in_space, project_keys(block.spatial, in_space), mask=None)
        body = jnp.moveaxis(body.reshape(joints, length, batch, hidden), 0, 2)
        x = sub_layer(0, x, past) + sub_layer(1, x, body)
        x = sub_layer(2, x, apply_mlp(block.feed_forward, x))
    read_out, bias = weights.read_out
    change = contract("lbkh,khc->lbkc", x, read_out) + bias
    return State(tuple(caches), state.read + length), grid.from_grid(change)
