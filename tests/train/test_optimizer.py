"""The learning rate's schedules, weight decay, the laws of clipping, and that every optimiser goes downhill."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from motion_jax.config import OPTIMIZERS as NAMES
from motion_jax.config import Experiment, OptimConfig, TrainConfig
from motion_jax.train.optimizer import OPTIMIZERS, clip_by_global_l1_norm, learning_rate, make_optimizer

GRADIENT = {"a": np.array([[3.0, -4.0]], np.float32), "b": (np.array(12.0, np.float32), None)}
SIZES = {"l1": 19.0, "l2": 13.0}  # |3| + |4| + |12|, and 5-12-13


def optim(steps: int = 100_000, **fields) -> Experiment:
    return Experiment(optim=OptimConfig(**fields), train=TrainConfig(steps=steps))


kinds = pytest.mark.parametrize("kind", ["l1", "l2"])


def clip(kind: str, limit: float, gradient):
    """What the optimiser is handed: plain descent at rate 1 turns the sign."""
    optimizer = make_optimizer(optim(name="sgd", learning_rate=1, clip_norm=limit, clip_kind=kind))
    updates, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
    return jax.tree.map(jnp.negative, updates)


def size(kind: str, tree) -> float:
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
    return float(np.linalg.norm(flat, ord=int(kind[1])))


def test_every_name_of_the_config_is_an_optimiser():
    assert set(OPTIMIZERS) == set(NAMES)


def test_the_staircase_of_table_6():
    rate = learning_rate(optim())
    expected = {0: 0.005, 9_999: 0.005, 10_000: 0.00475, 19_999: 0.00475, 20_000: 0.0045125, 100_000: 0.005 * 0.95**10}
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, rel=1e-5)


def test_the_staircase_counts_updates():
    """Two updates a stair: sgd's steps halve after each pair."""
    optimizer = make_optimizer(optim(learning_rate=1, decay_rate=0.5, decay_steps=2, clip_kind="none"))
    state, steps = optimizer.init(jnp.ones(())), []
    for _ in range(5):
        update, state = optimizer.update(jnp.ones(()), state)
        steps.append(float(update))
    assert steps == [-1, -1, -0.5, -0.5, -0.25]


def test_the_other_schedules_in_closed_form():
    """At the first, a middle, the last and a later update of 100."""
    steps = np.array([0, 30, 100, 120])
    done = np.minimum(steps / 100, 1)
    expected = {
        ("cosine", 0.0): (1 + np.cos(np.pi * done)) / 2,
        ("cosine", 0.1): 0.1 + 0.9 * (1 + np.cos(np.pi * done)) / 2,
        ("linear", 0.2): 1 - 0.8 * done,
        ("constant", 0.0): np.ones(4),
    }
    for (name, end), factors in expected.items():
        rate = learning_rate(optim(100, schedule=name, final_fraction=end, learning_rate=0.5))
        np.testing.assert_allclose([float(rate(step)) for step in steps], 0.5 * factors, rtol=1e-5, atol=1e-9)
    smooth = learning_rate(optim(schedule="exponential", decay_rate=0.5, decay_steps=10, learning_rate=0.5))
    np.testing.assert_allclose([float(smooth(step)) for step in (0, 5, 20)], 0.5 * 0.5 ** np.array([0, 0.5, 2]), 1e-5)


@pytest.mark.parametrize("name", ["staircase", "cosine"])
def test_warm_up_rises_linearly_and_leaves_the_rest(name):
    plain, warm = (learning_rate(optim(40, schedule=name, warmup_steps=count)) for count in (0, 4))
    ratio = [float(warm(step)) / float(plain(step)) for step in range(6)]
    np.testing.assert_allclose(ratio, [0.25, 0.5, 0.75, 1, 1, 1], rtol=1e-5)


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
    optimizer = make_optimizer(optim(name=name, learning_rate=0.05, **momentum))

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
    """Momentum changes the second step."""

    def second_step(**fields):
        optimizer = make_optimizer(optim(learning_rate=0.1, clip_kind="none", **fields))
        state, update = optimizer.init(jnp.ones(())), None
        for _ in range(2):
            update, state = optimizer.update(jnp.ones(()), state, jnp.ones(()))
        return float(update)

    assert second_step(name="momentum", momentum=0.5) == pytest.approx(-0.15)
    assert second_step(name="nesterov", momentum=0.5) == pytest.approx(-0.175)
    assert second_step(name="rmsprop", momentum=0.5) < second_step(name="rmsprop", momentum=0.0)


PARAMS = {"layer": {"w": np.full((2, 2), 2.0, np.float32), "b": np.full((3, 2), 2.0, np.float32)},
          "norm": {"scale": np.full(2, 2.0, np.float32)}}  # fmt: skip


def first_step(params, gradient, rate_scales=None, **fields):
    optimizer = make_optimizer(optim(learning_rate=0.1, clip_kind="none", **fields), rate_scales)
    return optimizer.update(gradient, optimizer.init(params), params)[0]


def test_adamw_decays_matrices_only():
    """Also where the biases of several layers lie in one array."""
    still = jax.tree.map(np.zeros_like, PARAMS)
    moved = first_step(PARAMS, still, name="adamw", weight_decay=0.5)
    np.testing.assert_allclose(moved["layer"]["w"], -0.1 * 0.5 * 2, rtol=1e-6)
    assert not moved["layer"]["b"].any()
    assert not moved["norm"]["scale"].any()


def test_adam_adds_l2_to_the_gradient():
    """As PyTorch's Adam: of all parameters, so that Adam's scaling sees it."""
    gradient = jax.tree.map(lambda leaf: 0.3 * np.ones_like(leaf), PARAMS)
    by_hand = jax.tree.map(lambda g, p: g + 0.5 * p, gradient, PARAMS)
    decayed, plain = (
        first_step(PARAMS, gradient, name="adam", weight_decay=0.5),
        first_step(PARAMS, by_hand, name="adam"),
    )
    jax.tree.map(np.testing.assert_array_equal, decayed, plain)


def test_rate_scales_multiply_the_updates_and_no_state():
    gradient = jax.tree.map(np.ones_like, PARAMS)

    def scales(_):
        return {"layer": {"w": 1.0, "b": 0.0}, "norm": {"scale": 1e-3}}

    plain = first_step(PARAMS, gradient, name="adam")
    scaled = first_step(PARAMS, gradient, scales, name="adam")
    jax.tree.map(lambda a, b, s: np.testing.assert_allclose(a, b * s, rtol=1e-6), scaled, plain, scales(PARAMS))
    states = [make_optimizer(optim(name="adam"), each).init(PARAMS) for each in (None, scales)]
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
