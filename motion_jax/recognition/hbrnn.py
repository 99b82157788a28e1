"""HBRNN-L: a hierarchy of recurrent networks over five parts of the body, and the variants of its ablation.

Source: Du, Wang and Wang, "Hierarchical recurrent neural network for skeleton based action recognition", CVPR 2015.
Four bidirectional recurrent layers. The first has a network for each arm, each leg and the trunk; the second one for
each limb joined with the trunk, the third one for the upper and one for the lower body, the fourth one for the whole
body. A layer is tanh units but for the last, which is an LSTM. An affine layer gives scores of every frame, which are
summed over time; a softmax makes them probabilities.

The paper's names of its ablation, by fields (the first letters: hierarchical or deep, bi- or unidirectional; L or T:
the last layer LSTM or tanh):

    HBRNN-L  the defaults                       DURNN-L  hierarchy False, bidirectional False
    HURNN-L  bidirectional False                DBRNN-T  hierarchy False, last "tanh"
    DBRNN-L  hierarchy False                    DURNN-T  hierarchy False, bidirectional False, last "tanh"

The two directions of a layer are concatenated. The best runs of the paper had noise on inputs and weights in training,
dropout did not help it. What is ours, because the paper's text was not at hand: the widths of the layers (here those of
one network), that a deep variant's layer is as wide as the hierarchy's networks of that layer together, no peepholes
in the LSTM, and how strong the noise is.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import Experiment, ModelConfig, at_least, one_of
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.nn.cells import CELLS, Cell
from motion_jax.nn.deferred_grad import Compute, compute_of
from motion_jax.nn.dense import Dense, init_dense
from motion_jax.nn.scans import init_layer, scan_side_by_side
from motion_jax.recognition.classifier import Classifier
from motion_jax.recognition.over_time import add_noise, add_weight_noise, mean_output, sum_scores, time_first
from motion_jax.types import Array, Params

PARTS = ("left_arm", "right_arm", "left_leg", "right_leg", "spine")
FUSIONS = (((0, 4), (1, 4), (2, 4), (3, 4)), ((0, 1), (2, 3)), ((0, 1),))
"""Which networks of the layer below each network of a layer reads: limbs with the trunk, arms and legs, the halves."""
LAST = ("lstm", "tanh")


@dataclasses.dataclass(frozen=True)
class HbrnnConfig(ModelConfig):
    """The fields of `hbrnn`."""

    name: str = "hbrnn"
    hierarchy: bool = True  # False: one network a layer, of the whole body
    bidirectional: bool = True
    last: str = "lstm"  # the fourth layer's units, of LAST; those below are tanh
    part_hidden: int = 30  # units of each direction, of each of the five networks of the first layer
    limb_hidden: int = 60  # of each of the four of the second
    half_hidden: int = 60  # of each of the two of the third
    body_hidden: int = 80  # of the fourth layer
    input_noise: float = 0.0  # standard deviation, of normalised columns, in training
    weight_noise: float = 0.0  # standard deviation, of every parameter, in training

    TASK = "recognition"

    def __post_init__(self) -> None:
        one_of("model.last", self.last, LAST)
        for name in ("part_hidden", "limb_hidden", "half_hidden", "body_hidden"):
            at_least(f"model.{name}", getattr(self, name), 1)
        at_least("model.input_noise", self.input_noise, 0)
        at_least("model.weight_noise", self.weight_noise, 0)

    @property
    def width(self) -> int:
        """Of the widest layer."""
        return max(width * len(networks) for width, networks in zip(self._widths, _NETWORKS, strict=True))

    @property
    def _widths(self) -> tuple[int, ...]:
        return self.part_hidden, self.limb_hidden, self.half_hidden, self.body_hidden

    @property
    def paper_name(self) -> str:
        """As the paper's tables have it: "HBRNN-L"."""
        return f"{'DH'[self.hierarchy]}{'UB'[self.bidirectional]}RNN-{'LT'[self.last == 'tanh']}"

    @property
    def hidden_of_layers(self) -> tuple[int, ...]:
        """Units of each direction, of each network of the four layers."""
        if self.hierarchy:
            return self._widths
        return tuple(width * len(networks) for width, networks in zip(self._widths, _NETWORKS, strict=True))


_NETWORKS = (PARTS, *FUSIONS)


