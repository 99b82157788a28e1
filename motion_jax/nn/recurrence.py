"""A scan whose weight gradients are formed once, after its reverse loop, instead of summed inside it.

Default autodiff of a scan adds an outer product to every weight's gradient at every step: for [H, 3H] weights it moves
megabytes a step and multiplies matrices of B columns. Here the reverse loop emits, for each product of a step, only the
gradient d_t of its result; sum_t x_t d_t is then one matmul over all steps. The step itself is written once, for both
ways; that a step's products go through `contract` is all that is asked of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from motion_jax.nn.gates import kept_only
from motion_jax.nn.products import Compute, Operand, einsum, equations
from motion_jax.types import Array

Tree = Any
Step = Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]  # (held, carry, x) -> (carry, y)


def recur(step: Step, held: Tree, carry: Tree, xs: Tree, compute: Compute) -> tuple[Tree, Tree]:
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
    return _deferred(step, compute.unroll, _uses(step, held, carry, xs), held, carry, xs)


def _scan(step: Step, unroll: int, held: Tree, carry: Tree, xs: Tree) -> tuple[Tree, Tree]:
    return jax.lax.scan(lambda carry, x: step(held, carry, x), carry, xs, unroll=unroll)


class _Use(NamedTuple):
    """A product in a step."""

    operand: int  # which
    equation: str
    shape: tuple[int, ...]  # of its result


class _Tape:
    """Lives while a step is traced: hands out the taps, and notes what was multiplied."""

    def __init__(self, taps: Sequence[Array] | None) -> None:
        self.taps = taps
        self.uses: list[_Use] = []
        self.inputs: list[Array] = []


class _Recorded(NamedTuple):
    """Stands in for an operand while a step is traced."""

    number: int
    operand: Operand
    transposed: Array  # a copy for the reverse loop: d times [O, I] is faster than d times a transposed [I, O]
    tape: _Tape

    def contract(self, equation: str, x: Array) -> Array:
        array, compute, tape = self.operand.array, self.operand.compute, self.tape
        tap = tape.taps[len(tape.uses)] if tape.taps is not None else None
        y: Array = _tapped(equation, compute, x, array, self.transposed, self.operand.bias, tap)
        tape.uses.append(_Use(self.number, equation, y.shape))
        tape.inputs.append(x.astype(array.dtype))
        return y


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _tapped(
    equation: str, compute: Compute, x: Array, array: Array, transposed: Array, bias: Array | None, tap: Array | None
) -> Array:
    """The product. Its gradient reaches x, and as it is the tap: whoever holds the tap forms the operand's."""
    del transposed, tap
    y = einsum(equation, x, array, compute)
    return y if bias is None else y + bias


def _tapped_forward(
    equation: str, compute: Compute, x: Array, array: Array, transposed: Array, bias: Array | None, tap: Array | None
) -> tuple[Array, Array]:
    return _tapped(equation, compute, x, array, transposed, bias, tap), transposed


def _tapped_reverse(equation: str, compute: Compute, transposed: Array, d: Array) -> tuple:
    left, right, result = equations(equation)
    right = right[::-1] if transposed.ndim == 2 else right
    d_x = einsum(f"{result},{right}->{left}", d, transposed, compute)
    return d_x, None, None, None, d.astype(transposed.dtype)


_tapped.defvjp(_tapped_forward, _tapped_reverse)


class _Parts(NamedTuple):
    """What a loop holds, taken apart."""

    operands: list[Operand]
    transposed: list[Array]
    others: list[Array | None]  # None where an operand stands
    tree: Any

    def arrays(self) -> list[Array]:
        """All of them, in a fixed order."""
        return jax.tree.leaves((self.operands, self.transposed, self.others))

    def filled(self, operands: Sequence[Any], others: Sequence[Any]) -> Tree:
        """The tree with these operands and others."""
        rest = iter(operands)
        leaves = [next(rest) if old is None else new for old, new in zip(self.others, others, strict=True)]
        return jax.tree.unflatten(self.tree, leaves)


def _take_apart(held: Tree) -> _Parts:
    leaves, tree = jax.tree.flatten(held, is_leaf=_is_operand)
    operands = [leaf for leaf in leaves if _is_operand(leaf)]
    transposed = [o.array.T if o.array.ndim == 2 else o.array for o in operands]
    return _Parts(operands, transposed, [None if _is_operand(leaf) else leaf for leaf in leaves], tree)


def _is_operand(leaf: Any) -> bool:
    return isinstance(leaf, Operand)


def _record(
    step: Step, parts: _Parts, others: list, carry: Tree, x: Tree, taps: Sequence[Array] | None
) -> tuple[tuple[Tree, Tree], _Tape]:
    tape = _Tape(taps)
    recorded = [_Recorded(i, o, t, tape) for i, (o, t) in enumerate(zip(parts.operands, parts.transposed, strict=True))]
    return step(parts.filled(recorded, others), carry, x), tape


