"""What a step multiplies, noted while it is traced, and how the gradient of every product gets out of the step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from motion_jax.nn.deferred_grad.products import Compute, Operand, einsum, equations
from motion_jax.types import Array

Tree = Any
Step = Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]  # (held, carry, x) -> (carry, y)


class ProductUse(NamedTuple):
    """A product in a step."""

    operand: int  # which
    equation: str
    shape: tuple[int, ...]  # of its result


class ProductTrace:
    """Lives while a step is traced: hands out the taps, and notes what was multiplied."""

    def __init__(self, taps: Sequence[Array] | None) -> None:
        self.taps = taps
        self.uses: list[ProductUse] = []
        self.inputs: list[Array] = []


class _Recorded(NamedTuple):
    """Stands in for an operand while a step is traced."""

    number: int
    operand: Operand
    transposed: Array  # a copy for the reverse loop: d times [O, I] is faster than d times a transposed [I, O]
    tape: ProductTrace

    def contract(self, equation: str, x: Array) -> Array:
        """The product, noted."""
        array, compute, tape = self.operand.array, self.operand.compute, self.tape
        tap = tape.taps[len(tape.uses)] if tape.taps is not None else None
        y: Array = _tapped(equation, compute, x, array, self.transposed, self.operand.bias, tap)
        tape.uses.append(ProductUse(self.number, equation, y.shape))
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


class HeldParts(NamedTuple):
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


def partition_held(held: Tree) -> HeldParts:
    """Operands, with copies transposed for the reverse loop, and the rest."""
    leaves, tree = jax.tree.flatten(held, is_leaf=_is_operand)
    operands = [leaf for leaf in leaves if _is_operand(leaf)]
    transposed = [o.array.T if o.array.ndim == 2 else o.array for o in operands]
    return HeldParts(operands, transposed, [None if _is_operand(leaf) else leaf for leaf in leaves], tree)


def _is_operand(leaf: Any) -> bool:
    return isinstance(leaf, Operand)


def trace_step(
    step: Step, parts: HeldParts, others: list, carry: Tree, x: Tree, taps: Sequence[Array] | None
) -> tuple[tuple[Tree, Tree], ProductTrace]:
    """The step's result, and what it multiplied. Without taps, no gradient of an operand gets out."""
    tape = ProductTrace(taps)
    recorded = [_Recorded(i, o, t, tape) for i, (o, t) in enumerate(zip(parts.operands, parts.transposed, strict=True))]
    return step(parts.filled(recorded, others), carry, x), tape


def products_of(step: Step, held: Tree, carry: Tree, xs: Tree) -> tuple[ProductUse, ...]:
    """The products of a step, in order."""
    found: list[ProductUse] = []

    def trace(held: Tree, carry: Tree, x: Tree) -> None:
        parts = partition_held(held)
        found.extend(trace_step(step, parts, parts.others, carry, x, None)[1].uses)

    jax.eval_shape(trace, held, carry, jax.tree.map(lambda x: x[0], xs))
    return tuple(found)
