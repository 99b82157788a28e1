"""HisRepItself (Mao et al. 2020): attention over the motion's own past, then graph convolution over DCT coefficients.

The last L observed frames are a query; every L frames that are followed by P others are a key. Where they match, the
DCT of those L + P frames says how the motion went on then; the weighted mean of these stands beside the DCT of the last
L frames and P copies of the last one. A graph network, in which each column of the pose is a node, corrects the latter.
It is trained to give back the observed frames too; predictions longer than P are made in turns.

As in the authors' code: L = P = 10, all 20 coefficients, weights that are scores divided by their sum (no softmax),
convolutions without bias. The authors divide the input of the attention by 1000, which cancels in the weights; here
columns are normalised, which weighs them differently. In later turns the authors let the past grow [recalled]; here it
is always the last S frames. `Model.attend` is None: its weights are of single frames, these are of windows.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import FORCING, DataConfig, Experiment, ModelConfig, at_least
from motion_jax.errors import UserError
from motion_jax.losses import make_loss
from motion_jax.models.learn_traj_dep import padded_dct
from motion_jax.models.one_shot import loss_of_trajectory, one_shot, true_trajectory
from motion_jax.nn.dct import dct_matrix
from motion_jax.nn.deferred_grad import Compute, compute_of, make_operand, product
from motion_jax.nn.dense import uniform
from motion_jax.nn.dropout import check_rate
from motion_jax.nn.graph import GraphNetwork, graph_network, init_graph_network
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model

EPSILON = 1e-15  # added to the scores, so that their sum is not 0


class Convolutions(NamedTuple):
    """Two convolutions over time without bias, a ReLU behind each."""

    first: Array  # [L // 2 + 1, n, H]
    second: Array  # [L - L // 2, H, H]


class HisRepItselfParams(NamedTuple):
    """Of the attention and the graph network."""

    query: Convolutions
    key: Convolutions
    graph: GraphNetwork


@dataclasses.dataclass(frozen=True)
class HisRepItselfConfig(ModelConfig):
    """The fields of `his_rep_itself`."""

    name: str = "his_rep_itself"
    hidden: int = 256  # H, of attention and graph network
    blocks: int = 12  # of two graph convolutions each
    dropout: float = 0.3
    observed: int = 10  # L, frames of a query
    predicted: int = 10  # P, frames that are predicted at once

    UNREAD = FORCING

    def __post_init__(self) -> None:
        for field in ("hidden", "blocks", "observed", "predicted"):
            at_least(f"model.{field}", getattr(self, field), 1)
        check_rate("model.dropout", self.dropout)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` if no window of the past fits into what is observed."""
        if self.observed + self.predicted > data.source_length:
            raise UserError(
                f"data.source_length={data.source_length}: must be at least model.observed + model.predicted, "
                f"{self.observed} + {self.predicted}"
            )


def make(config: HisRepItselfConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model; `experiment.train.loss` measures L observed frames and P predicted ones."""
    nodes, compute = len(space.kept), compute_of(experiment.compute)
    observed, length = config.observed, config.observed + config.predicted
    loss = make_loss(experiment.train.loss, space)
    dct = dct_matrix(length)  # [K, L + P]
    to_coefficients = padded_dct(dct, observed)

    def init(key: Array) -> HisRepItselfParams:
        query, keys, graph = jax.random.split(key, 3)
        return HisRepItselfParams(
            _init_convolutions(query, nodes, config.hidden, observed),
            _init_convolutions(keys, nodes, config.hidden, observed),
            init_graph_network(graph, nodes, 2 * length, config.hidden, config.blocks),
        )

    def trajectory(
        params: HisRepItselfParams, history: Array, train: bool = False, keys: Array | None = None
    ) -> tuple[Array, HisRepItselfParams]:
        """`[B, L + P, n]` from `[B, S, n]`."""
        weights = attention_weights(params, history, config.predicted, compute)
        own = jnp.einsum("btn,tk->nbk", history[:, -observed:], to_coefficients)
        past = jnp.einsum("btn,kt->nbk", mean_window(weights, history, length), dct)
        x = jnp.concatenate([own, past], axis=-1)
        y, graph = graph_network(params.graph, x, compute, train, keys, config.dropout)
        return jnp.einsum("nbk,kt->btn", y[..., :length], dct), params._replace(graph=graph)

    def predict(params: HisRepItselfParams, history: Array) -> Array:
        return trajectory(params, history)[0][:, observed:]

    def train_loss(params: Any, batch: Batch, keys: Array, step: Array) -> tuple[Array, Any]:
        del step
        frames, moved = trajectory(params, batch.history[..., :nodes], train=True, keys=keys)
        return loss_of_trajectory(loss, frames, true_trajectory(batch, observed), batch), moved

    return Model(init, one_shot(predict, space), train_loss=train_loss, whole_batch=True)


def attention_weights(params: HisRepItselfParams, history: Array, predicted: int, compute: Compute) -> Array:
    """`[B, W]`, of the W = S - L - P + 1 windows of the past, the earliest first; they sum to 1."""
    over_time = jnp.swapaxes(history, 0, 1)
    observed = params.query.first.shape[0] + params.query.second.shape[0] - 1
    query = _convolve(params.query, over_time[-observed:], compute)[0]  # [B, H]
    keys = _convolve(params.key, over_time[:-predicted], compute)  # [W, B, H]
    scores = jnp.sum(query * keys, axis=-1).T + EPSILON
    return scores / jnp.sum(scores, axis=-1, keepdims=True)


def mean_window(weights: Array, history: Array, length: int) -> Array:
    """The mean `[B, length, n]` of windows of `history` `[B, S, n]`, with weights `[B, W]`, W = S - length + 1."""
    shifted = [jnp.pad(weights, ((0, 0), (t, length - 1 - t))) for t in range(length)]
    return jnp.einsum("bts,bsn->btn", jnp.stack(shifted, axis=1), history)


def _init_convolutions(key: Array, inputs: int, hidden: int, observed: int) -> Convolutions:
    first, second = jax.random.split(key)
    early, late = observed // 2 + 1, observed - observed // 2  # 6 and 5 of 10 frames
    return Convolutions(
        uniform(first, (early, inputs, hidden), early * inputs),
        uniform(second, (late, hidden, hidden), late * hidden),
    )


def _convolve(params: Convolutions, x: Array, compute: Compute) -> Array:
    """x `[F, B, n]` to `[F - L + 1, B, H]`."""
    for kernel in params:
        count = len(x) - len(kernel) + 1
        windows = jnp.concatenate([x[t : t + count] for t in range(len(kernel))], axis=-1)
        x = jax.nn.relu(product(windows, make_operand(kernel.reshape(-1, kernel.shape[-1]), None, compute)))
    return x
