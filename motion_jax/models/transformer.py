"""The encoder-decoder Transformer, as a forecaster of frames.

Source: Vaswani et al., "Attention is all you need", NeurIPS 2017: scaled dot-product attention in heads (eq. 1),
sinusoidal positions (3.5), each sub-layer inside a skip connection that layer normalisation follows (3.1), feed-forward
layers with a ReLU (eq. 2), dropout on each sub-layer's output and on the embedded inputs (5.4).

The encoder reads the observed frames, each seeing all of them; the decoder starts from the last observed one and adds
what it reads out to the frame that it has read. It attends to what it has read before, never ahead, and to the
encoder's outputs. Keys and values of frames once read are kept: a free-running step computes one frame.

What differs from the paper: frames are embedded by a linear layer, unscaled, and positions count from the first
observed frame in the decoder too, whose first frame is the encoder's last. No label smoothing, and the schedule is the
configuration's.
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
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, product
from motion_jax.nn.dense import Dense, dense_weights, init_dense
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


class Layer(NamedTuple):
    """A layer's parameters, or the same as what products read."""

    attention: Any  # to the sequence itself
    cross: Any  # to the encoder's outputs; None in the encoder
    feed_forward: tuple
    norms: tuple[LayerNorm, ...]  # behind each of these


class TransformerParams(NamedTuple):
    """Parameters."""

    embed: Dense  # N -> H, of observed frames
    encoder: tuple[Layer, ...]
    embed_decoder: Dense
    decoder: tuple[Layer, ...]
    read_out: Dense  # H -> n


class TransformerWeights(NamedTuple):
    """The same as what products read."""

    embed: Operand
    encoder: tuple[Layer, ...]
    embed_decoder: Operand
    decoder: tuple[Layer, ...]
    read_out: Operand


class Context(NamedTuple):
    """What is made of the observed frames once."""

    encoded: tuple[Cache, ...]  # of each decoder layer, keys and values of the encoder's outputs


class State(NamedTuple):
    """What the decoder has read."""

    caches: tuple[Cache, ...]  # of each layer
    read: Array  # [] int32, frames read


@dataclasses.dataclass(frozen=True)
class TransformerConfig(AutoregressiveConfig):
    """The fields of `transformer`."""

    name: str = "transformer"
    heads: int = 4
    feed_forward: int = 256  # width between the two layers

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("model.feed_forward", self.feed_forward, 1)
        divide_into_heads(self.hidden, self.heads)


def make(config: TransformerConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model of the given sizes."""
    compute = compute_of(experiment.compute)
    network = Network(
        init=functools.partial(_init, config, space),
        weights=functools.partial(_weights, compute),
        start=functools.partial(_start, config),
        read=functools.partial(_read, config),
    )
    return make_autoregressive(experiment, space, network, config.free_running)


def _init(config: TransformerConfig, space: PoseSpace, key: Array) -> TransformerParams:
    embed, embed_decoder, encoder, decoder = jax.random.split(key, 4)
    hidden, motion = config.hidden, len(space.kept)
    return TransformerParams(
        embed=init_dense(embed, space.width, hidden),
        encoder=tuple(_init_layer(config, k, False) for k in jax.random.split(encoder, config.layers)),
        embed_decoder=init_dense(embed_decoder, space.width, hidden),
        decoder=tuple(_init_layer(config, k, True) for k in jax.random.split(decoder, config.layers)),
        read_out=Dense(jnp.zeros((hidden, motion)), jnp.zeros(motion)),  # so that it starts as zero-velocity
    )


def _init_layer(config: TransformerConfig, key: Array, crossed: bool) -> Layer:
    own, cross, feed_forward = jax.random.split(key, 3)
    return Layer(
        attention=init_heads(own, config.hidden, config.heads),
        cross=init_heads(cross, config.hidden, config.heads) if crossed else None,
        feed_forward=init_mlp(feed_forward, (config.hidden, config.feed_forward, config.hidden)),
        norms=tuple(init_layer_norm(config.hidden) for _ in range(2 + crossed)),
    )


def _weights(compute: Compute, params: TransformerParams) -> TransformerWeights:
    def layer(p: Layer) -> Layer:
        cross = None if p.cross is None else heads_weights(p.cross, compute)
        return Layer(heads_weights(p.attention, compute), cross, mlp_weights(p.feed_forward, compute), p.norms)

    return TransformerWeights(
        embed=dense_weights(params.embed, compute),
        encoder=tuple(map(layer, params.encoder)),
        embed_decoder=dense_weights(params.embed_decoder, compute),
        decoder=tuple(map(layer, params.decoder)),
        read_out=dense_weights(params.read_out, compute),
    )


def _start(
    config: TransformerConfig, weights: TransformerWeights, history: Array, length: int, keys: Array | None
) -> tuple[Context, State]:
    """Encodes what was observed, and makes room for what the decoder will read."""
    positions = sinusoidal_positions(jnp.arange(len(history)), config.hidden)
    x = dropout(keys, 0, config.dropout, product(history, weights.embed) + positions[:, None], axis=1)
    for number, layer in enumerate(weights.encoder):
        found = attend_heads(layer.attention, x, project_keys(layer.attention, x), mask=None)
        x = _sub_layer(config, keys, 1 + 2 * number, layer.norms[0], x, found)
        x = _sub_layer(config, keys, 2 + 2 * number, layer.norms[1], x, apply_mlp(layer.feed_forward, x))
    encoded = tuple(project_keys(layer.cross, x) for layer in weights.decoder)
    caches = tuple(empty_cache(length, x.shape[1], config.heads, config.hidden) for _ in weights.decoder)
    return Context(encoded), State(caches, jnp.zeros((), jnp.int32))


def _read(
    config: TransformerConfig,
    weights: TransformerWeights,
    context: Context,
    state: State,
    frames: Array,
    keys: Array | None,
) -> tuple[State, Array]:
    """The decoder's L next frames `[L, B, N]`: the state after them, and the change `[L, B, n]` from each."""
    observed, sites = len(context.encoded[0].keys), 1 + 2 * config.layers  # those of the encoder
    position = observed - 1 + state.read + jnp.arange(len(frames))
    x = product(frames, weights.embed_decoder) + sinusoidal_positions(position, config.hidden)[:, None]
    x = dropout(keys, sites, config.dropout, x, axis=1)
    caches = []
    for number, (layer, cache, encoded) in enumerate(zip(weights.decoder, state.caches, context.encoded, strict=True)):
        site = sites + 1 + 3 * number
        caches.append(write_cache(cache, project_keys(layer.attention, x), state.read))
        mask = causal_mask(len(frames), len(cache.keys), state.read)
        x = _sub_layer(config, keys, site, layer.norms[0], x, attend_heads(layer.attention, x, caches[-1], mask))
        x = _sub_layer(config, keys, site + 1, layer.norms[1], x, attend_heads(layer.cross, x, encoded, mask=None))
        x = _sub_layer(config, keys, site + 2, layer.norms[2], x, apply_mlp(layer.feed_forward, x))
    return State(tuple(caches), state.read + len(frames)), product(x, weights.read_out)


def _sub_layer(config: TransformerConfig, keys: Array | None, site: int, norm: LayerNorm, x: Array, y: Array) -> Array:
    return layer_norm(norm, x + dropout(keys, site, config.dropout, y, axis=1))
