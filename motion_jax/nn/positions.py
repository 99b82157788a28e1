"""Sinusoidal positions: where in a sequence a frame stands, as features that are added to its own."""

from __future__ import annotations

import jax.numpy as jnp

from motion_jax.types import Array

BASE = 10_000.0  # the longest wavelength is 2 pi times this


def sinusoidal_positions(positions: Array, width: int) -> Array:
    """Positions `[L]`, counted from 0, to features `[L, C]` (Vaswani et al. 2017, 3.5).

    Feature 2i is sin(position / 10000^(2i / C)), feature 2i + 1 the cosine of the same angle; C may be odd.
    """
    feature = jnp.arange(width)
    angle = positions[:, None] / BASE ** (2 * (feature // 2) / width)
    return jnp.where(feature % 2 == 0, jnp.sin(angle), jnp.cos(angle))
