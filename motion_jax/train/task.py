"""The task: what the training loop asks of a problem, and no more.

Loop, checkpoints, sweeps, logs and the sharing of a batch among devices serve any object with the members of `Task`.
`motion_jax/train/forecasting.py` is one; docs/adding_a_task.md builds another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from motion_jax.config import TrainConfig
from motion_jax.errors import UserError
from motion_jax.runtime import distributed
from motion_jax.types import Array, Params, RateScales

SCORE = "validation_score"
"""The number of `Task.measure` that chooses the best checkpoint: the lower the better."""


@runtime_checkable
class Stream(Protocol):
    """Data too large for memory, of which every dispatch is handed what its updates need."""

    def feed(
        self, key: np.ndarray, begin: int, end: int, count: int, sharding: jax.sharding.Sharding
    ) -> AbstractContextManager[Iterator[Any]]:
        """What `sample_batch` takes as `data` in dispatches of `count` updates from `begin` to `end`, the last one of
        as many as are left; a pytree on the devices of `sharding`. `key` is the state's, raw.

        It must follow from the numbers of the updates and the key alone: so a resumed run reads what it would have.
        """
        ...


def feed_of(
    data: Any, key: Array, begin: int, config: TrainConfig, sharding: jax.sharding.Sharding
) -> AbstractContextManager[Iterator[Any]]:
    """What each dispatch from update `begin` on takes as `data`: what its stream reads, or the whole, copied once."""
    if isinstance(data, Stream):
        if jax.process_count() > 1:
            raise UserError(
                "data.in_memory: frames that are read from disk as needed do not serve several processes: "
                "data.in_memory=yes, or one process"
            )
        return data.feed(np.asarray(key), begin, config.steps, config.steps_per_dispatch, sharding)
    return nullcontext(itertools.repeat(distributed.place(data, sharding)))


class Task(Protocol):
    """Draws a batch, gives its loss and gradient, measures parameters and describes what was measured.

    `init`, `sample_batch` and `loss_and_grad` are pure and traced by JAX; `measure` and `describe` run on the host, at
    every report. Keys are consumed.
    """

    @property
    def data(self) -> Any:
        """A pytree of the arrays that batches are drawn from, of which a copy lies on every device; or a `Stream`."""
        ...

    @property
    def data_key(self) -> str:
        """A name for the content of the data: a run is resumed only with the same."""
        ...

    @property
    def records(self) -> Mapping[str, str]:
        """Files of text to be written into the run's folder, by name: what is needed to use the parameters later."""
        ...

    @property
    def whole_batch(self) -> bool:
        """Whether `loss_and_grad` must see the whole batch.

        Else the loss is a mean over rows, and devices and microbatches compute equal parts of it.
        """
        ...

    @property
    def rate_scales(self) -> RateScales | None:
        """Which parameters learn at another rate than `optim.learning_rate`; None: none do."""
        ...

    @property
    def validates(self) -> bool:
        """Whether `measure` returns `SCORE`."""
        ...

    def init(self, key: Array) -> Params:
        """The parameters before the first update, a pytree of arrays."""
        ...

    def sample_batch(self, data: Any, key: Array, step: Array) -> Any:
        """A pytree of `[B, ...]` arrays, drawn for update `step` (`[]` int32, from 0).

        Args:
            data: `self.data`, on the device; of a `Stream`, what it has read.
            key: of this update; to be used as it is, or split in two.
            step: of this update.
        """
        ...

    def loss_and_grad(self, params: Params, batch: Any, key: Array, step: Array) -> tuple[Array, Params]:
        """The loss `[]` of a batch and its gradient, which holds the new values of `Running` statistics.

        Args:
            params: as `init` made them.
            batch: of `sample_batch`, or an equal part of its rows unless `whole_batch`.
            key: of this update, the same for all parts: what is random row by row belongs into `sample_batch`.
            step: of this update.
        """
        ...

    def measure(self, params: Params, step: int) -> dict[str, Any]:
        """Numbers, or lists of numbers, for the report after `step` updates: a row of metrics.jsonl, by name."""
        ...

    def describe(self, row: Mapping[str, Any]) -> str:
        """The same for the terminal, in lines that begin with two spaces; "" for nothing."""
        ...
