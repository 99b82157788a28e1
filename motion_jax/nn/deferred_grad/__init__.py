"""Weight gradients formed once over time: what a model's author uses of them.

Products and gates are written with `product`, `contract`, `sigmoid` and their like; `scan_deferred_grad` runs a step of
them over time. How the gradients leave the reverse loop is in the modules below.
"""

from motion_jax.nn.deferred_grad.gates import save_for_backward, sigmoid, softmax, tanh
from motion_jax.nn.deferred_grad.products import (
    DEFAULT,
    Compute,
    Operand,
    compute_of,
    concat_operands,
    contract,
    make_operand,
    product,
    split_operand,
)
from motion_jax.nn.deferred_grad.scan import scan_deferred_grad

__all__ = [
    "DEFAULT",
    "Compute",
    "Operand",
    "compute_of",
    "concat_operands",
    "contract",
    "make_operand",
    "product",
    "save_for_backward",
    "scan_deferred_grad",
    "sigmoid",
    "softmax",
    "split_operand",
    "tanh",
]
