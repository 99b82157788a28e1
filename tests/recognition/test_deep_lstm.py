"""Co-occurrence regularisation beside numpy's loops; fields that contradict each other."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from motion_jax.config import model_config
from motion_jax.errors import UserError
from motion_jax.recognition.deep_lstm import co_occurrence


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 5])
def test_co_occurrence_is_numpys(groups):
    """Of 5 units in 4 groups of 2 the last but one has one, the last has none."""
    inputs, hidden = 3, 5
    w = np.random.default_rng(0).normal(size=(inputs, 4 * hidden)).astype(np.float32)
    size, total = -(-hidden // groups), 0.1 * np.abs(w).sum()
    for gate in range(4):
        own = w[:, gate * hidden : (gate + 1) * hidden].T  # [N, J]
        for k in range(groups):
            group = own[k * size : (k + 1) * size]
            total += 0.2 * sum(np.sqrt((group[:, j] ** 2).sum()) for j in range(inputs))
    value, gradient = jax.value_and_grad(co_occurrence)(w, 0.1, 0.2, groups)
    np.testing.assert_allclose(value, total, rtol=1e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden": 4}, "model.groups=10: must be at most model.hidden=4"),
        ({"groups": 5, "l21": 0.0}, "model.groups=5: nothing reads it where model.l21=0"),
        ({"dropout": 0.0, "dropout_kind": "simple"}, "model.dropout_kind='simple': nothing reads it"),
    ],
)
def test_fields_that_nothing_reads_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        model_config("deep_lstm", **fields)
