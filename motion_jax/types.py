"""The records that cross rooms, and the alphabet of their dimensions.

B  batch          S  source (observed) frames      T  target (predicted) frames
D  raw columns    N  network width = kept columns + one-hot action
H  hidden width   J  joints                        A  actions
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from motion_jax.skeletons.skeleton import Skeleton

Array = jax.Array
Params = Any  # a pytree of arrays, typed by the model that made it


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """One recorded trial, as it lies in the file."""

    frames: np.ndarray  # [F, D] float32, raw, at the data set's own frame rate
    subject: str  # "S5"; "" where the data set does not say
    action: str  # "walking"
    trial: int  # 1-based
    split: str  # "train" | "test"
    source: str  # the file it came from, or "synthetic"

    @property
    def name(self) -> str:
        """A short name that is unique within a data set."""
        return "/".join(part for part in (self.split, self.subject, f"{self.action}_{self.trial}") if part)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Clips of one skeleton at one frame rate, with the order of their actions."""

    name: str  # a name of `data.datasets`
    clips: tuple[Clip, ...]
    actions: tuple[str, ...]  # [A] the order of the one-hot code
    skeleton: Skeleton
    fps: float  # frame rate of `Clip.frames`
    key: str  # sha256 of the content that the clips were read from

    def split(self, split: str) -> tuple[Clip, ...]:
        """The clips of one split, in order."""
        return tuple(clip for clip in self.clips if clip.split == split)


class Batch(NamedTuple):
    """Windows of normalised frames."""

    history: Array  # [B, S, N] what was observed
    future: Array  # [B, T, N] what came next
    last: Array | None = None  # [B, D] the last observed frame, raw: what relative representations decode with


class Running(NamedTuple):
    """Statistics that batch normalisation predicts with: moving averages over the batches of training.

    They are part of the parameters, but no optimiser moves them: `Model.train_loss` returns parameters in which each
    holds what it is to be after the update, and the training step puts those in place.
    """

    mean: Array  # [C]
    variance: Array  # [C]


class Init(Protocol):
    """Fresh parameters; consumes `key`."""

    def __call__(self, key: Array, /) -> Params: ...  # noqa: D102


class Apply(Protocol):
    """Predicts frames `[B, T, N]`.

    `history` is `[B, S, N]`, `future` `[B, T, N]`, `forced` `[B, T]` bool: where it is true, step t reads the true
    frame t-1 of `future` in place of the model's own prediction (teacher forcing); step 0 always reads the last frame
    of `history`. All false is free-running; all true is one-step. Where nothing is forced, `future` lends only its
    length: its values reach neither the prediction nor the gradient.
    """

    def __call__(self, params: Any, history: Array, future: Array, forced: Array, /) -> Array: ...  # noqa: D102


class Attend(Protocol):
    """As `Apply`, and the attention's weights `[B, T, S-1]` beside the prediction; None without attention."""

    def __call__(self, params: Any, history: Array, future: Array, forced: Array, /) -> tuple[Array, Array | None]: ...  # noqa: D102


class LossAndGrad(Protocol):
    """The loss and the gradient of one update; consumes `key`. `step` `[]` counts updates from 0."""

    def __call__(  # noqa: D102
        self, params: Any, batch: Batch, forced: Array, key: Array, step: Array, /
    ) -> tuple[Array, Params]: ...


class TrainLoss(Protocol):
    """The loss `[]` of windows, a mean over them, and `params` with new `Running` statistics.

    `keys` `[B]` are PRNG keys, one a sequence, for dropout; `step` `[]` counts updates from 0.
    """

    def __call__(  # noqa: D102
        self, params: Any, batch: Batch, keys: Array, step: Array, /
    ) -> tuple[Array, Params]: ...


class Prepare(Protocol):
    """Parameters in the form that the computation reads (joined, in its precision)."""

    def __call__(self, params: Any, /) -> Any: ...  # noqa: D102


class RateScales(Protocol):
    """Factors of the learning rate: a tree like `params`, of floats; 0 keeps a parameter as it was made."""

    def __call__(self, params: Any, /) -> Any: ...  # noqa: D102


class Members(Protocol):
    """What each of M members predicts free-running, `[M, B, T, N]`, whose mean is the prediction.

    `history` is `[B, S, N]`, `length` T.
    """

    def __call__(self, params: Any, history: Array, length: int, /) -> Array: ...  # noqa: D102


class Model(NamedTuple):
    """A model is two pure functions, `init` and `apply`; the others are for models that need them."""

    init: Init
    apply: Apply
    attend: Attend | None = None
    """What shows where the model looks, if it has attention."""
    loss_and_grad: LossAndGrad | None = None
    """Where the gradient of an update is not that of a loss (an adversary, a Boltzmann machine)."""
    prepare: Prepare | None = None
    """Done once where many calls share the same parameters; `apply` and `attend` take what it returns too."""
    train_loss: TrainLoss | None = None
    """Where training differs from the configured loss of `apply`: dropout, batch statistics, further targets."""
    rate_scales: RateScales | None = None
    """Where some parameters learn at another rate than the others."""
    whole_batch: bool = False
    """Whether `train_loss` must see the whole batch, as batch statistics do; else its parts are computed apart."""
    members: Members | None = None
    """Where the prediction is a mean of several, what each of them is."""
