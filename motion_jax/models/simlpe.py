"""siMLPe: an MLP over the DCT of what was observed, that predicts P frames at once.

Observed frames go through the DCT over time, a linear layer over columns, L blocks of `nn/mixer.py` (a linear layer
over time, layer normalisation over columns, a skip connection; no activation), a linear layer over columns and the
inverse DCT; the first P frames of the result, added to the last observed frame, are the prediction. Longer ones are
made in turns (`models/one_shot.py`).

Source: Guo, Du, Shen, Lepetit, Alameda-Pineda, Moreno-Noguer, *Back to MLP: a simple baseline for human motion
prediction*, WACV 2023, and the authors' code, whose beginning this is: weights over time and of the last layer next to
zero, so that training begins with the last frame held.

Departures: the layers over time have no bias, which the norm would take out. The authors' code reads metres; here
frames are normalised column by column, as for every model. Theirs learns from windows of P future frames; here windows
may hold more, of which the first P count.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import FORCING, DataConfig, Experiment, ModelConfig, at_least, at_most
from motion_jax.models.one_shot import loss_of_window, one_shot
from motion_jax.nn.deferred_grad import compute_of, product
from motion_jax.nn.dense import Dense, dense_weights
from motion_jax.nn.mixer import Mixer, dct_time, init_columns, init_mixer, inverse_dct_time, mix, mixer_weights
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Model


@dataclasses.dataclass(frozen=True)
class SimlpeConfig(ModelConfig):
    """The fields of `simlpe`."""

    name: str = "simlpe"
    layers: int = 48  # L, blocks
    predicted: int = 10  # P, frames at once

    UNREAD: ClassVar[tuple[str, ...]] = FORCING

    def __post_init__(self) -> None:
        at_least("model.layers", self.layers, 1)
        at_least("model.predicted", self.predicted, 1)

    @property
    def width(self) -> int:
        """That of a narrow network: its matrices are of the size of a frame, or of the time observed."""
        return 64

    def check(self, data: DataConfig) -> None:
        """The inverse DCT makes S frames: P must be among them, and windows must hold them."""
        check_predicted(self.predicted, data)


class SimlpeParams(NamedTuple):
    """Parameters."""

    before: Dense  # [n, n], over columns
    blocks: Mixer
    after: Dense  # [n, n]


def check_predicted(predicted: int, data: DataConfig) -> None:
    """Raises `UserError` unless P frames are no more than S and than T."""
    at_most("model.predicted", predicted, "data.source_length", data.source_length)
    at_most("model.predicted", predicted, "data.target_length", data.target_length)


def make(config: SimlpeConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The action's columns are not read."""
    columns, length = len(space.kept), experiment.data.source_length
    compute = compute_of(experiment.compute)

    def init(key: Array) -> SimlpeParams:
        ends, blocks = jax.random.split(key)
        before, after = init_columns(ends, columns, columns, columns)
        return SimlpeParams(before, init_mixer(blocks, config.layers, length, columns), after)

    def predict(params: SimlpeParams, history: Array) -> Array:
        x = dct_time(jnp.swapaxes(history, 0, 1), compute)
        x = product(x, dense_weights(params.before, compute))
        x = mix(mixer_weights(params.blocks, compute), x)
        x = product(x, dense_weights(params.after, compute))
        return jnp.swapaxes(inverse_dct_time(x, config.predicted, compute), 0, 1) + history[:, -1:]

    return Model(init, one_shot(predict, space), train_loss=loss_of_window(predict, experiment, space))
