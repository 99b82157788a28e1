"""The learning rate's staircase, the laws of clipping, and that every optimiser goes downhill."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from motion_jax.config import OPTIMIZERS as NAMES
from motion_jax.config import OptimConfig
from motion_jax.train.optimizer import OPTIMIZERS, clip_by_global_l1_norm, learning_rate, make_optimizer

GRADIENT = {"a": np.array([[3.0, -4.0]], np.float32), "b": (np.array(12.0, np.float32), None)}
SIZES = {"l1": 19.0, "l2": 13.0}  # |3| + |4| + |12|, and 5-12-13

kinds = pytest.mark.parametrize("kind", ["l1", "l2"])


def clip(kind: str, limit: float, gradient):
    """What the optimiser is handed: plain descent at rate 1 turns the sign."""
    optimizer = make_optimizer(OptimConfig(name="sgd", learning_rate=1, clip_norm=limit, clip_kind=kind))
    updates, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
    return jax.tree.map(jnp.negative, updates)


def size(kind: str, tree) -> float:
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
    return float(np.linalg.norm(flat, ord=int(kind[1])))


def test_every_name_of_the_config_is_an_optimiser():
    assert set(OPTIMIZERS) == set(NAMES)


def test_the_staircase_of_table_6():
    rate = learning_rate(OptimConfig())
    expected = {0: 0.005, 9_999: 0.005, 10_000: 0.00475, 19_999: 0.00475, 20_000: 0.0045125, 100_000: 0.005 * 0.95**10}
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, rel=1e-5)


def test_the_staircase_counts_updates():
    """Two updates a stair: sgd's steps halve after each pair."""
    optimizer = make_optimizer(OptimConfig(learning_rate=1, decay_rate=0.5, decay_steps=2, clip_kind="none"))
    state, steps = optimizer.init(jnp.ones(())), []
    for _ in range(5):
        update, state = optimizer.update(jnp.ones(()), state)
        steps.append(float(update))
    assert steps == [-1, -1, -0.5, -0.5, -0.25]


@kinds
def test_clipping_keeps_the_direction_and_bounds_the_norm(kind):
    clipped = clip(kind, 2.0, GRADIENT)
    assert size(kind, clipped) == pytest.approx(2.0, rel=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b * 2 / SIZES[kind], rtol=1e-6), clipped, GRADIENT)


@kinds
def test_clipping_leaves_what_is_short_enough(kind):
    for limit in (1.001 * SIZES[kind], 100.0):
        jax.tree.map(np.testing.assert_array_equal, clip(kind, limit, GRADIENT), GRADIENT)
    zero = jax.tree.map(np.zeros_like, GRADIENT)
    jax.tree.map(np.testing.assert_array_equal, clip(kind, 1.0, zero), zero)


def test_no_clipping():
    jax.tree.map(np.testing.assert_array_equal, clip("none", 1e-3, GRADIENT), GRADIENT)


def test_the_norms_differ():
    assert size("l2", clip("l1", 5.0, GRADIENT)) < size("l2", clip("l2", 5.0, GRADIENT))


def test_l1_clipping_keeps_the_type_and_does_not_hide_a_nan():
    transform = clip_by_global_l1_norm(1.0)
    halves, _ = transform.update(jnp.array([3, 4], jnp.bfloat16), optax.EmptyState())
    assert halves.dtype == jnp.bfloat16
    broken, _ = transform.update(jnp.array([np.nan, 1.0]), optax.EmptyState())
    assert np.isnan(broken).any()


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_goes_downhill(name):
    """On a quadratic valley, 5 times steeper one way than the other: the first step, and by far after twenty."""
    momentum = {"momentum": 0.5} if name in ("momentum", "nesterov", "rmsprop") else {}
    optimizer = make_optimizer(OptimConfig(name=name, learning_rate=0.05, **momentum))

    def loss(x):
        return (jnp.array([1.0, 5.0]) * x**2).sum() / 2

    def step(carry, _):
        x, state = carry
        updates, state = optimizer.update(jax.grad(loss)(x), state, x)
        return (optax.apply_updates(x, updates), state), loss(x)

    start = jnp.array([1.0, -1.0])
    _, losses = jax.jit(lambda x: jax.lax.scan(step, (x, optimizer.init(x)), length=20))(start)
    assert losses[1] < losses[0]
    assert losses[-1] < 0.5 * losses[0]


def test_fields_reach_their_optimisers():
    """Momentum and weight decay change the second, respectively the first step."""

    def second_step(**fields):
        optimizer = make_optimizer(OptimConfig(learning_rate=0.1, clip_kind="none", **fields))
        state, update = optimizer.init(jnp.ones(())), None
        for _ in range(2):
            update, state = optimizer.update(jnp.ones(()), state, jnp.ones(()))
        return float(update)

    assert second_step(name="momentum", momentum=0.5) == pytest.approx(-0.15)
    assert second_step(name="nesterov", momentum=0.5) == pytest.approx(-0.175)
    assert second_step(name="rmsprop", momentum=0.5) < second_step(name="rmsprop", momentum=0.0)
    adam, adamw = second_step(name="adam"), second_step(name="adamw", weight_decay=0.5)
    assert adamw == pytest.approx(adam - 0.1 * 0.5, rel=1e-5)
