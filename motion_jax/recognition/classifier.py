"""The classifier: what the task of recognition asks of a network, and no more."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from motion_jax.types import Array, Init, Params


class Scores(Protocol):
    """Logits `[B, C]` of sequences.

    `frames` is `[B, T, D]`, the modalities of the label space side by side, normalised; `mask` `[B, T]` is 1 for frames
    and 0 for padding, which stands at the end: what it holds reaches neither the scores nor the gradient.
    """

    def __call__(self, params: Any, frames: Array, mask: Array, /) -> Array: ...  # noqa: D102


class TrainScores(Protocol):
    """As `Scores`, in training: with dropout, and batch statistics.

    `keys` `[B]` are PRNG keys, one a sequence. Returns logits `[B, C]`, and `params` with new `Running` statistics.
    """

    def __call__(self, params: Any, frames: Array, mask: Array, keys: Array, /) -> tuple[Array, Params]: ...  # noqa: D102


class TrainOutputs(Protocol):
    """As `TrainScores`: logits `[B, C]`, of the same pass what `Embed` gives `[B, E]`, and `params`."""

    def __call__(self, params: Any, frames: Array, mask: Array, keys: Array, /) -> tuple[Array, Array, Params]: ...  # noqa: D102


class Embed(Protocol):
    """`[B, E]`: what the classes are told from, for the triplet loss and for retrieval. Arguments as `Scores`."""

    def __call__(self, params: Any, frames: Array, mask: Array, /) -> Array: ...  # noqa: D102


class Penalty(Protocol):
    """`[]`: what a model adds to the loss for its parameters' sake."""

    def __call__(self, params: Any, /) -> Array: ...  # noqa: D102


class Classifier(NamedTuple):
    """A classifier is two pure functions, `init` and `scores`; the others are for models that need them."""

    init: Init
    scores: Scores
    train_scores: TrainScores | None = None
    embed: Embed | None = None
    train_outputs: TrainOutputs | None = None
    penalty: Penalty | None = None
    whole_batch: bool = False
    """Whether `train_scores` must see the whole batch, as batch statistics do."""
