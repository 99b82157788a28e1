"""Each cell against its equations in plain numpy, then the laws that the equations imply."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from motion_jax.nn import cells
from motion_jax.nn.cells import CELLS, GRUParams, LSTMState, ResetBeforeParams, project
from motion_jax.nn.deferred_grad.products import Compute

B, I, H = 3, 4, 5
GATES = {"gru": 3, "gru_reset_before": 3, "lstm": 4, "rnn": 1}

kinds = pytest.mark.parametrize("kind", sorted(CELLS))


def make(kind: str, dtype: str = "float32"):
    """Parameters, a state and an input, all random."""
    rng = np.random.default_rng(1)
    template = jax.eval_shape(lambda key: CELLS[kind].init(key, I, H), jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(dtype), template)
    state = jax.tree.map(lambda leaf: rng.uniform(-1, 1, leaf.shape).astype(dtype), CELLS[kind].zeros((B, H), dtype))
    return params, state, rng.normal(size=(B, I)).astype(dtype)


@functools.partial(jax.jit, static_argnums=0)
def advance(kind: str, params, state, x):
    return cells.step_cell(CELLS[kind], CELLS[kind].weights(params, Compute()), state, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(p, h, x):
    """Cho et al. 2014 v3, as PyTorch documents it."""
    w, u = np.split(p.w_input, 3, axis=1), np.split(p.w_hidden, 3, axis=1)
    b, c = np.split(p.b_input, 3), np.split(p.b_hidden, 3)
    r = sigmoid(x @ w[0] + b[0] + h @ u[0] + c[0])
    z = sigmoid(x @ w[1] + b[1] + h @ u[1] + c[1])
    n = np.tanh(x @ w[2] + b[2] + r * (h @ u[2] + c[2]))
    return (1 - z) * n + z * h


def gru_reset_before(p, h, x):
    """Thesis 3.6.2, every gate one layer over [h, x]."""
    hidden = [*np.split(p.w_gates, 2, axis=1), p.w_candidate]
    w_r, w_u, w_c = (np.concatenate([u, w]) for u, w in zip(hidden, np.split(p.w_input, 3, axis=1), strict=True))
    b_r, b_u, b_c = np.split(p.b, 3)
    r = sigmoid(np.concatenate([h, x], axis=1) @ w_r + b_r)
    u = sigmoid(np.concatenate([h, x], axis=1) @ w_u + b_u)
    c = np.tanh(np.concatenate([r * h, x], axis=1) @ w_c + b_c)
    return (1 - u) * h + u * c


def lstm(p, state, x):
    """Thesis 3.6.1, with forget gate."""
    i, f, g, o = np.split(x @ p.w_input + state.h @ p.w_hidden + p.b, 4, axis=1)
    c = sigmoid(f) * state.c + sigmoid(i) * np.tanh(g)
    return LSTMState(sigmoid(o) * np.tanh(c), c)


def rnn(p, h, x):
    """Thesis 3.1."""
    return np.tanh(x @ p.w_input + h @ p.w_hidden + p.b)


EQUATIONS = {"gru": gru, "gru_reset_before": gru_reset_before, "lstm": lstm, "rnn": rnn}


def test_every_name_of_the_config_is_a_cell():
    assert set(CELLS) == set(EQUATIONS)


@kinds
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-14)])
def test_one_step_is_its_equation(kind, dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        params, state, x = make(kind, dtype)
        actual, expected = advance(kind, params, state, x), EQUATIONS[kind](params, state, x)
        for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
            assert a.dtype == dtype
            np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance)


@kinds
def test_gradients_are_the_numerical_ones(kind):
    with jax.enable_x64(True):
        check_grads(functools.partial(advance, kind), make(kind, "float64"), order=1, modes=["rev"])


@kinds
def test_project_serves_any_leading_dimensions(kind):
    params, _, _ = make(kind)
    x = np.random.default_rng(2).normal(size=(2, B, I)).astype(np.float32)
    weights = CELLS[kind].weights(params, Compute())
    whole, part = project(CELLS[kind], weights, x), project(CELLS[kind], weights, x[1])
    assert len(whole) == len(part) == GATES[kind]
    for gate, of_part in zip(whole, part, strict=True):
        assert gate.shape == (2, B, H)
        np.testing.assert_allclose(gate[1], of_part, rtol=1e-6, atol=1e-6)


@kinds
def test_output_is_h_and_bounded(kind):
    """Every cell squashes: h stays within (-1, 1) if it began there, however large the input."""
    params, state, x = make(kind)
    state = advance(kind, params, state, 100 * x)
    h = CELLS[kind].output(state)
    assert h.shape == (B, H)
    assert np.abs(h).max() <= 1
    np.testing.assert_array_equal(h, jax.tree.leaves(state)[0])


@kinds
def test_zeros_have_the_shape_and_type_asked_for(kind):
    for leaf in jax.tree.leaves(CELLS[kind].zeros((2, B, H), jnp.bfloat16)):
        assert leaf.shape == (2, B, H)
        assert leaf.dtype == jnp.bfloat16
        assert not leaf.any()


@kinds
def test_init_fills_the_interval_of_the_hidden_width(kind):
    """U(-1/sqrt(H), 1/sqrt(H)), reproducible from the key, no leaf a copy of another."""
    init = jax.jit(lambda key: CELLS[kind].init(key, 7, H))
    leaves, again, other = (jax.tree.leaves(init(jax.random.key(seed))) for seed in (0, 0, 1))
    for leaf, same, different in zip(leaves, again, other, strict=True):
        assert leaf.shape[-1] % H == 0
        assert 0.6 < np.abs(leaf).max() * np.sqrt(H) <= 1
        np.testing.assert_array_equal(leaf, same)
        assert (leaf != different).all()
    firsts = [float(leaf.ravel()[0]) for leaf in leaves]
    assert len(set(firsts)) == len(firsts)


def test_the_two_grus_agree_where_the_reset_is_open():
    """With r = 1 reset-after and reset-before differ only in what they call the update gate: z = 1 - u."""
    params, h, x = make("gru", "float32")
    w, u = np.split(params.w_input, 3, axis=1), np.split(params.w_hidden, 3, axis=1)
    r, z, n = np.split(params.b_input + params.b_hidden, 3)
    opened = np.full_like(r, 100)
    after = GRUParams(params.w_input, params.w_hidden, np.concatenate([opened, z, n]), np.zeros(3 * H, np.float32))
    before = ResetBeforeParams(
        np.concatenate([w[0], -w[1], w[2]], axis=1), np.concatenate([u[0], -u[1]], axis=1), u[2],
        np.concatenate([opened, -z, n]),
    )  # fmt: skip
    np.testing.assert_allclose(
        advance("gru", after, h, x), advance("gru_reset_before", before, h, x), rtol=1e-5, atol=1e-5
    )


def test_saturated_update_gates_keep_the_state():
    """z = 1 in reset-after, u = 0 in reset-before, f = 1 and i = 0 in the LSTM: memory without decay."""
    closed = {"gru": (0, 100, 0), "gru_reset_before": (0, -100, 0), "lstm": (-100, 100, 0, 0)}
    for kind, biases in closed.items():
        params, state, x = make(kind)
        b = np.repeat(np.float32(biases), H)
        field = "b_input" if kind == "gru" else "b"
        new = advance(kind, params._replace(**{field: b}), state, x)
        np.testing.assert_allclose(jax.tree.leaves(new)[-1], jax.tree.leaves(state)[-1], rtol=1e-6)
