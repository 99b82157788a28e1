"""SRNN: recurrent networks on the nodes and edges of a graph of the body, shared by what is alike.

Source: Jain, Zamir, Savarese, Saxena, *Structural-RNN: deep learning on spatio-temporal graphs*, CVPR 2016, and its
code; row "SRNN" of the thesis's Tables 8 and 9. Five nodes: spine, two arms, two legs. An edge reads the features of
the parts that it joins (linear 256, ReLU, linear 256, LSTM 512), a node reads the states of its edges (LSTM 512, linear
256, ReLU, linear 100, ReLU, linear) and writes the next features of its part. Arms share all weights, and legs do, and
so do edges between the same kinds of part: seven edge networks, three node networks. Where a node has several edges of
one kind, as the spine has to both arms, their features are summed, as in the code.

With `model.hidden` H for 512, 256 is H / 2 and 100 is 25 H / 128. Left and right are exchanged as they are: rotations
are not mirrored.

Departures: in the code's default setting the temporal edges have no LSTM, and layers above an LSTM also read its
input. That code has no action code: here the spine reads and writes it. The paper's own text was not at hand.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import FORCING, Experiment, ModelConfig, at_least, one_of
from motion_jax.errors import UserError
from motion_jax.models import next_frame
from motion_jax.models.next_frame import Network
from motion_jax.nn.cells import CELLS, CellWeights, Gates, LSTMParams, LSTMState
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, contract, make_operand, product, save_for_backward
from motion_jax.nn.dense import Dense
from motion_jax.nn.mlp import init_mlp
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.skeleton import PARTS, Skeleton
from motion_jax.types import Array, Model

Joined = tuple[tuple[str, ...], ...]  # the parts that an edge joins; once for each edge whose features are summed
Selections = dict[str, np.ndarray]  # by part, [N, W]

ARMS, LEGS = ("left_arm", "right_arm"), ("left_leg", "right_leg")
EDGES: dict[str, tuple[Joined, ...]] = {
    "spine": ((("spine",),), (), ()),
    "arm": ((), *(((arm,),) for arm in ARMS)),
    "leg": ((), *(((leg,),) for leg in LEGS)),
    "spine_arm": (tuple(("spine", arm) for arm in ARMS), *((("spine", arm),) for arm in ARMS)),
    "spine_leg": (tuple(("spine", leg) for leg in LEGS), *((("spine", leg),) for leg in LEGS)),
    "arm_arm": ((), (ARMS,), (ARMS[::-1],)),
    "leg_leg": ((), (LEGS,), (LEGS[::-1],)),
}
"""The kinds of edge, from a part to itself a frame later or to another; and for each kind what it joins for the node in
the centre, for the left one and for the right one. () where there is none: a place that is computed and never read.
"""
NODES: dict[str, tuple[slice, tuple[str, ...], tuple[str, ...]]] = {
    "spine": (slice(0, 2), ("spine", "spine_arm", "spine_leg"), ("spine",)),
    "arm": (slice(1, 3), ("arm", "spine_arm", "arm_arm"), ARMS),
    "leg": (slice(1, 3), ("leg", "spine_leg", "leg_leg"), LEGS),
}
"""The kinds of node, two places each: which places of which edges they read, and the parts that they write. The spine
leaves its second place empty.
"""


def part_selections(space: PoseSpace) -> Selections:
    """For each of `PARTS` a 0-1 matrix `[N, W]`: a frame times it is the part's features; times its transpose, back.

    Every feature of a frame belongs to one part. The root's translation goes with the spine, whose root it moves; the
    one-hot action too, for the spine alone is joined to every other part. A left part and its right one have the same
    W features in the same order, paired by the joints' names. A column that is kept on one side only stands on the
    other as a column of zeros: that side reads zero there, and what it writes there is dropped.

    Raises:
        UserError: no kept column moves the spine, an arm or a leg, or left and right have different joints.
    """
    skeleton = space.skeleton
    place = {column: feature for feature, column in enumerate(space.kept)}
    features: dict[str, list[int | None]] = {}
    for kind, parts in {"spine": ("spine", "spine"), "arm": ARMS, "leg": LEGS}.items():
        both = [(place.get(one), place.get(other)) for one, other in _paired_columns(skeleton, *parts)]
        seen = [pair for pair in both if pair != (None, None)]
        if not seen:
            raise UserError(f"model.name='srnn': no column that varies moves a part of kind {kind!r}")
        features |= {part: [pair[side] for pair in seen] for side, part in enumerate(parts)}
    features["spine"] += range(len(space.kept), space.width)
    return {part: _selection(features[part], space.width) for part in PARTS}


def edge_selections(selections: Selections, edge: str) -> list[np.ndarray]:
    """`[N, W1 + W2]` for each place: a frame times it is what the edge reads, the features of the parts in order."""
    read = [[np.hstack([selections[part] for part in parts]) for parts in joined] for joined in EDGES[edge]]
    empty = np.zeros_like(next(matrices[0] for matrices in read if matrices))
    return [np.sum(matrices, axis=0) if matrices else empty for matrices in read]


def _paired_columns(skeleton: Skeleton, part: str, opposite: str) -> list[tuple[int, int]]:
    """Columns of a frame that move `part`, each with its counterpart in `opposite`, which may be the same part."""
    own = skeleton.part_columns(part)
    if part == opposite:
        return list(zip(own, own, strict=True))
    mirrored = [skeleton.index(_mirror(skeleton.joints[joint])) for joint in skeleton.part_joints(part)]
    if sorted(mirrored) != list(skeleton.part_joints(opposite)):
        raise UserError(f"skeleton {skeleton.name}: {part} and {opposite} must have the same joints but for the side")
    return list(zip(own, (3 + 3 * joint + axis for joint in mirrored for axis in range(3)), strict=True))


def _mirror(joint: str) -> str:
    """The right joint's name: of LeftFoot, LThumb and L_Wrist_End, it is RightFoot, RThumb and R_Wrist_End."""
    return "Right" + joint.removeprefix("Left") if joint.startswith("Left") else "R" + joint.removeprefix("L")


