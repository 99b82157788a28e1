"""Dropout (Srivastava et al. 2014) whose masks are drawn row by row.

Each sequence of a batch has a key of its own, so that what is drawn for it does not depend on how the batch is divided
over devices and microbatches.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from motion_jax.errors import UserError
from motion_jax.types import Array

LEVELS = 1 << 16  # of the random numbers that masks are made of


def dropout(keys: Array | None, site: int | Array, rate: float, x: Array, axis: int = 0) -> Array:
    """x `[..., B, ...]` with each number zero with probability `rate`, and the others divided by 1 - `rate`.

    The probability, and what is divided by, are those of the multiple of 1 / 65536 next to `rate`.

    Args:
        keys: `[B]` PRNG keys, which are not consumed; None: no dropout, as in prediction.
        site: where in the network: each site needs a number of its own, and draws a mask of its own.
        rate: in [0, 1).
        x: its axis `axis` is the batch.
        axis: which axis of x is the batch.
    """
    if keys is None or not rate:
        return x
    return jnp.where(kept(keys, site, rate, x.shape, axis), x * scale_of_kept(rate), 0)


def kept(keys: Array, site: int | Array, rate: float, shape: tuple[int, ...], axis: int = 0) -> Array:
    """What `dropout` leaves of an array of `shape`, as bool."""
    row = (*shape[:axis], *shape[axis + 1 :])
    mask = jax.vmap(lambda key: _draw(jax.random.fold_in(key, site), row) >= _levels_dropped(rate))(keys)
    return jnp.moveaxis(mask, 0, axis)


def scale_of_kept(rate: float) -> float:
    """What `dropout` multiplies by what it leaves."""
    return LEVELS / (LEVELS - _levels_dropped(rate))


def _levels_dropped(rate: float) -> int:
    return min(round(rate * LEVELS), LEVELS - 1)


def _draw(key: Array, shape: tuple[int, ...]) -> Array:
    """Uniform below `LEVELS`, of `shape`; two of each 32 random bits, whose drawing is what dropout costs."""
    count = math.prod(shape)
    words = jax.random.bits(key, (-(-count // 2),), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[:count].reshape(shape)


def check_rate(path: str, rate: float) -> None:
    """Raises `UserError` unless `rate`, of the field `path`, can be a rate of dropout."""
    if not 0 <= rate < 1:
        raise UserError(f"{path}={rate}: must be at least 0 and below 1")
