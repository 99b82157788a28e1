"""Laws of a scan with deferred gradients: it is `jax.lax.scan`, and its reverse loop sums no weights' gradients."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from motion_jax.nn.deferred_grad.gates import save_for_backward, tanh
from motion_jax.nn.deferred_grad.products import Compute, Operand, contract, make_operand, product
from motion_jax.nn.deferred_grad.scan import scan_deferred_grad

T, B, S, H, I = 4, 2, 3, 5, 6  # all different: shapes tell what an array is
FAST, PLAIN = Compute(), Compute(fast=False)
CLOSE = {"rtol": 1e-12, "atol": 1e-12}
# Half the compile time; the numerical check and the goldens compile as users do.
QUICK: dict = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # later compilers know no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False

quick = functools.partial(jax.jit, compiler_options=QUICK)


class Params(NamedTuple):
    twice: np.ndarray  # [H, H]
    b: np.ndarray  # [H], of `twice`
    inputs: np.ndarray  # [I, H]
    unused: np.ndarray  # [H, I]
    memory: np.ndarray  # [B, S, H]
    keys: np.ndarray  # [B, S, H]
    scale: np.ndarray  # [H]


class Held(NamedTuple):
    twice: Operand
    inputs: Operand
    unused: Operand
    memory: Operand
    keys: Operand
    scale: np.ndarray  # no operand


def hold_all(p: Params, compute: Compute) -> Held:
    matrices = (make_operand(w, None, compute) for w in (p.inputs, p.unused, p.memory, p.keys))
    return Held(make_operand(p.twice, p.b, compute), *matrices, p.scale)


def step(held: Held, carry, x):
    """Of everything that a step may do, once: two products with one operand, an x and a carry multiplied as they are,
    one matrix a sequence from either side, other arrays, values that are kept and values that are not.
    """
    h, c = carry
    h = tanh(product(h, held.twice) + product(x, held.inputs))
    h = jnp.sin(product(save_for_backward(h * c), held.twice)) + held.scale * h
    weights = jax.nn.softmax(contract("bh,bsh->bs", h, held.keys))
    c = jnp.tanh(contract("bs,bsh->bh", weights, held.memory)) + held.scale * c
    return (h, c), (h * c, weights)


def arguments(seed: int = 0, dtype: str = "float64"):
    """Parameters, the first carry and xs."""
    rng = np.random.default_rng(seed)
    shapes = Params((H, H), (H,), (I, H), (H, I), (B, S, H), (B, S, H), (H,))
    params = Params(*(rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes))
    carry = tuple(rng.uniform(-1, 1, (B, H)).astype(dtype) for _ in range(2))
    return jax.tree.map(jnp.asarray, (params, carry, rng.normal(size=(T, B, I)).astype(dtype)))


def run(compute: Compute, params, carry, xs):
    return scan_deferred_grad(step, hold_all(params, compute), carry, xs, compute)


def loss(compute: Compute, params, carry, xs):
    """Reads the last carry and every output, each place with a weight of its own."""
    leaves = jax.tree.leaves(run(compute, params, carry, xs))
    return sum((leaf * jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape)).sum() for leaf in leaves)


def slope(compute: Compute):
    return jax.grad(functools.partial(loss, compute), argnums=(0, 1, 2))


@functools.cache
def gradient(compute: Compute):
    return quick(slope(compute))


def assert_trees_close(actual, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **CLOSE), actual, expected)


def test_values_are_those_of_a_scan():
    with jax.enable_x64(True):
        params, carry, xs = arguments()
        held = hold_all(params, PLAIN)
        expected = quick(lambda: jax.lax.scan(functools.partial(step, held), carry, xs))()
        for compute in (FAST, PLAIN):
            assert_trees_close(quick(functools.partial(run, compute))(params, carry, xs), expected)


def test_gradients_are_those_of_default_autodiff():
    with jax.enable_x64(True):
        args = arguments()
        expected = gradient(PLAIN)(*args)
        assert_trees_close(gradient(FAST)(*args), expected)
        for name, leaf in expected[0]._asdict().items():
            assert leaf.any() == (name != "unused")
        assert all(leaf.any() for leaf in jax.tree.leaves(expected[1:]))


def test_gradients_are_the_numerical_ones():
    with jax.enable_x64(True):
        check_grads(jax.jit(functools.partial(loss, FAST)), arguments(), order=1, modes=["rev"])


@pytest.mark.parametrize("axes", [(0, 0, 0), (None, 0, 0), (0, None, None)])
def test_vmap_is_a_loop(axes):
    with jax.enable_x64(True):
        parts = [arguments(seed) for seed in (0, 1)]
        args = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *pair) if axis == 0 else pair[0]
                for axis, pair in zip(axes, zip(*parts, strict=True), strict=True)]  # fmt: skip
        stacked = quick(jax.vmap(slope(FAST), axes))(*args)
        for index in (0, 1):
            one = [jax.tree.map(lambda leaf, i=index: leaf[i], arg) if axis == 0 else arg
                   for axis, arg in zip(axes, args, strict=True)]  # fmt: skip
            assert_trees_close(jax.tree.map(lambda leaf, i=index: leaf[i], stacked), gradient(PLAIN)(*one))


def test_gradients_of_some_arguments_are_the_same():
    """The others are constants then, to trace and reverse rule alike."""
    with jax.enable_x64(True):
        params, carry, xs = arguments()
        of_params, of_carry, of_xs = gradient(PLAIN)(params, carry, xs)
        assert_trees_close(quick(jax.grad(functools.partial(loss, FAST), argnums=2))(params, carry, xs), of_xs)

        def some(b, keys, h):
            return loss(FAST, params._replace(b=b, keys=keys), (h, carry[1]), xs)

        actual = quick(jax.grad(some, argnums=(0, 1, 2)))(params.b, params.keys, carry[0])
        assert_trees_close(actual, (of_params.b, of_params.keys, of_carry[0]))


def test_an_output_that_is_not_read_has_no_part_in_the_gradient():
    with jax.enable_x64(True):
        args = arguments()
        fast, plain = (quick(jax.grad(lambda *args, c=compute: run(c, *args)[0][1].sum()))(*args)
                       for compute in (FAST, PLAIN))  # fmt: skip
        assert_trees_close(fast, plain)


@pytest.mark.parametrize("unroll", [2, 3])  # one that divides the steps, and one that leaves a rest
def test_steps_compiled_as_one_are_the_same_steps(unroll):
    with jax.enable_x64(True):
        args = arguments()
        assert_trees_close(gradient(Compute(unroll=unroll))(*args), gradient(PLAIN)(*args))


def test_a_second_derivative_is_refused_or_right():
    """Never silently without the part that goes through the operands."""
    with jax.enable_x64(True):
        args = arguments()

        def steepness(compute, *args):
            return sum((leaf**2).sum() for leaf in jax.tree.leaves(slope(compute)(*args)))

        def second(compute):
            return quick(jax.grad(functools.partial(steepness, compute), argnums=(0, 1, 2)))(*args)

        try:
            fast = second(FAST)
        except (TypeError, NotImplementedError):
            return
        assert_trees_close(fast, second(PLAIN))


def test_forward_mode_is_the_plain_scans_alone():
    with jax.enable_x64(True):
        args = arguments()
        tangents = jax.tree.map(jnp.cos, args)
        forwards = quick(lambda *args: jax.jvp(functools.partial(loss, PLAIN), args, tangents)[1])(*args)
        pairs = zip(jax.tree.leaves(gradient(FAST)(*args)), jax.tree.leaves(tangents), strict=True)
        np.testing.assert_allclose(forwards, sum(np.vdot(g, t) for g, t in pairs), **CLOSE)
        with pytest.raises(TypeError, match="forward-mode"):
            jax.jvp(functools.partial(loss, FAST), args, tangents)


def equations(jaxpr):
    """Of a jaxpr and of all that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def reverse_loop(compute: Compute):
    """The body of the gradient's one loop that runs backwards, and the shapes that it carries."""
    jaxpr = jax.make_jaxpr(slope(compute))(*arguments(dtype="float32"))
    (loop,) = (e for e in equations(jaxpr.jaxpr) if e.primitive.name == "scan" and e.params["reverse"])
    body = loop.params["jaxpr"].jaxpr
    outputs = zip(body.outvars, loop.outvars, strict=True)  # what is not carried is stacked over time
    carry = [inner.aval.shape for inner, outer in outputs if inner.aval.shape == outer.aval.shape]
    return list(equations(body)), carry


def test_the_reverse_loop_neither_carries_nor_makes_a_weights_gradient():
    operands = {(H, H), (I, H), (B, S, H)}  # that are used
    (plain, carried), (fast, light) = reverse_loop(PLAIN), reverse_loop(FAST)
    assert operands <= set(carried)
    assert set(light) == {(B, H), (H,)}  # the carry, and the sum over `scale`, which is no operand
    made = [{v.aval.shape for e in body if e.primitive.name == "dot_general" for v in e.outvars}
            for body in (plain, fast)]  # fmt: skip
    assert made[0] & operands
    assert not made[1] & operands


def test_the_reverse_loop_reads_what_was_kept_and_computes_the_rest_again():
    """The step has tanh twice: `gates.tanh`, whose result is kept, and jax's own."""
    names = [equation.primitive.name for equation in reverse_loop(FAST)[0]]
    assert names.count("tanh") == 1
