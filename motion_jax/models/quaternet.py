"""QuaterNet: a recurrent or convolutional network that turns every joint by a quaternion a step.

Sources: Pavllo, Grangier and Auli, "QuaterNet: a quaternion-based recurrent model for human motion", BMVC 2018, checked
against the authors' published short-term code; Pavllo, Feichtenhofer, Auli and Grangier, "Modeling human motion with
quaternion-based neural networks", IJCV 2019, which adds the convolutional network. The thesis cites it and says that
quaternions made its own results worse; its tables hold no row of it.

From the code: two GRU layers from a learned state; the linear read-out of a joint is a quaternion, which is multiplied
with the joint's (its residual connection), then normalised; its squared distance from unit norm is penalised before.
The angle loss is `train.loss = "euler"`; the position loss, `"position"`.

What differs. Frames go in and out as everywhere here, normalised exponential maps, and are quaternions only inside: a
prediction that is fed back passes through its exponential map, which drops what a dropped column cannot hold. Signs of
quaternions follow the frame before, in the observed frames and in the predicted ones, so that the network reads no
jump; predicted angles come out in [0, pi]. Joints that never move are left out (the code has all 32). The read-out
is added to the identity and starts at zero, so that the network starts as zero-velocity. The root's translation is a
further input and output, added to the frame before (the code predicts it outright, and not in the short-term task);
the action is a further input that the output repeats. The angle losses teach nothing about the translation.

The convolutional network could not be checked against the paper: here `model.layers` causal layers of width 2,
dilations 1, 2, 4, ..., leaky rectifiers and skip connections (`nn.convolution`), fed its own predictions.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from motion_jax.config import DataConfig, Experiment, ModelConfig, at_least, one_of
from motion_jax.errors import UserError
from motion_jax.losses import make_loss
from motion_jax.models.quaternions import Layout, align, align_sequence, layout, to_frames, to_quaternions, turn
from motion_jax.nn import cells, convolution
from motion_jax.nn.cells import CELLS, Cell
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, product, save_for_backward, scan_deferred_grad
from motion_jax.nn.dense import Dense, dense_weights
from motion_jax.nn.scans import init_layers, scan
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model, Params

INITIAL = 0.01  # standard deviation of the fresh learned state


class QuaterNetParams(NamedTuple):
    """The network over time and its read-out."""

    layers: tuple  # of cells, or of convolutions
    initial: Array | None  # [layers, H] the state before the first frame; None of convolutions
    read_out: Dense  # H -> 4 J + translation


class QuaterNetWeights(NamedTuple):
    """The same as what products read."""

    layers: tuple
    initial: Array | None
    read_out: Operand


class Core(NamedTuple):
    """A network over time, frame by frame. `x` is `[B, I]`, `h` `[B, H]`."""

    init: Callable[[Array, int], tuple[tuple, Array | None]]  # (key, I) -> layers, initial
    weights: Callable[[Any, Compute], Any]  # of one layer
    observe: Callable[[QuaterNetWeights, Array], Any]  # frames [S - 1, B, I] -> state
    step: Callable[[tuple, Any, Array], tuple[Any, Array]]  # (layers, state, x) -> state, h


class Inputs(NamedTuple):
    """What one step is given from outside, or `[T, ...]` of it."""

    teacher: Array  # [B, N] the true previous frame
    forced: Array  # [B] above 0: read `teacher`


class Carry(NamedTuple):
    """What one step hands to the next."""

    state: Any
    quaternions: Array  # [B, J, 4] the last that were read
    frame: Array  # [B, N] the last prediction


@dataclasses.dataclass(frozen=True)
class QuaterNetConfig(ModelConfig):
    """The fields of `quaternet`."""

    name: str = "quaternet"
    hidden: int = 1024  # H
    layers: int = 1
    cell: str = "gru"  # of the recurrent network
    convolutional: bool = False  # dilated convolutions over time in place of the recurrent network
    unit_penalty: float = 0.01  # weight of the quaternions' squared distance from unit norm

    UNREAD: ClassVar[tuple[str, ...]] = ("data.representation",)  # it has quaternions of its own

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 1)
        at_least("model.layers", self.layers, 1)
        one_of("model.cell", self.cell, CELLS)
        at_least("model.unit_penalty", self.unit_penalty, 0)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` where convolutions see more frames than there are."""
        field = convolution.receptive_field(self.layers)
        if self.convolutional and field > data.source_length:
            raise UserError(
                f"model.layers={self.layers}: convolutions over {field} frames need data.source_length of at least as "
                f"many; it is {data.source_length}"
            )


