"""A scan whose weight gradients are formed once, after its reverse loop, instead of summed inside it.

Default autodiff of a scan adds an outer product to every weight's gradient at every step: for [H, 3H] weights it moves
megabytes a step and multiplies matrices of B columns. Here the reverse loop emits, for each product of a step, only the
gradient d_t of its result; sum_t x_t d_t is then one matmul over all steps. The step itself is written once, for both
ways; that a step's products go through `contract` is all that is asked of it.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from motion_jax.nn.deferred_grad.gates import save_policy
from motion_jax.nn.deferred_grad.product_trace import ProductUse, Step, Tree, partition_held, products_of, trace_step
from motion_jax.nn.deferred_grad.products import Compute, Operand, einsum, equations
from motion_jax.types import Array


def scan_deferred_grad(step: Step, held: Tree, carry: Tree, xs: Tree, compute: Compute) -> tuple[Tree, Tree]:
    """`jax.lax.scan` of `step(held, carry, x) -> (carry, y)`.

    Args:
        step: a pure function; it closes over no array.
        held: what the loop holds constant. Operands in it are read through `contract` and `product` alone; other arrays
            are differentiated as usual, inside the loop.
        carry: the first carry, of floating-point arrays.
        xs: `[T, ...]` arrays.
        compute: whether the gradients of operands are deferred (the result has no forward-mode derivative then), and
            how many steps are compiled as one.
    """
    if not compute.fast:
        return _scan(step, compute.unroll, held, carry, xs)
    return _deferred(step, compute.unroll, products_of(step, held, carry, xs), held, carry, xs)


def _scan(step: Step, unroll: int, held: Tree, carry: Tree, xs: Tree) -> tuple[Tree, Tree]:
    return jax.lax.scan(lambda carry, x: step(held, carry, x), carry, xs, unroll=unroll)


class _Places(struct.PyTreeNode):
    """Where the reverse loop finds each array that the derivative of a step reads, as (kind, index)."""

    tree: Any = struct.field(pytree_node=False)  # of the derivative
    leaves: tuple[tuple[str, int], ...] = struct.field(pytree_node=False)  # of the derivative
    inputs: tuple[tuple[str, int], ...] = struct.field(pytree_node=False)  # what the products multiplied


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _deferred(
    step: Step, unroll: int, uses: tuple[ProductUse, ...], held: Tree, carry: Tree, xs: Tree
) -> tuple[Tree, Tree]:
    del uses
    return _scan(step, unroll, held, carry, xs)


def _deferred_forward(
    step: Step, unroll: int, uses: tuple[ProductUse, ...], held: Tree, carry: Tree, xs: Tree
) -> tuple[tuple[Tree, Tree], Any]:
    """The scan, and of every step what its derivative will read. What is constant, or an input, is not saved again."""
    held, carry, xs = _first_derivatives_only((held, carry, xs))
    parts = partition_held(held)
    constants, places = parts.arrays(), []

    @functools.partial(jax.checkpoint, policy=save_policy(), prevent_cse=False)
    def taped(others: list, carry: Tree, x: Tree, taps: list[Array]) -> tuple[tuple[Tree, Tree], list[Array]]:
        result, tape = trace_step(step, parts, others, carry, x, taps)
        return result, tape.inputs

    def body(carry: Tree, x: Tree) -> tuple[Tree, tuple[Tree, list[Array]]]:
        taps = [jnp.zeros(use.shape, parts.operands[use.operand].array.dtype) for use in uses]
        (carry, y), pull, inputs = jax.vjp(taped, parts.others, carry, x, taps, has_aux=True)
        leaves, tree = jax.tree.flatten(pull)
        saved: list[Array] = []
        found = [_place(leaf, constants, jax.tree.leaves(x), saved) for leaf in (*leaves, *inputs)]
        places.append(_Places(tree, tuple(found[: len(leaves)]), tuple(found[len(leaves) :])))
        return carry, (y, saved)

    carry, (ys, saved) = jax.lax.scan(body, carry, xs, unroll=unroll)
    return (carry, ys), (places[-1], held, xs, saved)


@jax.custom_vjp
def _first_derivatives_only(tree: Tree) -> Tree:
    """Itself, with no derivative: taps carry gradients out of a step where a second differentiation would lose them."""
    return tree


def _refuse(_: Tree) -> Any:
    raise TypeError("a deferred scan has first derivatives in reverse mode only; Compute(fast=False) has all")


_first_derivatives_only.defvjp(_refuse, lambda _, d: (d,))


def _place(leaf: Array, constants: list[Array], x: list[Array], saved: list[Array]) -> tuple[str, int]:
    """Where `leaf` is known already; else at the end of `saved`, to which it is added."""
    for kind, arrays in (("constant", constants), ("x", x), ("saved", saved)):
        for index, array in enumerate(arrays):
            if array is leaf:
                return kind, index
    saved.append(leaf)
    return "saved", len(saved) - 1


def _deferred_reverse(
    step: Step, unroll: int, uses: tuple[ProductUse, ...], residuals: Any, cotangents: Any
) -> tuple[Tree, Tree, Tree]:
    del step
    places, held, xs, saved = residuals
    parts = partition_held(held)
    constants = parts.arrays()

    def body(carry: tuple, now: tuple) -> tuple[tuple, tuple]:
        (d_carry, d_others), (x, saved, d_y) = carry, now
        known = {"constant": constants, "x": jax.tree.leaves(x), "saved": saved}
        pull = jax.tree.unflatten(places.tree, [known[kind][index] for kind, index in places.leaves])
        more, d_carry, d_x, d_taps = pull((d_carry, d_y))
        return (d_carry, jax.tree.map(jnp.add, d_others, more)), (d_x, d_taps)

    d_last, d_ys = cotangents
    sums = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.promote_types(x.dtype, jnp.float32)), parts.others)
    (d_carry, sums), (d_xs, d_taps) = jax.lax.scan(body, (d_last, sums), (xs, saved, d_ys), reverse=True, unroll=unroll)
    known = {"x": jax.tree.leaves(xs), "saved": saved}
    inputs = [known[kind][index] for kind, index in places.inputs]
    d_others = jax.tree.map(lambda total, x: total.astype(x.dtype), sums, parts.others)
    return parts.filled(_gradients(uses, parts.operands, inputs, d_taps), d_others), d_carry, d_xs


_deferred.defvjp(_deferred_forward, _deferred_reverse)


def _gradients(
    uses: tuple[ProductUse, ...], operands: list[Operand], inputs: list[Array], taps: list[Array]
) -> list[Operand | None]:
    """Of every operand, None if no product used it: sum over t of x_t d_t, by equation one matmul."""
    gradients: list[Operand | None] = [None] * len(operands)
    for use, x, d in zip(uses, inputs, taps, strict=True):
        operand, known = operands[use.operand], gradients[use.operand]
        left, right, result = equations(use.equation)
        wide = jnp.promote_types(d.dtype, jnp.float32)
        equation = f"T{left},T{result}->{right}"  # a capital: einsum sums in the order of letters, here of the memory
        array = einsum(equation, x, d, operand.compute, wide).astype(operand.array.dtype)
        bias = None if operand.bias is None else d.sum((0, 1), dtype=operand.bias.dtype)
        more = operand.replace(array=array, bias=bias)
        gradients[use.operand] = more if known is None else jax.tree.map(jnp.add, known, more)
    return gradients
