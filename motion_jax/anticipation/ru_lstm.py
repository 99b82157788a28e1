"""RU-LSTM: a rolling LSTM that reads what passes and an unrolling LSTM that runs on from there to the action.

Source: Furnari and Farinella, "What would you expect? Anticipating egocentric actions with rolling-unrolling LSTMs and
modality attention", 2019, and "Rolling-unrolling LSTMs for action anticipation from first-person video", 2020.

At each anticipation time the unrolling LSTM begins with the rolling one's h and c and reads the current input again and
again, once for every step that remains and once more; what its last h says is the score. All anticipation times are
rows of one scan. In sequence-completion pre-training it reads the inputs that really follow.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.anticipation.anticipator import Anticipator
from motion_jax.config import Experiment, LabelsConfig, ModelConfig, TrainConfig, at_least, one_of, positive
from motion_jax.data.labelled.observations import Clock
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.nn.cells import CELLS, CellWeights, LSTMParams
from motion_jax.nn.deferred_grad import Compute, Operand, compute_of, product
from motion_jax.nn.dense import Dense, dense_weights, init_dense
from motion_jax.nn.dropout import check_rate, dropout
from motion_jax.nn.mlp import init_mlp, mlp_weights
from motion_jax.nn.scans import scan, scan_repeated
from motion_jax.types import Array

FUSIONS = ("none", "early", "late", "matt")
MODES = ("anticipation", "early_recognition")
LSTM = CELLS["lstm"]
SITES = 3  # of dropout in a branch: inputs of either LSTM, and the classifier's


class Branch(NamedTuple):
    """Parameters of the network of one modality."""

    rolling: LSTMParams  # [D -> H]
    unrolling: LSTMParams  # [D -> H]
    classifier: Dense  # H -> C


class RuLstmParams(NamedTuple):
    """Parameters; of one branch unless scores are fused."""

    branches: tuple[Branch, ...]
    attention: tuple[Dense, ...] = ()  # MATT: M 2 H -> M 2 H / 4 -> M 2 H / 8 -> M


class BranchWeights(NamedTuple):
    """A branch as what products read."""

    rolling: CellWeights
    unrolling: CellWeights
    classifier: Operand


class Rows(NamedTuple):
    """What draws the randomness of training, row by row, and decides on its stage."""

    keys: Array  # [B] PRNG keys
    completing: Array | None  # [] bool: the unrolling LSTM reads what really follows; None: in no stage


@dataclasses.dataclass(frozen=True)
class RuLstmConfig(ModelConfig):
    """The fields of `ru_lstm`. The authors' sizes for video: hidden=1024, dropout=0.8."""

    name: str = "ru_lstm"
    hidden: int = 128
    dropout: float = 0.5  # of both LSTMs' inputs, the classifier's and MATT's hidden layers
    mode: str = "anticipation"  # "early_recognition": A steps divide the action itself; alpha, encoding are not read
    alpha: float = 0.25  # s from step to step
    encoding: int = 6  # steps before the first score
    anticipation: int = 8  # A, steps with a score
    shifts: int = 1  # how often each segment is observed in training, up to half a step earlier and later
    fusion: str = "none"  # of several labels.inputs: one of FUSIONS
    pretrain_steps: int = 0  # updates of sequence-completion pre-training, with which training begins
    branch_steps: int = 0  # of matt: updates that follow, in which each branch learns by itself

    TASK: ClassVar[str] = "anticipation"
    UNREAD: ClassVar[tuple[str, ...]] = ("labels.window", "labels.hop", "labels.buckets")

    def __post_init__(self) -> None:
        at_least("model.hidden", self.hidden, 2)
        check_rate("model.dropout", self.dropout)
        one_of("model.mode", self.mode, MODES)
        positive("model.alpha", self.alpha)
        at_least("model.encoding", self.encoding, 0)
        at_least("model.anticipation", self.anticipation, 1)
        at_least("model.shifts", self.shifts, 1)
        one_of("model.fusion", self.fusion, FUSIONS)
        at_least("model.pretrain_steps", self.pretrain_steps, 0)
        at_least("model.branch_steps", self.branch_steps, 0)
        if self.branch_steps and self.fusion != "matt":
            raise UserError(f"model.branch_steps={self.branch_steps}: nothing reads it unless model.fusion is 'matt'")
        if self.mode == "early_recognition":
            if self.fusion == "matt":
                raise UserError("model.fusion='matt': early recognition takes the plain mean: model.fusion='late'")
            for field in ("alpha", "encoding"):
                if (value := getattr(self, field)) not in (0, getattr(RuLstmConfig, field)):
                    raise UserError(f"model.{field}={value}: early recognition, which divides the action, reads none")

    def check_run(self, labels: LabelsConfig, train: TrainConfig) -> None:
        """Raises `UserError`: a fusion of one modality, none of several, or stages that training does not end."""
        several = len(labels.input_names) > 1
        if several and self.fusion == "none":
            allowed = ", ".join(FUSIONS[1:])
            raise UserError(f"labels.inputs={labels.inputs!r}: several modalities need model.fusion={allowed}")
        if not several and self.fusion != "none":
            raise UserError(f"model.fusion={self.fusion!r}: labels.inputs={labels.inputs!r} names one modality only")
        if self.stages >= train.steps:
            raise UserError(
                f"train.steps={train.steps}: must be more than model.pretrain_steps + model.branch_steps="
                f"{self.stages}, which come before the network as a whole is trained"
            )

    @property
    def stages(self) -> int:
        """Updates before the network as a whole is trained."""
        return self.pretrain_steps + self.branch_steps

    @property
    def clock(self) -> Clock:
        """When it observes."""
        within = self.mode == "early_recognition"
        return Clock(self.alpha, 0 if within else self.encoding, self.anticipation, within)


