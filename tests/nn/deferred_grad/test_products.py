"""Where operands are rounded and where nothing is; and the hand-written reverse rule against the default one."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import PRECISIONS as NAMES
from motion_jax.nn.deferred_grad.products import Compute, concat_operands, contract, make_operand, product

B, I, O = 3, 200, 5
EXACT, ROUNDED = Compute("float32"), Compute("bf16")
# Every equation of the package: x's shape, the operand's.
EQUATIONS = {
    "bi,io->bo": ((2, 3), (3, 5)),
    "bh,bsh->bs": ((2, 3), (2, 4, 3)),
    "bs,bsh->bh": ((2, 4), (2, 4, 3)),
    "bnd,bsnd->bns": ((2, 3, 5), (2, 4, 3, 5)),
    "bns,bsnd->bnd": ((2, 3, 4), (2, 4, 3, 5)),
}

computes = pytest.mark.parametrize("compute", [Compute(*both) for both in itertools.product(NAMES, (True, False))])


def normal(*shapes: tuple[int, ...], dtype: str = "float32"):
    rng = np.random.default_rng(1)
    return [jnp.asarray(rng.uniform(0.5, 1.5, shape), dtype) for shape in shapes]  # positive: no sum cancels


def rounded(x):
    """To bfloat16 and back, in float64."""
    return np.asarray(x.astype(jnp.bfloat16)).astype(np.float64)


@pytest.mark.parametrize("compute", [Compute("bf16", fast) for fast in (True, False)])
def test_bf16_rounds_operands_and_neither_sum_nor_bias(compute):
    x, w, b = normal((B, I), (I, O), (O,))
    y = product(x, make_operand(w, b, compute))
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, rounded(x) @ rounded(w) + np.asarray(b), rtol=1e-6)
    unrounded = np.asarray(x, np.float64) @ np.asarray(w, np.float64) + np.asarray(b)
    assert np.abs(y - unrounded).max() > 1e-5 * np.abs(unrounded).max()
    np.testing.assert_array_equal(product(jnp.zeros((1, I)), make_operand(w, b, compute))[0], b)


def test_float32_is_rounded_nowhere():
    x, w, b = normal((B, I), (I, O), (O,))
    expected = np.asarray(x, np.float64) @ np.asarray(w, np.float64) + np.asarray(b)
    np.testing.assert_allclose(product(x, make_operand(w, b, EXACT)), expected, rtol=1e-6)


@computes
def test_gradients_are_float32_whatever_is_multiplied(compute):
    args = normal((B, I), (I, O), (O,))

    def loss(x, w, b):
        return (product(x, make_operand(w, b, compute)) ** 2).sum()

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(*args)
    x, w, b = (np.asarray(arg, np.float64) for arg in args)
    d = 2 * (x @ w + b)
    for actual, expected in zip(gradients, (d @ w.T, x.T @ d, d.sum(0)), strict=True):
        assert actual.dtype == jnp.float32
        np.testing.assert_allclose(actual, expected, rtol=2e-2 if compute.precision == "bf16" else 1e-5)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_the_reverse_rule_is_the_default_one(equation):
    with jax.enable_x64(True):
        args = normal(*EQUATIONS[equation], dtype="float64")

        def loss(compute, x, y):
            return jnp.sin(contract(equation, x, make_operand(y, None, compute))).sum()

        fast, plain = (jax.jit(jax.value_and_grad(functools.partial(loss, Compute(fast=fast)), argnums=(0, 1)))(*args)
                       for fast in (True, False))  # fmt: skip
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), fast, plain)
        np.testing.assert_allclose(fast[0], np.sin(np.einsum(equation, *args)).sum(), rtol=1e-12)


def test_leading_dimensions_are_kept():
    x, w, b = normal((4, 2, B, I), (I, O), (O,))
    whole = product(x, make_operand(w, b, EXACT))
    assert whole.shape == (4, 2, B, O)
    np.testing.assert_allclose(whole[3, 1], product(x[3, 1], make_operand(w, b, EXACT)), rtol=1e-6)


@pytest.mark.parametrize("compute", [EXACT, ROUNDED])
@pytest.mark.parametrize("biases", [(True, True), (True, False), (False, True), (False, False)])
def test_joined_weights_are_two_products_side_by_side(biases, compute):
    x, left, right, b, c = normal((B, I), (I, O), (I, 2), (O,), (2,))
    bias = [value if present else None for value, present in zip((b, c), biases, strict=True)]
    operands = make_operand(left, bias[0], compute), make_operand(right, bias[1], compute)
    both = concat_operands(*operands)
    expected = np.concatenate([product(x, operand) for operand in operands], axis=1)
    np.testing.assert_allclose(product(x, both), expected, rtol=1e-6)
    assert (both.bias is None) == (not any(biases))
    assert both.compute == compute


def test_what_is_held_is_rounded_once_and_its_bias_never():
    w, b = normal((I, O), (O,))
    held = make_operand(w, b, ROUNDED)
    assert held.array.dtype == jnp.bfloat16
    np.testing.assert_array_equal(held.bias, b)
    np.testing.assert_array_equal(
        concat_operands(held, make_operand(w, None, ROUNDED)).bias, np.concatenate([b, np.zeros(O)])
    )
