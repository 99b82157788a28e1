"""LSTM-3LR: three recurrent layers behind one affine layer.

Source: Fragkiadaki, Levine, Felsen, Malik, *Recurrent network models for human dynamics*, ICCV 2015, section 4, the
baseline of ERD; row "LSTM-3LR" of the thesis's Tables 8 and 9. Linear 500; three LSTM layers of 1000; linear to the
next frame. With `model.hidden` H for 1000, 500 is H / 2; `model.layers` is the number of LSTM layers. The code of
Jain et al. 2016, whose LSTM-3LR the tables quote, lacks the first linear layer and lets every LSTM layer read the input
and write the output; the paper's own text was not at hand.
"""

from __future__ import annotations

import dataclasses

from motion_jax.config import Experiment
from motion_jax.models import next_frame
from motion_jax.nn.cells import CELLS
from motion_jax.nn.stack import Stack
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Model


@dataclasses.dataclass(frozen=True)
class Lstm3lrConfig(next_frame.StackedConfig):
    """The fields of `lstm_3lr`."""

    name: str = "lstm_3lr"


def make(config: Lstm3lrConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The network of the paper, its widths scaled with `model.hidden`."""
    stack = Stack(CELLS["lstm"], (max(1, config.hidden // 2),), config.hidden, config.layers, (space.width,))
    return next_frame.make_stacked(experiment, space, stack, config.noise)