def make(config: RuLstmConfig, experiment: Experiment, space: LabelSpace) -> Anticipator:
    """The network of the given sizes."""
    widths = (space.width,) if config.fusion == "early" else space.widths
    network = _Network(config, compute_of(experiment.compute))
    return Anticipator(
        init=functools.partial(_init, config, widths, len(space.classes)),
        scores=network.scores,
        train_scores=network.train_scores,
        clock=config.clock,
        shifts=config.shifts,
        last_stage=config.stages,
        weights=network.weights if config.fusion == "matt" else None,
    )


def _init(config: RuLstmConfig, widths: tuple[int, ...], classes: int, key: Array) -> RuLstmParams:
    attention, *keys = jax.random.split(key, 1 + len(widths))
    branches = tuple(_init_branch(config, width, classes, k) for width, k in zip(widths, keys, strict=True))
    if config.fusion != "matt":
        return RuLstmParams(branches)
    context = 2 * len(widths) * config.hidden
    return RuLstmParams(branches, init_mlp(attention, (context, context // 4, context // 8, len(widths))))


def _init_branch(config: RuLstmConfig, width: int, classes: int, key: Array) -> Branch:
    rolling, unrolling, classifier = jax.random.split(key, 3)
    return Branch(
        LSTM.init(rolling, width, config.hidden),
        LSTM.init(unrolling, width, config.hidden),
        init_dense(classifier, config.hidden, classes),
    )


@dataclasses.dataclass(frozen=True)
class _Network:
    config: RuLstmConfig
    compute: Compute

    def scores(self, params: RuLstmParams, inputs: tuple[Array, ...]) -> Array:
        """See `anticipator.Scores`."""
        scores, contexts = self._branches(params, inputs, None)
        if self.config.fusion != "matt":
            return jnp.moveaxis(scores.mean(0), 0, 1)
        return jnp.moveaxis(_weighted(scores, self._attend(params, contexts, None)), 0, 1)

    def weights(self, params: RuLstmParams, inputs: tuple[Array, ...]) -> Array:
        """MATT's, `[B, A, M]`: 0 to 1, together 1."""
        return jnp.moveaxis(self._attend(params, self._branches(params, inputs, None)[1], None), 0, 1)

    def train_scores(
        self, params: RuLstmParams, inputs: tuple[Array, ...], keys: Array, step: Array
    ) -> tuple[Array, Array]:
        """See `anticipator.TrainScores`. Of late fusion, each branch learns by itself all the time."""
        config = self.config
        rows = Rows(keys, step < config.pretrain_steps if config.pretrain_steps else None)
        scores, contexts = self._branches(params, inputs, rows)
        counts = jnp.ones(len(scores))
        if config.fusion == "matt":
            fused = _weighted(scores, self._attend(params, contexts, rows))
            jointly = (step >= config.pretrain_steps + config.branch_steps).astype(counts.dtype)
            scores = jnp.concatenate([scores, fused[None]])
            counts = jnp.append((1 - jointly) * counts, jointly)
        return jnp.moveaxis(scores, 1, 2), counts

    def _branches(
        self, params: RuLstmParams, inputs: tuple[Array, ...], rows: Rows | None
    ) -> tuple[Array, list[Array]]:
        """Scores `[M, A, B, C]`, and for MATT what either LSTM is left with, `[A, B, H]` arrays."""
        arrays = [jnp.concatenate(inputs, axis=-1)] if self.config.fusion == "early" else inputs
        scores, contexts = [], []
        for number, (branch, array) in enumerate(zip(params.branches, arrays, strict=True)):
            weights = _branch_weights(branch, self.compute)
            site = SITES * number
            h, c = _unrolled(self.config, weights, jnp.swapaxes(array, 0, 1), rows, site)
            scores.append(product(_drop(self.config, rows, site + 2, h), weights.classifier))
            contexts += [h, c]
        return jnp.stack(scores), contexts

    def _attend(self, params: RuLstmParams, contexts: list[Array], rows: Rows | None) -> Array:
        """`[A, B, M]`."""
        *hidden, last = mlp_weights(params.attention, self.compute)
        x, site = jnp.concatenate(contexts, axis=-1), SITES * len(params.branches)
        for number, layer in enumerate(hidden):
            x = _drop(self.config, rows, site + number, jax.nn.relu(product(x, layer)))
        return jax.nn.softmax(product(x, last), axis=-1)


def _weighted(scores: Array, weights: Array) -> Array:
    """Scores `[M, A, B, C]`, weights `[A, B, M]`, to `[A, B, C]`."""
    return jnp.einsum("mabc,abm->abc", scores, weights, precision=jax.lax.Precision.HIGHEST)


def _branch_weights(branch: Branch, compute: Compute) -> BranchWeights:
    rolling, unrolling = (LSTM.weights(p, compute) for p in (branch.rolling, branch.unrolling))
    return BranchWeights(rolling, unrolling, dense_weights(branch.classifier, compute))


def _unrolled(
    config: RuLstmConfig, weights: BranchWeights, x: Array, rows: Rows | None, site: int
) -> tuple[Array, Array]:
    """At each anticipation time the unrolling LSTM's last h and the rolling LSTM's c, `[A, B, H]`, of x `[S, B, D]`.

    The time that has A steps left needs A + 1 steps of unrolling, the last one 2. Every row of the scan runs A + 1 of
    them, and each takes its own output: those behind it are not read.
    """
    batch, count, begin = x.shape[1], config.anticipation, config.clock.encoding
    zeros = LSTM.zeros((batch, config.hidden), x.dtype)
    _, states = scan(LSTM, weights.rolling, _drop(config, rows, site, x), zeros, emit=lambda state: state)
    h, c = (leaf[begin:] for leaf in states)
    initial = type(states)(h.reshape(count * batch, -1), c.reshape(count * batch, -1))
    if rows is None or (not config.dropout and rows.completing is None):
        outputs = scan_repeated(LSTM, weights.unrolling, x[begin:].reshape(count * batch, -1), count + 1, initial)
    else:
        inputs = jnp.broadcast_to(x[begin:], (count + 1, count, *x.shape[1:]))
        if rows.completing is not None:
            inputs = jnp.where(rows.completing, x[_following(begin, count)], inputs)
        inputs = _drop(config, rows, site + 1, inputs)
        outputs = scan(LSTM, weights.unrolling, inputs.reshape(count + 1, count * batch, -1), initial)[1]
    outputs, times = outputs.reshape(count + 1, count, batch, -1), np.arange(count)
    last = outputs[count - times, times]
    if rows is not None and rows.completing is not None:  # nothing follows the last input: one step less
        last = jnp.where(rows.completing, outputs[count - times - 1, times], last)
    return last, c


def _following(begin: int, count: int) -> np.ndarray:
    """`[A + 1, A]` numbers of the inputs that follow each time; behind the last, whose output is not read, the last."""
    return begin + np.minimum(np.arange(count + 1)[:, None] + np.arange(count), count - 1)


def _drop(config: RuLstmConfig, rows: Rows | None, site: int, x: Array) -> Array:
    """Dropout of x `[..., B, D]` in training."""
    return x if rows is None else dropout(rows.keys, site, config.dropout, x, axis=x.ndim - 2)
