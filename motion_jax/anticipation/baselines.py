"""Baselines of anticipation, which see no motion: what usually follows, and what is frequent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from motion_jax.data.labelled.observations import Observations


class Markov(NamedTuple):
    """What usually follows: how often a class began so long after another was the last to have begun.

    It is told the true label of what is being done, at each anticipation time; which a network must see for itself.
    """

    counts: np.ndarray  # [A, C + 1, C]: time, the label at that time (C: nothing has begun), the label that followed

    @classmethod
    def of(cls, training: Observations, classes: int) -> Markov:
        """Counts over the training observations."""
        times = training.current.shape[1]
        counts = np.zeros((times, classes + 1, classes))
        for time in range(times):
            np.add.at(counts[time], (training.current[:, time], training.label), 1)
        return cls(counts)

    def probabilities(self, current: np.ndarray) -> np.ndarray:
        """`[M, A, C]` given what was being done at each time, `[M, A]`.

        To the counts of a row one more example is added, spread as the classes are in training: it orders what never
        followed, and is all there is where the current class was never followed by anything.
        """
        prior = self.counts.sum(1, keepdims=True)  # [A, 1, C]
        prior = prior / prior.sum(-1, keepdims=True)
        smoothed = (self.counts + prior) / (self.counts.sum(-1, keepdims=True) + 1)
        return smoothed[np.arange(current.shape[1]), current]


def frequencies(label: np.ndarray, classes: int) -> np.ndarray:
    """`[C]` shares of the classes among `label` `[M]`: the first of them is the majority."""
    return np.bincount(label, minlength=classes) / len(label)