def make(config: QuaterNetConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """Raises `UserError` where no joint moves."""
    loss = make_loss(experiment.train.loss, space)
    core, parts = _core(config), _layout(space)
    compute = compute_of(experiment.compute)
    translated = parts.angles.start
    inputs = 4 * parts.joints + translated + len(space.actions)

    def init(key: Array) -> QuaterNetParams:
        layers, initial = core.init(key, inputs)
        outputs = 4 * parts.joints + translated
        return QuaterNetParams(layers, initial, Dense(jnp.zeros((config.hidden, outputs)), jnp.zeros(outputs)))

    def prepare(params: QuaterNetParams) -> QuaterNetWeights:
        layers = tuple(core.weights(layer, compute) for layer in params.layers)
        return QuaterNetWeights(layers, params.initial, dense_weights(params.read_out, compute))

    def forward(params: Params, history: Array, future: Array, forced: Array) -> tuple[Array, Array]:
        weights = prepare(params) if isinstance(params, QuaterNetParams) else params
        return run(core, parts, weights, Batch(history, future), forced)

    def apply(params: QuaterNetParams | QuaterNetWeights, history: Array, future: Array, forced: Array) -> Array:
        return forward(params, history, future, forced)[0]

    def loss_and_grad(
        params: QuaterNetParams, batch: Batch, forced: Array, key: Array, step: Array
    ) -> tuple[Array, Params]:
        del key, step

        def value(params: QuaterNetParams) -> Array:
            prediction, changes = forward(params, batch.history, batch.future, forced)
            return loss(prediction, batch.future, batch.last) + config.unit_penalty * penalty(changes)

        return jax.value_and_grad(value)(params)

    return Model(init, apply, loss_and_grad=loss_and_grad if config.unit_penalty else None, prepare=prepare)


def run(core: Core, parts: Layout, weights: QuaterNetWeights, windows: Batch, forced: Array) -> tuple[Array, Array]:
    """Predictions `[B, T, N]` of `windows` `[B, S, N]`, `[B, T, N]`, and what joints were turned by, `[B, T, J, 4]`."""
    observed, future = (jnp.swapaxes(frames, 0, 1) for frames in (windows.history, windows.future))
    known = align_sequence(to_quaternions(parts, observed))
    state = core.observe(weights, _features(parts, known[:-1], observed[:-1]))
    teacher = jnp.concatenate([observed[-1:], future[:-1]])
    inputs = Inputs(teacher, jnp.swapaxes(forced, 0, 1).astype(observed.dtype))
    step, held = functools.partial(_step, core, parts), (weights.layers, weights.read_out)
    carry = Carry(state, known[-1], observed[-1])
    _, (frames, changes) = scan_deferred_grad(step, held, carry, inputs, weights.read_out.compute)
    return jnp.swapaxes(frames, 0, 1), jnp.swapaxes(changes, 0, 1)


def penalty(changes: Array) -> Array:
    """Mean over quaternions `[..., 4]` of the squared difference of their squared length from 1."""
    return jnp.mean((jnp.sum(changes**2, axis=-1) - 1) ** 2)


def _step(core: Core, parts: Layout, held: tuple, carry: Carry, now: Inputs) -> tuple[Carry, tuple[Array, Array]]:
    layers, read_out = held
    frame = jnp.where(now.forced[:, None] > 0, now.teacher, carry.frame)
    quaternions = align(to_quaternions(parts, frame), carry.quaternions)
    state, h = core.step(layers, carry.state, _features(parts, quaternions, frame))
    out = save_for_backward(product(h, read_out))
    turns, moves = jnp.split(out, [4 * parts.joints], axis=-1)
    changes = turns.reshape(quaternions.shape) + jnp.eye(4, dtype=out.dtype)[0]  # what is silent changes nothing
    after = to_frames(parts, turn(changes, quaternions), frame[:, parts.translation] + moves, frame[:, parts.code])
    return Carry(state, quaternions, after), (after, changes)


def _features(parts: Layout, quaternions: Array, frames: Array) -> Array:
    """What the network reads of quaternions `[..., J, 4]` and their frames `[..., N]`."""
    flat = quaternions.reshape(*quaternions.shape[:-2], -1)
    return jnp.concatenate([flat, frames[..., parts.translation], frames[..., parts.code]], axis=-1)


def _layout(space: PoseSpace) -> Layout:
    parts = layout(space)
    if not parts.joints:
        raise UserError("model.name='quaternet' needs a joint that moves; the data has none")
    return parts


def _core(config: QuaterNetConfig) -> Core:
    if not config.convolutional:
        return _recurrent(config, CELLS[config.cell])
    return Core(
        init=lambda key, inputs: (convolution.init_convolutions(key, inputs, config.hidden, config.layers), None),
        weights=dense_weights,
        observe=lambda weights, frames: convolution.convolve(weights.layers, frames)[0],
        step=convolution.convolve_step,
    )


def _recurrent(config: QuaterNetConfig, cell: Cell) -> Core:
    def init(key: Array, inputs: int) -> tuple[tuple, Array]:
        layers_key, initial_key = jax.random.split(key)
        layers = init_layers(layers_key, cell, inputs, config.hidden, config.layers, bidirectional=False)
        return layers, INITIAL * jax.random.normal(initial_key, (config.layers, config.hidden))

    def observe(weights: QuaterNetWeights, frames: Array) -> tuple:
        assert weights.initial is not None
        states = []
        for layer, initial in zip(weights.layers, weights.initial, strict=True):
            fresh = cell.zeros((frames.shape[1], config.hidden), frames.dtype)
            state, frames = scan(cell, layer, frames, jax.tree.map(lambda zeros, h=initial: zeros + h, fresh))
            states.append(state)
        return tuple(states)

    def step(layers: tuple, states: tuple, x: Array) -> tuple[tuple, Array]:
        after = []
        for layer, state in zip(layers, states, strict=True):
            after.append(cells.step_cell(cell, layer, state, x))
            x = cell.output(after[-1])
        return tuple(after), x

    return Core(init, cell.weights, observe, step)
