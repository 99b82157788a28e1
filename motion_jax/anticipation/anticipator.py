"""The anticipator: what the task of anticipation asks of a network, and no more."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from motion_jax.data.labelled.observations import Clock
from motion_jax.types import Array, Init


class Scores(Protocol):
    """Logits `[B, A, C]` at each of A anticipation times, the longest before the action first.

    `inputs` holds an array `[B, S, D_m]` for each modality, of the S = encoding + anticipation steps that lie before
    the action; scores of a time read nothing that lies behind it.
    """

    def __call__(self, params: Any, inputs: tuple[Array, ...], /) -> Array: ...  # noqa: D102


class TrainScores(Protocol):
    """Logits `[L, B, A, C]` that are trained at once, and weights `[L]`: the loss is the weighted sum of L losses.

    L is more than one where parts of a network learn each by itself. What is trained may depend on `step` (`[]` int32,
    updates done): training has stages. `keys` `[B]` are PRNG keys, one a sequence, for dropout.
    """

    def __call__(  # noqa: D102
        self, params: Any, inputs: tuple[Array, ...], keys: Array, step: Array, /
    ) -> tuple[Array, Array]: ...


class Anticipator(NamedTuple):
    """Pure functions over parameters."""

    init: Init
    scores: Scores
    train_scores: TrainScores
    clock: Clock
    """When it observes."""
    shifts: int = 1
    """How often each segment is observed in training (see `observe`)."""
    last_stage: int = 0
    """The update with which the last stage of training begins: before it, no score says what the network is worth."""
    weights: Any = None
    """Of several modalities: `(params, inputs) -> [B, A, M]`, how much each of them counts (MATT); None without."""
