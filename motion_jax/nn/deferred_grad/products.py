"""Products with an operand that a loop holds constant: the one place where their precision is decided."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from motion_jax.config import ComputeConfig
from motion_jax.types import Array


class Compute(NamedTuple):
    """How a network is computed; static under jit."""

    precision: str = "float32"  # a key of `_PRECISIONS`
    fast: bool = True  # gradients by the rules of this room; False: by default autodiff, for forward-mode
    unroll: int = 1  # steps of a loop that are compiled as one


DEFAULT = Compute()


def compute_of(config: ComputeConfig) -> Compute:
    """The part of the configuration that networks read."""
    return Compute(config.precision, config.fast, config.unroll)


class _Precision(NamedTuple):
    dtype: Any  # of the operands; None: as they are
    matmul: jax.lax.Precision  # below HIGHEST, a GPU may round float32 operands to TF32; a CPU does not


_PRECISIONS = {
    "float32": _Precision(None, jax.lax.Precision.HIGHEST),
    "tf32": _Precision(None, jax.lax.Precision.DEFAULT),
    "bf16": _Precision(jnp.bfloat16, jax.lax.Precision.DEFAULT),
}


class Operand(struct.PyTreeNode):
    """The right-hand side of a product, in the dtype that it is multiplied in."""

    array: Array  # weights [I, O], or one matrix a sequence, [B, ...]
    bias: Array | None = None  # [O], of weights
    compute: Compute = struct.field(pytree_node=False, default=DEFAULT)


def make_operand(array: Array, bias: Array | None, compute: Compute) -> Operand:
    """Casts once what many products will read."""
    dtype = _PRECISIONS[compute.precision].dtype
    return Operand(jnp.asarray(array, dtype), None if bias is None else jnp.asarray(bias), compute)


def concat_operands(left: Operand, right: Operand) -> Operand:
    """Two sets of weights that multiply the same x, side by side: `[I, O1 + O2]`."""
    weights = jnp.concatenate([left.array, right.array], axis=-1)
    if left.bias is None and right.bias is None:
        return left.replace(array=weights)
    biases = [jnp.zeros(o.array.shape[-1], weights.dtype) if o.bias is None else o.bias for o in (left, right)]
    return left.replace(array=weights, bias=jnp.concatenate(biases))


def split_operand(operand: Operand, count: int) -> list[Operand]:
    """Weights `[I, O]` as `count` sets of `[I, O / count]`, side by side."""
    arrays = jnp.split(operand.array, count, axis=-1)
    biases = [None] * count if operand.bias is None else jnp.split(operand.bias, count, axis=-1)
    return [operand.replace(array=array, bias=bias) for array, bias in zip(arrays, biases, strict=True)]


def product(x: Array, weights: Operand) -> Array:
    """x `[..., I]` times `weights` `[I, O]`, and its bias."""
    if x.ndim == 2:
        return contract("bi,io->bo", x, weights)
    flat = contract("bi,io->bo", x.reshape(-1, x.shape[-1]), weights)
    return flat.reshape(*x.shape[:-1], flat.shape[-1])


def contract(equation: str, x: Array, operand: Operand) -> Array:
    """`einsum(equation, x, operand)`, accumulated in the dtype of `x`, plus the bias.

    In a loop whose gradients are deferred the operand is a stand-in that knows how to record the product.
    """
    if not isinstance(operand, Operand):
        return operand.contract(equation, x)
    if not operand.compute.fast:
        return _biased(einsum(equation, x, operand.array, operand.compute), operand.bias)
    return _biased(_contract(equation, operand.compute, x, operand.array), operand.bias)


def einsum(equation: str, x: Array, y: Array, compute: Compute, dtype: Any = None) -> Array:
    """Both operands in the precision of `compute`, the result in `dtype`, by default that of `x`."""
    precision = _PRECISIONS[compute.precision]
    result = dtype or x.dtype
    if precision.dtype is not None:
        x, y = x.astype(precision.dtype), y.astype(precision.dtype)
    return jnp.einsum(equation, x, y, precision=precision.matmul, preferred_element_type=result)


def equations(equation: str) -> tuple[str, str, str]:
    """The indices of x, operand and result in `x,operand->result`."""
    terms, result = equation.split("->")
    x, operand = terms.split(",")
    return x, operand, result


def _biased(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + bias


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _contract(equation: str, compute: Compute, x: Array, array: Array) -> Array:
    """Of its own reverse rule, because the default one multiplies a low-precision operand with a float32 cotangent, and
    asks for a transposed result where a transposed operand would do.
    """
    return einsum(equation, x, array, compute)


def _contract_forward(equation: str, compute: Compute, x: Array, array: Array) -> tuple[Array, tuple[Array, Array]]:
    return _contract(equation, compute, x, array), (x, array)


def _contract_reverse(equation: str, compute: Compute, residuals: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    (x, array), (left, right, result) = residuals, equations(equation)
    d_x = einsum(f"{result},{right}->{left}", d, array, compute, x.dtype)
    d_array = einsum(f"{left},{result}->{right}", x, d, compute, d.dtype)
    return d_x, d_array.astype(array.dtype)


_contract.defvjp(_contract_forward, _contract_reverse)
