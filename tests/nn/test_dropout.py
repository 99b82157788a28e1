"""Masks of dropout: how many numbers they keep, and that each sequence has its own whichever batch it is in."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.nn.dropout import dropout


def test_masks_keep_their_share_and_belong_to_the_sequence():
    keys = jax.random.split(jax.random.key(0), 3)
    y = np.asarray(dropout(keys, 1, 0.25, jnp.ones((101, 3, 33)), axis=1))
    np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
    assert abs((y == 0).mean() - 0.25) < 4 * (0.25 * 0.75 / y.size) ** 0.5
    alone = dropout(keys[1:2], 1, 0.25, jnp.ones((101, 1, 33)), axis=1)
    np.testing.assert_array_equal(y[:, 1:2], alone)
    assert (y != np.asarray(dropout(keys, 2, 0.25, jnp.ones((101, 3, 33)), axis=1))).any()
