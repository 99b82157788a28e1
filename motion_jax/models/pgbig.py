"""PGBIG (Ma et al. 2022): stages of graph networks over the DCT of joints, each a better guess for the next.

The last L observed frames are followed by copies of the last one, T of them (`data.target_length`). A stage corrects
the DCT coefficients of the whole and hands them to the next: an encoder of one residual block, and a decoder of two
that sees what was encoded twice over, one copy behind the other, and whose result is cut to L + T again. A graph layer
mixes joints, coordinates (features, inside) and coefficients, by a dense matrix each. The last stage learns the truth;
the one before it the truth whose future frames are averaged over all future frames up to them; the one before that the
same averaged once more, and so on. Longer predictions are made in turns.

Source: Ma, Nie, Long, Zhang, Li, *Progressively generating better initial guesses towards next stages for high-quality
human motion prediction*, CVPR 2022, and the authors' code: L = 10, T = 25, 4 stages, 16 features, tanh, dropout .3,
batch normalisation with statistics for each number that a layer makes, weights of U(-1/sqrt(joints), 1/sqrt(joints)).

Departures: the authors' code reads millimetres; here frames are normalised column by column. Left out is what cannot
matter: biases ahead of a batch normalisation, the half of the last layer whose result is cut off, and two batch
normalisations a stage that their code makes but does not call. So 22 joints have 1,437,356 parameters here, where the
authors print 1.74 M.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import FORCING, DataConfig, Experiment, ModelConfig, at_least, at_most
from motion_jax.losses import make_loss
from motion_jax.models.joint_grid import joint_grid
from motion_jax.models.learn_traj_dep import padded_dct
from motion_jax.models.one_shot import loss_of_trajectory, one_shot, true_trajectory
from motion_jax.nn.dct import dct_matrix
from motion_jax.nn.deferred_grad import Compute, compute_of, contract, make_operand, product
from motion_jax.nn.dense import Dense, dense_weights, init_dense, uniform
from motion_jax.nn.dropout import check_rate, dropout
from motion_jax.nn.norm import BatchNorm, batch_norm, init_batch_norm
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Model


@dataclasses.dataclass(frozen=True)
class PgbigConfig(ModelConfig):
    """The fields of `pgbig`."""

    name: str = "pgbig"
    hidden: int = 16  # H, features of a joint
    stages: int = 4
    encoder_blocks: int = 1  # of two graph layers each
    decoder_blocks: int = 2
    dropout: float = 0.3
    observed: int = 10  # L, the last observed frames that are read

    UNREAD: ClassVar[tuple[str, ...]] = FORCING

    def __post_init__(self) -> None:
        for field in ("hidden", "stages", "encoder_blocks", "decoder_blocks", "observed"):
            at_least(f"model.{field}", getattr(self, field), 1)
        check_rate("model.dropout", self.dropout)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` if fewer frames are observed than are read."""
        at_most("model.observed", self.observed, "data.source_length", data.source_length)


class Convolution(NamedTuple):
    """A linear map of F coefficients of J joints of C features, one axis after the other; from, to."""

    joints: Array  # [J, J]
    features: Array  # [C, C']
    time: Array  # [F, F']


class Layer(NamedTuple):
    """A convolution, batch normalisation with statistics for each number, tanh, dropout."""

    convolution: Convolution
    norm: BatchNorm  # each leaf [F', J C']


class Coder(NamedTuple):
    """A layer, residual blocks of two layers, a convolution; beside them all a linear map of features."""

    first: Layer
    blocks: tuple[tuple[Layer, Layer], ...]
    last: Convolution
    b: Array  # [F']
    beside: Dense  # [C, C']


class PgbigParams(NamedTuple):
    """Of all stages: each leaf has a leading axis for them."""

    encoder: Coder
    decoder: Coder


class Training(NamedTuple):
    """What training does that prediction does not."""

    keys: Array  # [B], for dropout
    rate: float  # of dropout


def make(config: PgbigConfig, experiment: Experiment, space: PoseSpace) -> Model:
    """The model; `experiment.train.loss` measures each stage's observed and predicted frames. Actions are not read."""
    columns, compute, grid = len(space.kept), compute_of(experiment.compute), joint_grid(space)
    observed, length = config.observed, config.observed + experiment.data.target_length
    loss = make_loss(experiment.train.loss, space)
    dct = dct_matrix(length)  # [F, L + T]
    to_coefficients = padded_dct(dct, observed)

    def init(key: Array) -> PgbigParams:
        def stage(key: Array) -> PgbigParams:
            encoder, decoder = jax.random.split(key)
            joints, inner, outer = grid.tokens, config.hidden, grid.coordinates
            lengths = (length, length, length), (2 * length, 2 * length, length)
            return PgbigParams(
                init_coder(encoder, joints, (outer, inner, inner), lengths[0], config.encoder_blocks),
                init_coder(decoder, joints, (inner, inner, outer), lengths[1], config.decoder_blocks),
            )

        return jax.vmap(stage)(jax.random.split(key, config.stages))

    def trajectories(params: PgbigParams, history: Array, keys: Array | None = None) -> tuple[Array, PgbigParams]:
        """`[stages, B, L + T, n]` from `[B, S, n]`; with keys `[B]` in training, and params with new statistics."""

        def stage(x: Array, now: tuple[PgbigParams, Array]) -> tuple[Array, tuple[Array, PgbigParams]]:
            coders, number = now
            training = None
            if keys is not None:
                training = Training(jax.vmap(lambda key: jax.random.fold_in(key, number))(keys), config.dropout)
            y, encoder = code(coders.encoder, grid.to_grid(x), 0, compute, training)
            y, decoder = code(coders.decoder, y, 1 + 2 * config.encoder_blocks, compute, training)
            x = grid.from_grid(y)
            return x, (x, PgbigParams(encoder, decoder))

        x = jnp.einsum("btn,tf->fbn", history[:, -observed:], to_coefficients)
        coefficients, moved = jax.lax.scan(stage, x, (params, jnp.arange(config.stages)))[1]
        return jnp.einsum("sfbn,ft->sbtn", coefficients, dct), moved

    def predict(params: PgbigParams, history: Array) -> Array:
        return trajectories(params, history)[0][-1, :, observed:]

    def train_loss(params: Any, batch: Batch, keys: Array, step: Array) -> tuple[Array, Any]:
        del step
        stages, moved = trajectories(params, batch.history[..., :columns], keys)
        target = true_trajectory(batch, observed)
        average = average_so_far(observed, length)
        losses = []
        for frames in stages[::-1]:
            losses.append(loss_of_trajectory(loss, frames, target, batch))
            target = jnp.einsum("st,btn->bsn", average, target)
        return jnp.mean(jnp.stack(losses)), moved

    return Model(init, one_shot(predict, space), train_loss=train_loss, whole_batch=True)


