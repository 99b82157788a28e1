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
from motion_jax.nn.deferred_grad.products import einsum
from motion_jax.nn.dense import uniform
from motion_jax.nn.dropout import dropout, kept, scale_of_kept
from motion_jax.nn.norm import EPSILON, BatchNorm, LayerNorm, batch_norm, init_batch_norm, moved_running
from motion_jax.types import Array, Running


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
    if train and compute.fast:
        return _trained_network(params, x, compute, keys, rate)
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


def _trained_network(
    params: GraphNetwork, x: Array, compute: Compute, keys: Array | None, rate: float
) -> tuple[Array, GraphNetwork]:
    """`graph_network` where it is trained: a loop over the blocks, and layers of their own reverse rule.

    A loop compiles in the time of one block, and what its reverse pass reads is where the layers put it.
    """
    layer = functools.partial(_trained_layer, compute=compute, keys=keys, rate=rate)

    def block(y: Array, now: tuple[Array, tuple[GraphLayer, GraphLayer]]) -> tuple[Array, tuple[Running, Running]]:
        i, (one, two) = now
        z, of_one = layer(one, y, 2 * i + 1)
        z, of_two = layer(two, z, 2 * i + 2)
        return y + z, (of_one, of_two)

    y, of_first = layer(params.first, x, 0)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params.blocks)
    y, of_blocks = jax.lax.scan(block, y, (jnp.arange(len(params.blocks)), stacked))
    moved = functools.partial(_moved, count=x.shape[1])
    blocks = []
    for i, pair in enumerate(params.blocks):
        one, two = jax.tree.map(lambda leaf, i=i: leaf[i], of_blocks)
        blocks.append((moved(pair[0], one), moved(pair[1], two)))
    y = x + graph_convolution(params.last, y, compute)
    return y, params._replace(first=moved(params.first, of_first), blocks=tuple(blocks))


def _moved(params: GraphLayer, batch: Running, count: int) -> GraphLayer:
    running = moved_running(params.norm.running, batch, count)
    return params._replace(norm=params.norm._replace(running=running))


def _trained_layer(
    params: GraphLayer, x: Array, site: int | Array, compute: Compute, keys: Array | None, rate: float
) -> tuple[Array, Running]:
    """The layer's result, and mean and biased variance of this batch."""
    norm = LayerNorm(params.norm.scale, params.norm.shift)
    if keys is None or not rate:
        return _activated(compute, 1.0, params.convolution, norm, x, None)
    shape = (*x.shape[:2], params.convolution.w.shape[1])
    return _activated(compute, scale_of_kept(rate), params.convolution, norm, x, kept(keys, site, rate, shape, axis=1))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _activated(
    compute: Compute, factor: float, convolution: GraphConvolution, norm: LayerNorm, x: Array, mask: Array | None
) -> tuple[Array, Running]:
    """tanh of the normalised convolution, times `factor` where `mask`; its statistics carry no gradient.

    Of its own reverse rule, which keeps two arrays of numbers and the mask: default autodiff keeps seven, and is bound
    by memory.
    """
    return _activated_forward(compute, factor, convolution, norm, x, mask)[0]


class _Kept(NamedTuple):
    """What the reverse rule reads of a layer."""

    convolution: GraphConvolution
    norm: LayerNorm
    x: Array  # [n, B, F]
    values: Array  # [n, B, F'] normalised, before scale and shift
    root: Array  # [n, 1, F'] one over the standard deviation
    mask: Array | None  # [n, B, F'] bool


def _activated_forward(
    compute: Compute, factor: float, convolution: GraphConvolution, norm: LayerNorm, x: Array, mask: Array | None
) -> tuple[tuple[Array, Running], _Kept]:
    y = graph_convolution(convolution, x, compute)
    mean = jnp.mean(y, axis=1, keepdims=True)
    variance = jnp.mean((y - mean) ** 2, axis=1, keepdims=True)
    root = jax.lax.rsqrt(variance + EPSILON)
    values = (y - mean) * root
    y = _masked(jnp.tanh(_scaled(norm, values)), factor, mask)
    return (y, Running(mean[:, 0], variance[:, 0])), _Kept(convolution, norm, x, values, root, mask)


def _activated_reverse(
    compute: Compute, factor: float, residuals: _Kept, cotangents: tuple[Array, Running]
) -> tuple[GraphConvolution, LayerNorm, Array, None]:
    convolution, norm, x, values, root, mask = residuals
    y = jnp.tanh(_scaled(norm, values))
    d = _masked(cotangents[0], factor, mask) * (1 - y * y)
    shift = jnp.sum(d, axis=1)
    scale = jnp.sum(d * values, axis=1)
    along, mean = (total[:, None] / d.shape[1] for total in (scale, shift))
    d = (d - mean - values * along) * (norm.scale[:, None] * root)
    of_convolution, d_x = _convolution_gradients(convolution, x, d, compute)
    return of_convolution, LayerNorm(scale, shift), d_x, None


_activated.defvjp(_activated_forward, _activated_reverse)


def _scaled(norm: LayerNorm, values: Array) -> Array:
    return values * norm.scale[:, None] + norm.shift[:, None]


def _masked(y: Array, factor: float, mask: Array | None) -> Array:
    return y if mask is None else jnp.where(mask, y * factor, 0)


def _convolution_gradients(
    params: GraphConvolution, x: Array, d: Array, compute: Compute
) -> tuple[GraphConvolution, Array]:
    """Of `graph_convolution`: of its parameters and of x, where that of its result is `d`.

    With y = A (x W) + b = (A x) W + b, the gradient of A is that of A x times x: x W need not be kept, nor its gradient
    be formed. Products are of matrices as they lie in memory: of three axes the compiler turns some first.
    """
    product = functools.partial(einsum, compute=compute, dtype=x.dtype)
    columns = d.reshape(-1, d.shape[-1])  # [n B, F']
    of_mixed = product("pg,fg->pf", columns, params.w).reshape(len(x), -1)  # [n, B F]
    mixed = product("nm,mp->np", params.adjacency, x.reshape(len(x), -1)).reshape(-1, x.shape[-1])
    adjacency = product("np,mp->nm", of_mixed, x.reshape(len(x), -1))
    weights = product("pf,pg->fg", mixed, columns)
    d_x = product("nm,np->mp", params.adjacency, of_mixed).reshape(x.shape)
    return GraphConvolution(adjacency, weights, jnp.sum(columns, axis=0)), d_x
