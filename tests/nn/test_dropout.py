"""Dropout: how much it keeps, what it scales by, and that a sequence's mask is its own."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.nn.dropout import check_rate, dropout

B, RATE = 6, 0.3
KEYS = jax.random.split(jax.random.key(0), B)
ONES = np.ones((B, 20, 50), np.float32)


def test_it_keeps_its_share_and_scales_what_it_keeps():
    y = np.asarray(dropout(KEYS, 0, RATE, ONES))
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / (1 - RATE), rtol=1e-5)  # the rate is rounded to 1 / 65536
    deviation = (RATE * (1 - RATE) / y.size) ** 0.5  # of the share of so many draws
    assert abs(kept.mean() - (1 - RATE)) < 4 * deviation
    assert abs(y.mean() - 1) < 4 * deviation / (1 - RATE)


def test_masks_do_not_depend_on_how_the_batch_is_divided():
    whole = dropout(KEYS, 3, RATE, ONES)
    parts = [dropout(KEYS[rows], 3, RATE, ONES[rows]) for rows in (slice(0, 1), slice(1, 4), slice(4, B))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    inside = dropout(KEYS, 3, RATE, np.moveaxis(ONES, 0, 1), axis=1)
    np.testing.assert_array_equal(np.moveaxis(inside, 1, 0), whole)


def test_each_sequence_and_each_site_draws_its_own():
    one, other = (np.asarray(dropout(KEYS, site, RATE, ONES)) for site in (0, 1))
    masks = [*one, *other]
    assert all((a != b).any() for i, a in enumerate(masks) for b in masks[:i])


def test_without_keys_or_rate_nothing_is_dropped():
    assert dropout(None, 0, RATE, ONES) is ONES
    assert dropout(KEYS, 0, 0.0, ONES) is ONES


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(UserError, match=rf"model\.dropout={rate}: must be at least 0 and below 1"):
        check_rate("model.dropout", rate)
