"""In-depth dropout of an LSTM layer: on its way up to the next layer, never along time.

Source: Zhu, Lan, Xing, Zeng, Li, Shen and Xie, "Co-occurrence feature learning for skeleton based action recognition
using regularized deep LSTM networks", AAAI 2016. Of each step there are two results: that which goes on to the next
step is the plain layer's; that which goes up has masks on the input, forget and output gates, on the memory and on the
output. So the recurrence is computed as without dropout, and the second result from its states afterwards, of all
frames at once.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from motion_jax.nn.cells import CELLS, CellWeights, LSTMState, project_all
from motion_jax.nn.deferred_grad import product, sigmoid, tanh
from motion_jax.nn.dropout import dropout
from motion_jax.types import Array

SITES = 5  # of `dropout`, from the one given


def in_depth_dropout(
    weights: CellWeights, inputs: Array, states: LSTMState, keys: Array, site: int, rate: float, *, reverse: bool
) -> Array:
    """The outputs `[T, B, H]` that go up.

    Masks are drawn anew for every frame and unit, and what is kept is divided by the share that is kept.

    Args:
        weights: of one direction of the layer.
        inputs: `[T, B, I]` what it read.
        states: `[T, B, H]` its states from zero, without dropout.
        keys: `[B]` PRNG keys, not consumed.
        site: the first of `SITES` numbers that no other dropout of the network has.
        rate: in [0, 1).
        reverse: of the backward direction, whose step before that of frame t is that of frame t + 1.
    """
    before = jax.tree.map(lambda leaf: _shifted(leaf, reverse), states)
    recurrent = jnp.split(product(before.h, weights.recurrent), 4, axis=-1)
    i, f, g, o = (a + b for a, b in zip(project_all(CELLS["lstm"], weights, inputs), recurrent, strict=True))

    def drop(number: int, x: Array) -> Array:
        return dropout(keys, site + number, rate, x, axis=1)

    c = drop(0, sigmoid(f)) * before.c + drop(1, sigmoid(i)) * tanh(g)
    return drop(4, drop(2, sigmoid(o)) * tanh(drop(3, c)))


def _shifted(leaf: Array, reverse: bool) -> Array:
    """`[T, B, H]` of the step before, zeros before the first."""
    zeros = jnp.zeros_like(leaf[:1])
    return jnp.concatenate([leaf[1:], zeros] if reverse else [zeros, leaf[:-1]])
