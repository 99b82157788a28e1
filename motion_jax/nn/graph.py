"""Graph convolution with a dense, learned adjacency, in residual blocks (Mao et al. 2019).

A node is a column of the pose (an angle, a coordinate); its features are those of its trajectory. Which nodes belong
together is nowhere given: each layer learns all n x n weights of its own. Nodes are the leading axis, `[n, B, F]`, so
that each layer is two large matrix products, `[n, n] x [n, B F]` and `[n B, F] x [F, F']`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.nn.deferred_grad import Compute, contract, make_operand, product
from motion_jax.nn.dense import uniform
from motion_jax.nn.dropout import dropout
from motion_jax.nn.norm import BatchNorm, batch_norm, init_batch_norm
from motion_jax.types import Array


class GraphConvolution(NamedTuple):
    """y = A x W + b, in each sequence."""

    adjacency: Array  # [n, n]
    w: Array  # [F, F']
    b: Array  # [F']


class GraphLayer(NamedTuple):
    """A graph convolution, batch normalisation with statistics for each node and feature, tanh, dropout."""

    convolution: GraphConvolution
    norm: BatchNorm  # each leaf [n, F']


class GraphNetwork(NamedTuple):
    """A layer, residual blocks of two layers each, a convolution without activation; its input is added at the end."""

    first: GraphLayer
    blocks: tuple[tuple[GraphLayer, GraphLayer], ...]
    last: GraphConvolution


def init_graph_convolution(key: Array, nodes: int, inputs: int, outputs: int) -> GraphConvolution:
    """All of U(-1/sqrt(F'), 1/sqrt(F')), the adjacency too, as in the authors' code [recalled]; consumes `key`."""
    adjacency, w, b = jax.random.split(key, 3)
    return GraphConvolution(
        uniform(adjacency, (nodes, nodes), outputs),
        uniform(w, (inputs, outputs), outputs),
        uniform(b, (outputs,), outputs),
    )


def init_graph_network(key: Array, nodes: int, features: int, hidden: int, blocks: int) -> GraphNetwork:
    """From `features` through `hidden` back to `features`; consumes `key`."""
    first, *middle, last = jax.random.split(key, 2 * blocks + 2)
    layers = [_init_layer(k, nodes, hidden, hidden) for k in middle]
    return GraphNetwork(
        _init_layer(first, nodes, features, hidden),
        tuple(zip(layers[::2], layers[1::2], strict=True)),
        init_graph_convolution(last, nodes, hidden, features),
    )


def _init_layer(key: Array, nodes: int, inputs: int, outputs: int) -> GraphLayer:
    norm = jax.tree.map(lambda leaf: leaf.reshape(nodes, outputs), init_batch_norm(nodes * outputs))
    return GraphLayer(init_graph_convolution(key, nodes, inputs, outputs), norm)


def graph_convolution(params: GraphConvolution, x: Array, compute: Compute) -> Array:
    """x `[n, B, F]` to `[n, B, F']`; the nodes are mixed on the narrower side of the two."""
    adjacency = make_operand(params.adjacency, None, compute)
    weights = make_operand(params.w, params.b, compute)
    if params.w.shape[0] < params.w.shape[1]:
        return product(contract("mbf,nm->nbf", x, adjacency), weights)
    return contract("mbf,nm->nbf", product(x, weights.replace(bias=None)), adjacency) + params.b


def graph_network(
    params: GraphNetwork, x: Array, compute: Compute, train: bool = False, keys: Array | None = None, rate: float = 0.0
) -> tuple[Array, GraphNetwork]:
    """x `[n, B, F]` to `[n, B, F]`, and `params` with the running statistics after this batch where `train`.

    Args:
        params: of the network.
        x: features of all nodes.
        compute: how products are computed.
        train: normalise with the statistics of this batch.
        keys: `[B]`, for dropout; None: without it.
        rate: of dropout.
    """
    layer = functools.partial(_layer, compute=compute, train=train, keys=keys, rate=rate)
    y, first = layer(params.first, x, 0)
    blocks = []
    for i, (one, two) in enumerate(params.blocks):
        z, one = layer(one, y, 2 * i + 1)
        z, two = layer(two, z, 2 * i + 2)
        y = y + z
        blocks.append((one, two))
    return x + graph_convolution(params.last, y, compute), params._replace(first=first, blocks=tuple(blocks))


def _layer(
    params: GraphLayer, x: Array, site: int, compute: Compute, train: bool, keys: Array | None, rate: float
) -> tuple[Array, GraphLayer]:
    y = graph_convolution(params.convolution, x, compute)
    y, norm = jax.vmap(functools.partial(batch_norm, train=train))(params.norm, y)
    return dropout(keys, site, rate, jnp.tanh(y), axis=1), params._replace(norm=norm)
