"""DCT mixer: our own forecaster, an MLP over time and columns that predicts the whole future at once.

What was observed is told relative to the last observed frame, with that beside it; it goes through the DCT over time, a
linear layer over columns and L blocks x + norm(x mixed over time + x mixed over columns), then through a linear layer
over columns and the inverse DCT; the first P frames of the result are added to the last observed frame. Weights begin
next to zero, so that training begins with the last frame held.

It goes on from siMLPe (`simlpe.py`). What differs: the frames relative to the last one, so that a body which
holds its joints otherwise looks the same; the mixing of columns in every block; half as many blocks; all T frames at
once; and several members, trained side by side, whose mean is the prediction. What each is worth was measured:
docs/benchmarks/forecasting.md.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import FORCING, DataConfig, Experiment, ModelConfig, at_least, one_of
from motion_jax.errors import UserError
from motion_jax.models.one_shot import each_in_turns, loss_of_window, one_shot, with_code
from motion_jax.models.simlpe import check_predicted
from motion_jax.nn.deferred_grad import compute_of, product
from motion_jax.nn.dense import Dense, dense_weights
from motion_jax.nn.mixer import Mixer, dct_time, init_columns, init_mixer, inverse_dct_time, mix, mixer_weights
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

REFERENCES = ("both", "root", "last", "none")


@dataclasses.dataclass(frozen=True)
class DctMixerConfig(ModelConfig):
    """The fields of `dct_mixer`."""

    name: str = "dct_mixer"
    layers: int = 24  # L, blocks
    hidden: int = 0  # C, columns that blocks mix; 0: as many as a frame has
    columns: bool = True  # blocks mix columns as well as time
    reference: str = "both"  # frames are told relative to the last one, and that beside them; or its "root" alone;
    # "last": nothing beside them; "none": frames as they are
    predicted: int = 0  # P, frames at once; 0: all T
    members: int = 1  # M networks, trained side by side, whose mean is the prediction

    UNREAD: ClassVar[tuple[str, ...]] = FORCING

    def __post_init__(self) -> None:
        at_least("model.layers", self.layers, 1)
        at_least("model.hidden", self.hidden, 0)
        at_least("model.predicted", self.predicted, 0)
        at_least("model.members", self.members, 1)
        one_of("model.reference", self.reference, REFERENCES)

    @property
    def width(self) -> int:
        """That of a narrow network, whichever C."""
        return 64

    def check(self, data: DataConfig) -> None:
        """The inverse DCT makes S frames: P must be among them, and windows must hold them."""
        if not self.predicted and data.target_length > data.source_length:
            raise UserError(
                f"model.predicted=0: predicts all data.target_length={data.target_length} frames at once, which must "
                f"be at most data.source_length={data.source_length}: name a smaller number"
            )
        check_predicted(self.predicted or data.target_length, data)


class DctMixerParams(NamedTuple):
    """Parameters of M members, `[M, ...]`; of one, inside a loop over them."""

    before: Dense  # [n, C] or [2 n, C], over columns
    blocks: Mixer
    after: Dense  # [C, n]


def _columns_beside(reference: str, space: PoseSpace) -> np.ndarray:
    """Which columns of the last frame stand beside frames that are told relative to it."""
    columns = np.arange(len(space.kept))
    if reference == "both":
        return columns
    return columns[space.triples <= 1] if reference == "root" else columns[:0]  # 0: the translation, 1: the first joint


def make(config: DctMixerConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The action's columns are not read."""
    count, length = len(space.kept), experiment.data.source_length
    frames = config.predicted or experiment.data.target_length
    compute = compute_of(experiment.compute)
    beside = _columns_beside(config.reference, space)  # of the last frame

    def init_member(key: Array) -> DctMixerParams:
        ends, blocks = jax.random.split(key)
        width = config.hidden or count
        before, after = init_columns(ends, count + len(beside), width, count)
        return DctMixerParams(before, init_mixer(blocks, config.layers, length, width, config.columns), after)

    def init(key: Array) -> DctMixerParams:
        return jax.vmap(init_member)(jax.random.split(key, config.members))

    def predict_member(params: DctMixerParams, history: Array) -> Array:
        x = jnp.swapaxes(history, 0, 1)
        if config.reference != "none":
            last = x[-1:]
            x = x - last
            if len(beside):
                shape = (*x.shape[:-1], len(beside))
                x = jnp.concatenate([x, jnp.broadcast_to(last[..., beside], shape)], axis=-1)
        x = product(dct_time(x, compute), dense_weights(params.before, compute))
        x = mix(mixer_weights(params.blocks, compute), x)
        x = product(x, dense_weights(params.after, compute))
        return jnp.swapaxes(inverse_dct_time(x, frames, compute), 0, 1) + history[:, -1:]

    def predict_each(params: DctMixerParams, history: Array) -> Array:
        return jax.lax.map(lambda member: predict_member(member, history), params)

    def predict(params: DctMixerParams, history: Array) -> Array:
        return jnp.mean(predict_each(params, history), axis=0)

    def members(params: DctMixerParams, history: Array, length: int) -> Array:
        """In turns each reads what all have predicted, as the prediction itself is made."""
        frames = each_in_turns(predict_each, params, history[..., :count], length)
        return jax.vmap(with_code, (0, None))(frames, history[..., count:])

    of_member = loss_of_window(predict_member, experiment, space)

    def train_loss(params: DctMixerParams, batch: Batch, keys: Array, step: Array) -> tuple[Array, Params]:
        """The mean of the members' own losses: each learns as it would alone."""
        losses = jax.lax.map(lambda member: of_member(member, batch, keys, step)[0], params)
        return jnp.mean(losses), params

    return Model(init, one_shot(predict, space), train_loss=train_loss, members=members if config.members > 1 else None)