def _selection(features: list[int | None], width: int) -> np.ndarray:
    return np.array([[feature == own for own in features] for feature in range(width)], np.float32)


CELL = CELLS["lstm"]
EDGE_PLACES, NODE_PLACES = 3, 2  # centre, left, right; of a node two of these


class EdgeParams(NamedTuple):
    """One edge network, for W features."""

    before: tuple[Dense, ...]  # W -> H/2 -> H/2
    cell: LSTMParams


class NodeParams(NamedTuple):
    """One node network, for W features."""

    cell: LSTMParams
    after: tuple[Dense, ...]  # H -> H/2 -> 25 H/128 -> W


class SrnnParams(NamedTuple):
    """By the names in `EDGES` and `NODES`."""

    edges: dict[str, EdgeParams]
    nodes: dict[str, NodeParams]


class Grouped(NamedTuple):
    """One layer of all networks of a sort, for one batched product."""

    weights: Operand  # [networks, I, O]
    bias: Array | None  # [networks, 1, 1, O]


class SrnnWeights(NamedTuple):
    """The parameters as what products read. The first layers of all edges read one frame and the last layers of all
    nodes write one, so each are one product, whose zeros say which part reads and writes what.
    """

    first: Operand  # [N, E] of all places of all edges, side by side
    second: Grouped
    edge_inputs: Grouped
    edge_recurrent: Grouped
    node_inputs: Grouped
    node_recurrent: Grouped
    after: tuple[Grouped, ...]  # all but the last
    last: Operand  # [L, N] of all places of all nodes, one below the other


class States(NamedTuple):
    """Of every place of every network: arrays `[networks, B, places, H]`."""

    edges: LSTMState
    nodes: LSTMState


@dataclasses.dataclass(frozen=True)
class SrnnConfig(ModelConfig):
    """The fields of `srnn`."""

    name: str = "srnn"
    hidden: int = 1024  # H of the nodes; every other width is scaled with it
    noise: str = "none"  # added to the frames that it learns from; "fragkiadaki": growing by iteration

    UNREAD: ClassVar[tuple[str, ...]] = (*FORCING, "data.representation")

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        one_of("model.noise", self.noise, next_frame.NOISES)


def make(config: SrnnConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The network of the paper, its widths scaled with `model.hidden`. Raises `UserError` as `part_selections` does."""
    compute = compute_of(experiment.compute)
    selections = part_selections(space)
    network = Network(
        init=functools.partial(_init, selections, config.hidden),
        weights=functools.partial(_maps, selections, compute),
        zeros=functools.partial(_zeros, config.hidden),
        embed=_embed,
        step=_step,
        read=_read,
    )
    return next_frame.make(experiment, space, network, config.noise)


def _init(selections: Selections, hidden: int, key: Array) -> SrnnParams:
    keys = iter(jax.random.split(key, 2 * (len(EDGES) + len(NODES))))
    half, last = max(1, hidden // 2), max(1, 25 * hidden // 128)
    edges, nodes = {}, {}
    for name in EDGES:
        read = edge_selections(selections, name)[0].shape[1]
        edges[name] = EdgeParams(init_mlp(next(keys), (read, half, half)), CELL.init(next(keys), half, hidden))
    for name, (_, read, parts) in NODES.items():
        cell = CELL.init(next(keys), len(read) * hidden, hidden)
        nodes[name] = NodeParams(cell, init_mlp(next(keys), (hidden, half, last, selections[parts[0]].shape[1])))
    return SrnnParams(edges, nodes)


def _maps(selections: Selections, compute: Compute, params: SrnnParams) -> SrnnWeights:
    edges, nodes = [params.edges[name] for name in EDGES], [params.nodes[name] for name in NODES]
    return SrnnWeights(
        first=_first(selections, compute, params),
        second=_group([edge.before[1] for edge in edges], compute),
        edge_inputs=_group([(edge.cell.w_input, edge.cell.b) for edge in edges], compute),
        edge_recurrent=_group([(edge.cell.w_hidden, None) for edge in edges], compute),
        node_inputs=_group([(node.cell.w_input, node.cell.b) for node in nodes], compute),
        node_recurrent=_group([(node.cell.w_hidden, None) for node in nodes], compute),
        after=tuple(_group(layer, compute) for layer in zip(*(node.after[:-1] for node in nodes), strict=True)),
        last=_last(selections, compute, params),
    )


def _first(selections: Selections, compute: Compute, params: SrnnParams) -> Operand:
    """Each edge's rows put where its features lie in a frame."""
    layers = [(selection, params.edges[name].before[0]) for name in EDGES for selection in
              edge_selections(selections, name)]  # fmt: skip
    weights = jnp.concatenate([_exactly(selection, layer.w) for selection, layer in layers], axis=1)
    return make_operand(weights, jnp.concatenate([layer.b for _, layer in layers]), compute)


def _last(selections: Selections, compute: Compute, params: SrnnParams) -> Operand:
    """Each part's columns put where its features lie in a frame."""
    weights, biases = [], []
    for name, (_, _, parts) in NODES.items():
        layer = params.nodes[name].after[-1]
        written = [_exactly(layer.w, selections[part].T) for part in parts]
        weights += written + [jnp.zeros_like(written[0])] * (NODE_PLACES - len(parts))
        biases += [_exactly(layer.b, selections[part].T) for part in parts]
    return make_operand(jnp.concatenate(weights), jnp.stack(biases).sum(axis=0), compute)


def _exactly(left: Any, right: Any) -> Array:
    """A product with a selection, which moves numbers and may not round them."""
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)