def _uses(step: Step, held: Tree, carry: Tree, xs: Tree) -> tuple[_Use, ...]:
    """The products of a step, in order."""
    uses: list[_Use] = []

    def trace(held: Tree, carry: Tree, x: Tree) -> None:
        parts = _take_apart(held)
        uses.extend(_record(step, parts, parts.others, carry, x, None)[1].uses)

    jax.eval_shape(trace, held, carry, jax.tree.map(lambda x: x[0], xs))
    return tuple(uses)


class _Places(struct.PyTreeNode):
    """Where the reverse loop finds each array that the derivative of a step reads, as (kind, index)."""

    tree: Any = struct.field(pytree_node=False)  # of the derivative
    leaves: tuple[tuple[str, int], ...] = struct.field(pytree_node=False)  # of the derivative
    inputs: tuple[tuple[str, int], ...] = struct.field(pytree_node=False)  # what the products multiplied


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _deferred(step: Step, unroll: int, uses: tuple[_Use, ...], held: Tree, carry: Tree, xs: Tree) -> tuple[Tree, Tree]:
    del uses
    return _scan(step, unroll, held, carry, xs)


def _deferred_forward(
    step: Step, unroll: int, uses: tuple[_Use, ...], held: Tree, carry: Tree, xs: Tree
) -> tuple[tuple[Tree, Tree], Any]:
    """The scan, and of every step what its derivative will read. What is constant, or an input, is not saved again."""
    held, carry, xs = _once((held, carry, xs))
    parts = _take_apart(held)
    constants, places = parts.arrays(), []

    @functools.partial(jax.checkpoint, policy=kept_only(), prevent_cse=False)
    def record(others: list, carry: Tree, x: Tree, taps: list[Array]) -> tuple[tuple[Tree, Tree], list[Array]]:
        result, tape = _record(step, parts, others, carry, x, taps)
        return result, tape.inputs

    def body(carry: Tree, x: Tree) -> tuple[Tree, tuple[Tree, list[Array]]]:
        taps = [jnp.zeros(use.shape, parts.operands[use.operand].array.dtype) for use in uses]
        (carry, y), pull, inputs = jax.vjp(record, parts.others, carry, x, taps, has_aux=True)
        leaves, tree = jax.tree.flatten(pull)
        saved: list[Array] = []
        found = [_place(leaf, constants, jax.tree.leaves(x), saved) for leaf in (*leaves, *inputs)]
        places.append(_Places(tree, tuple(found[: len(leaves)]), tuple(found[len(leaves) :])))
        return carry, (y, saved)

    carry, (ys, saved) = jax.lax.scan(body, carry, xs, unroll=unroll)
    return (carry, ys), (places[-1], held, xs, saved)


@jax.custom_vjp
def _once(tree: Tree) -> Tree:
    """Itself, with no derivative: taps carry gradients out of a step where a second differentiation would lose them."""
    return tree


def _refuse(_: Tree) -> Any:
    raise TypeError("a deferred scan has first derivatives in reverse mode only; Compute(fast=False) has all")


_once.defvjp(_refuse, lambda _, d: (d,))


def _place(leaf: Array, constants: list[Array], x: list[Array], saved: list[Array]) -> tuple[str, int]:
    """Where `leaf` is known already; else at the end of `saved`, to which it is added."""
    for kind, arrays in (("constant", constants), ("x", x), ("saved", saved)):
        for index, array in enumerate(arrays):
            if array is leaf:
                return kind, index
    saved.append(leaf)
    return "saved", len(saved) - 1


def _deferred_reverse(
    step: Step, unroll: int, uses: tuple[_Use, ...], residuals: Any, cotangents: Any
) -> tuple[Tree, Tree, Tree]:
    del step
    places, held, xs, saved = residuals
    parts = _take_apart(held)
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
    uses: tuple[_Use, ...], operands: list[Operand], inputs: list[Array], taps: list[Array]
) -> list[Operand | None]:
    """Of every operand, None if no product used it: sum over t of x_t d_t, by equation one matmul."""
    gradients: list[Operand | None] = [None] * len(operands)
    for use, x, d in zip(uses, inputs, taps, strict=True):
        operand, known = operands[use.operand], gradients[use.operand]
        left, right, result = equations(use.equation)
        wide = jnp.promote_types(d.dtype, jnp.float32)
        array = einsum(f"t{left},t{result}->{right}", x, d, operand.compute, wide).astype(operand.array.dtype)
        bias = None if operand.bias is None else d.sum((0, 1), dtype=operand.bias.dtype)
        more = operand.replace(array=array, bias=bias)
        gradients[use.operand] = more if known is None else jax.tree.map(jnp.add, known, more)
    return gradients
