"""ERD, encoder-recurrent-decoder: affine layers around recurrent ones.

Source: Fragkiadaki, Levine, Felsen, Malik, *Recurrent network models for human dynamics*, ICCV 2015, section 3; row
"ERD" of the thesis's Tables 8 and 9. Linear 500, ReLU, linear 500; two LSTM layers of 1000; linear 500, ReLU, linear
100, ReLU, linear to the next frame. With `model.hidden` H for 1000, 500 is H / 2 and 100 is H / 10;
`model.layers` is the number of LSTM layers. The affine widths agree with the code of Jain et al. 2016, whose ERD the
tables quote; there the upper LSTM layer also reads the network's input, and the output also the lower one, which is not
done here. The paper's own text was not at hand.
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
class ErdConfig(next_frame.StackedConfig):
    """The fields of `erd`."""

    name: str = "erd"


def make(config: ErdConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The network of the paper, its widths scaled with `model.hidden`."""
    half, tenth = max(1, config.hidden // 2), max(1, config.hidden // 10)
    stack = Stack(CELLS["lstm"], (half, half), config.hidden, config.layers, (half, tenth, space.width))
    return next_frame.make_stacked(experiment, space, stack, config.noise)
