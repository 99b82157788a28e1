"""Training losses by name: (prediction, truth) `[B, T, N]`, normalised, to a number."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from motion_jax.types import Array


def mse(prediction: Array, truth: Array) -> Array:
    """Mean squared error over all N outputs, one-hot included (thesis 4.2.4; Martinez 2017)."""
    return jnp.mean((prediction - truth) ** 2)


LOSSES: dict[str, Callable[[Array, Array], Array]] = {"mse": mse}
