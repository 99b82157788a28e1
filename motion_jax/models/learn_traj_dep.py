"""LearnTrajDep (Mao et al. 2019): graph convolution over the DCT of each column's trajectory.

The last L observed frames are followed by copies of the last one, T of them; a graph network corrects the DCT
coefficients of the whole, in which each column of the pose is a node. It is trained to give back the observed frames
too. T is `data.target_length`; longer predictions are made in turns.

As in the authors' code [recalled]: L = 10, 12 residual blocks of width 256, tanh, batch normalisation with statistics
for each node and feature, dropout .5, all L + T coefficients (the paper: 20 for T = 10, 35 for T = 25). Here columns
are normalised, where the authors feed radians.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from motion_jax.config import FORCING, DataConfig, Experiment, ModelConfig, at_least, at_most
from motion_jax.losses import make_loss
from motion_jax.models.one_shot import loss_of_trajectory, one_shot, true_trajectory
from motion_jax.nn.dct import dct_matrix
from motion_jax.nn.deferred_grad import compute_of
from motion_jax.nn.dropout import check_rate
from motion_jax.nn.graph import GraphNetwork, graph_network, init_graph_network
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model


@dataclasses.dataclass(frozen=True)
class LearnTrajDepConfig(ModelConfig):
    """The fields of `learn_traj_dep`."""

    name: str = "learn_traj_dep"
    hidden: int = 256  # H, features of a node
    blocks: int = 12  # of two graph convolutions each
    dropout: float = 0.5
    observed: int = 10  # L, the last observed frames that are read

    UNREAD = FORCING

    def __post_init__(self) -> None:
        for field in ("hidden", "blocks", "observed"):
            at_least(f"model.{field}", getattr(self, field), 1)
        check_rate("model.dropout", self.dropout)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` if fewer frames are observed than are read."""
        at_most("model.observed", self.observed, "data.source_length", data.source_length)


def make(config: LearnTrajDepConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model; `experiment.train.loss` measures the observed and the predicted frames."""
    nodes, compute = len(space.kept), compute_of(experiment.compute)
    observed, length = config.observed, config.observed + experiment.data.target_length
    loss = make_loss(experiment.train.loss, space)
    dct = dct_matrix(length)  # [K, L + T]
    to_coefficients = padded_dct(dct, observed)

    def init(key: Array) -> GraphNetwork:
        return init_graph_network(key, nodes, length, config.hidden, config.blocks)

    def trajectory(
        params: GraphNetwork, history: Array, train: bool = False, keys: Array | None = None
    ) -> tuple[Array, GraphNetwork]:
        """`[B, L + T, n]` from `[B, S, n]`."""
        seen = history[:, -observed:]
        x = jnp.einsum("btn,tk->nbk", seen, to_coefficients)
        y, moved = graph_network(params, x, compute, train, keys, config.dropout)
        return jnp.einsum("nbk,kt->btn", y, dct), moved

    def predict(params: GraphNetwork, history: Array) -> Array:
        return trajectory(params, history)[0][:, observed:]

    def train_loss(params: Any, batch: Batch, keys: Array, step: Array) -> tuple[Array, Any]:
        del step
        frames, moved = trajectory(params, batch.history[..., :nodes], train=True, keys=keys)
        return loss_of_trajectory(loss, frames, true_trajectory(batch, observed), batch), moved

    return Model(init, one_shot(predict, space), train_loss=train_loss, whole_batch=True)


def padded_dct(dct: np.ndarray, observed: int) -> np.ndarray:
    """`[L, K]`: takes L frames to the DCT coefficients of them and copies of the last, given `dct` `[K, L + T]`."""
    padded = dct[:, :observed].copy()
    padded[:, -1] += dct[:, observed:].sum(axis=1)
    return padded.T
