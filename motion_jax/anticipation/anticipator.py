"""The anticipator: what the task of anticipation asks of a network, and no more."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from motion_jax.types import Array, Init


class Scores(Protocol):
    """Logits `[B, A, C]` at each of A anticipation times, the longest before the action first.

    `inputs` holds an array `[B, S, D_m]` for each modality, of the S = encoding + anticipation steps that lie before
    the action; scores of a time read nothing that lies behind it.
    """

    def __call__(self, params: Any, inputs: tuple[Array, ...], /) -> Array: ...  # noqa: D102


class TrainScores(Protocol):
    """As `Scores`, in training; `keys` `[B]` are PRNG keys, one a sequence, for dropout."""

    def __call__(self, params: Any, inputs: tuple[Array, ...], keys: Array, /) -> Array: ...  # noqa: D102


class Anticipator(NamedTuple):
    """Pure functions over parameters."""

    init: Init
    scores: Scores
    train_scores: TrainScores
    weights: Any = None
    """Of several modalities: `(params, inputs) -> [B, A, M]`, how much each of them counts (MATT); None without."""