class HbrnnParams(NamedTuple):
    """Parameters, bottom first."""

    layers: tuple[tuple[Params, ...], ...]  # of each layer, of each of its networks: cell parameters
    read_out: Dense  # [directions * body_hidden, C]


def make(config: HbrnnConfig, experiment: Experiment, space: LabelSpace) -> Classifier:
    """The network over the columns of `space`.

    Raises:
        UserError: inputs are not of joints, or no joint belongs to one of the parts.
    """
    columns, fusions = _reading(config, space)
    directions = 2 if config.bidirectional else 1
    cells = (*[CELLS["rnn"]] * 3, CELLS["lstm" if config.last == "lstm" else "rnn"])
    compute, widths = compute_of(experiment.compute), config.hidden_of_layers

    def init(key: Array) -> HbrnnParams:
        below, layers = [len(own) for own in columns], []
        keys = jax.random.split(key, len(cells) + 1)
        for k, cell, hidden, reads in zip(keys, cells, widths, fusions, strict=False):
            inputs = [sum(below[n] for n in one) for one in reads]
            pairs = zip(jax.random.split(k, len(inputs)), inputs, strict=True)
            layers.append(tuple(init_layer(k, cell, i, hidden, bidirectional=config.bidirectional) for k, i in pairs))
            below = [directions * hidden] * len(inputs)
        return HbrnnParams(tuple(layers), init_dense(keys[-1], below[0], len(space.classes)))

    def outputs(params: HbrnnParams, frames: Array, mask: Array) -> Array:
        """Those of the last layer, `[T, B, directions * body_hidden]`."""
        below = [frames[..., own] for own in columns]
        for cell, layer, hidden, reads in zip(cells, params.layers, widths, fusions, strict=True):
            below = _run_layer(cell, layer, [_joined(below, one) for one in reads], hidden, mask, config, compute)
        return below[0]

    def scores(params: HbrnnParams, frames: Array, mask: Array) -> Array:
        x, mask = time_first(frames, mask)
        return sum_scores(params.read_out, outputs(params, x, mask), mask, compute)

    def embed(params: HbrnnParams, frames: Array, mask: Array) -> Array:
        x, mask = time_first(frames, mask)
        return mean_output(outputs(params, x, mask), mask)

    def train_outputs(params: HbrnnParams, frames: Array, mask: Array, keys: Array) -> tuple[Array, Array, HbrnnParams]:
        noisy = params
        if config.weight_noise:  # one draw for the batch, which is whole then
            noisy = add_weight_noise(jax.random.fold_in(keys[0], 1), config.weight_noise, params)
        x, mask = time_first(add_noise(keys, 0, config.input_noise, frames), mask)
        y = outputs(noisy, x, mask)
        return sum_scores(noisy.read_out, y, mask, compute), mean_output(y, mask), params

    def train_scores(params: HbrnnParams, frames: Array, mask: Array, keys: Array) -> tuple[Array, HbrnnParams]:
        return train_outputs(params, frames, mask, keys)[0], params

    noise = config.input_noise or config.weight_noise
    return Classifier(
        init,
        scores,
        train_scores if noise else None,
        embed,
        train_outputs,
        whole_batch=config.weight_noise > 0,
    )


def _reading(
    config: HbrnnConfig, space: LabelSpace
) -> tuple[list[np.ndarray], tuple[tuple[tuple[int, ...], ...], ...]]:
    """The columns that each network of the first layer reads, and of every layer which inputs its networks join."""
    if not config.hierarchy:
        return [np.arange(space.width)], (((0,),),) * len(_NETWORKS)
    columns = space.part_columns()
    for part in PARTS:
        if not columns[part]:
            raise UserError(
                f"model.hierarchy=True: no joint of the body is of the part {part!r}; set model.hierarchy=False"
            )
    first = tuple((n,) for n in range(len(PARTS)))
    return [np.array(columns[part]) for part in PARTS], (first, *FUSIONS)


def _joined(below: list[Array], numbers: tuple[int, ...]) -> Array:
    parts = [below[n] for n in numbers]
    return jnp.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def _run_layer(
    cell: Cell,
    layer: tuple[Params, ...],
    inputs: list[Array],
    hidden: int,
    mask: Array,
    config: HbrnnConfig,
    compute: Compute,
) -> list[Array]:
    weights = [cell.weights(params, compute) for params in layer]
    return scan_side_by_side(cell, weights, inputs, hidden, bidirectional=config.bidirectional, mask=mask)