def average_so_far(observed: int, length: int) -> np.ndarray:
    """`[length, length]`, to and from: keeps the observed frames, and of each later one takes the mean of all frames
    from the first later one to it.
    """
    later = np.tril(np.ones((length - observed, length - observed)))
    matrix = np.eye(length)
    matrix[observed:, observed:] = later / later.sum(axis=1, keepdims=True)
    return matrix.astype(np.float32)


def init_coder(
    key: Array, joints: int, features: tuple[int, int, int], lengths: tuple[int, int, int], blocks: int
) -> Coder:
    """Of so many `features` and coefficients as it takes, has inside, and gives; consumes `key`."""
    (c, inside, c_out), (f, f_inside, f_out) = features, lengths
    first, last, b, beside, *middle = jax.random.split(key, 2 * blocks + 4)
    layers = [_init_layer(k, joints, (inside, inside), (f_inside, f_inside)) for k in middle]
    return Coder(
        _init_layer(first, joints, (c, inside), (f, f_inside)),
        tuple(zip(layers[::2], layers[1::2], strict=True)),
        _init_convolution(last, joints, (inside, c_out), (f_inside, f_out)),
        uniform(b, (f_out,), joints),
        init_dense(beside, c, c_out),
    )


def _init_layer(key: Array, joints: int, features: tuple[int, int], lengths: tuple[int, int]) -> Layer:
    made = (lengths[1], joints * features[1])
    norm = jax.tree.map(lambda leaf: leaf.reshape(made), init_batch_norm(int(np.prod(made))))
    return Layer(_init_convolution(key, joints, features, lengths), norm)


def _init_convolution(key: Array, joints: int, features: tuple[int, int], lengths: tuple[int, int]) -> Convolution:
    shapes = (joints, joints), features, lengths
    return Convolution(*(uniform(k, shape, joints) for k, shape in zip(jax.random.split(key, 3), shapes, strict=True)))


def code(params: Coder, x: Array, site: int, compute: Compute, training: Training | None) -> tuple[Array, Coder]:
    """x `[F, B, J, C]` to `[F', B, J, C']`, and `params` with new statistics in training.

    Where the first layer takes a multiple of F coefficients, it reads so many copies of x.

    Args:
        params: of the encoder or decoder.
        x: features of coefficients of joints.
        site: number of its first layer, for dropout; the others count on.
        compute: how products are computed.
        training: None in prediction.
    """
    layer = functools.partial(_layer, compute=compute, training=training)
    y, first = layer(params.first, x, site)
    blocks = []
    for i, (one, two) in enumerate(params.blocks):
        z, one = layer(one, y, site + 2 * i + 1)
        z, two = layer(two, z, site + 2 * i + 2)
        y = y + z
        blocks.append((one, two))
    y = _convolve(params.last, y, compute) + params.b[:, None, None, None]
    return y + product(x, dense_weights(params.beside, compute)), params._replace(first=first, blocks=tuple(blocks))


def _layer(params: Layer, x: Array, site: int, compute: Compute, training: Training | None) -> tuple[Array, Layer]:
    y = _convolve(params.convolution, x, compute)
    flat = y.reshape(*y.shape[:2], -1)
    flat, norm = jax.vmap(functools.partial(batch_norm, train=training is not None))(params.norm, flat)
    y = jnp.tanh(flat.reshape(y.shape))
    if training is not None:
        y = dropout(training.keys, site, training.rate, y, axis=1)
    return y, params._replace(norm=norm)


def _convolve(params: Convolution, x: Array, compute: Compute) -> Array:
    """x `[F, B, J, C]`, or that of which x is one of several equal copies; the axes in the order of least work."""
    time = params.time.reshape(-1, len(x), params.time.shape[1]).sum(axis=0)
    over_joints = ("fbjc,jk->fbkc", make_operand(params.joints, None, compute))
    over_features = ("fbjc,cd->fbjd", make_operand(params.features, None, compute))
    over_time = ("fbjc,fg->gbjc", make_operand(time, None, compute))
    steps = [over_features, over_joints, over_time]
    if time.shape[0] > time.shape[1]:
        steps = [over_features, over_time, over_joints]
    if params.features.shape[0] < params.features.shape[1]:
        steps = [*steps[1:], over_features]
    for equation, operand in steps:
        x = contract(equation, x, operand)
    return x
