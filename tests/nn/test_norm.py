"""Batch normalisation: gradients and running statistics (its numbers are in tests/goldens)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.nn.norm import batch_norm, init_batch_norm

X = np.random.default_rng(0).normal(1, 2, size=(4, 3, 2)).astype(np.float32)
PARAMS = init_batch_norm(2)


def test_what_a_batch_is_shifted_and_scaled_by_does_not_matter_in_training():
    y, _ = batch_norm(PARAMS, X, train=True)
    moved, _ = batch_norm(PARAMS, 5 * X - 3, train=True)
    np.testing.assert_allclose(moved, y, atol=1e-4)
    np.testing.assert_allclose(np.mean(y, axis=(0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(np.var(y, axis=(0, 1)), 1, atol=1e-4)


def test_running_statistics_carry_no_gradient():
    def total(params, x):
        return sum(map(jnp.sum, batch_norm(params, x, train=True)[1].running))

    of_params, of_x = jax.grad(total, argnums=(0, 1))(PARAMS, X)
    assert not any(leaf.any() for leaf in jax.tree.leaves((of_params, of_x)))


def test_a_batch_of_one_number_a_channel_leaves_finite_statistics():
    y, params = batch_norm(PARAMS, X[:1, :1], train=True)
    np.testing.assert_allclose(y, 0, atol=1e-6)
    np.testing.assert_allclose(params.running.variance, 0.9)


def test_padding_takes_no_part_in_statistics():
    mask = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0]], np.float32)
    padded = np.where(mask[..., None] > 0, X, 1e6)
    y, params = batch_norm(PARAMS, padded, train=True, mask=mask)
    expected, of_frames = batch_norm(PARAMS, X[mask > 0], train=True)
    np.testing.assert_allclose(y[mask > 0], expected, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), params.running, of_frames.running)