def _group(layers: Sequence[tuple[Array, Array | None]], compute: Compute) -> Grouped:
    """Layers of weights and bias, all with a bias or none."""
    biases = [bias[None, None] for _, bias in layers if bias is not None]
    weights = make_operand(jnp.stack([weights for weights, _ in layers]), None, compute)
    return Grouped(weights, jnp.stack(biases) if biases else None)


def _zeros(hidden: int, batch: int, dtype: Any) -> States:
    edges, nodes = (len(EDGES), batch, EDGE_PLACES, hidden), (len(NODES), batch, NODE_PLACES, hidden)
    return States(CELL.zeros(edges, dtype), CELL.zeros(nodes, dtype))


def _embed(weights: SrnnWeights, frames: Array) -> Gates:
    """Frames `[..., B, N]` to what the edges' cells add to their gates, each `[..., edges, B, places, H]`."""
    first = jax.nn.relu(save_for_backward(product(frames.reshape(-1, frames.shape[-1]), weights.first)))
    first = first.reshape(first.shape[0], len(EDGES), EDGE_PLACES, -1)
    gates = _multiply(_multiply(jnp.swapaxes(first, 0, 1), weights.second), weights.edge_inputs)
    gates = gates.reshape(len(EDGES), *frames.shape[:-1], EDGE_PLACES, -1)
    return _part(jnp.moveaxis(gates, 0, frames.ndim - 2))


def _step(weights: SrnnWeights, states: States, gates: Gates) -> tuple[States, Array]:
    """All edges, then all nodes; returns the states and the nodes' h `[nodes, B, places, H]`."""
    edges = _advance(weights.edge_inputs, weights.edge_recurrent, states.edges, gates)
    by_name = dict(zip(EDGES, edges.h, strict=True))
    read = [jnp.concatenate([by_name[name][:, places] for name in names], axis=-1)
            for places, names, _ in NODES.values()]  # fmt: skip
    x = _part(_multiply(jnp.stack(read), weights.node_inputs))
    nodes = _advance(weights.node_inputs, weights.node_recurrent, states.nodes, x)
    return States(edges, nodes), nodes.h


def _read(weights: SrnnWeights, h: Array) -> Array:
    """The nodes' h `[..., nodes, B, places, H]` to the next frames `[..., B, N]`."""
    x = jnp.moveaxis(h, -4, 0)
    lead = x.shape[1:-2]
    x = x.reshape(len(NODES), -1, *h.shape[-2:])
    for layer in weights.after:
        x = jax.nn.relu(save_for_backward(_multiply(x, layer)))
    return product(jnp.swapaxes(x, 0, 1).reshape(*lead, -1), weights.last)


def _advance(inputs: Grouped, recurrent: Grouped, state: LSTMState, x: Gates) -> LSTMState:
    """One step of every place of every network."""
    return CELL.step(CellWeights(inputs.weights, recurrent.weights), state, x, _multiply(CELL.output(state), recurrent))


def _multiply(x: Array, layer: Grouped) -> Array:
    """x `[networks, B, places, I]` to `[networks, B, places, O]`, each network by its own weights."""
    y = contract("gbpi,gio->gbpo", x, layer.weights)
    return y if layer.bias is None else y + layer.bias


def _part(gates: Array) -> Gates:
    return tuple(jnp.split(gates, CELL.gates, axis=-1))
