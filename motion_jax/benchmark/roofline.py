"""What the device can do, measured in the same run: the best rate of matmuls and the best rate of copying."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

SIDE = {"cpu": 1024, "gpu": 8192, "tpu": 8192}  # of the matmul's square operands
COPIED = {"cpu": 1 << 28, "gpu": 1 << 32, "tpu": 1 << 31}  # bytes, far more than a cache holds
REPETITIONS = 10
OPERANDS = {"float32": jnp.float32, "tf32": jnp.float32, "bf16": jnp.bfloat16}
MODES = {"float32": "highest", "tf32": "default", "bf16": "default"}  # of float32 operands, a GPU's default is TF32


@dataclasses.dataclass(frozen=True)
class Ceilings:
    """Of one device, with the threads that the process has. A rate is the best of `REPETITIONS`."""

    matmul_gflops_per_s: dict[str, float]  # by precision
    copy_gb_per_s: float  # read and written bytes together
    torch_gflops_per_s: dict[str, float] | None = None  # PyTorch's matmul, where it takes part


def measure(precisions: Sequence[str], side: int | None = None, copied: int | None = None) -> Ceilings:
    """Times a square matmul at each precision, and a pass over an array of `copied` bytes."""
    backend = jax.default_backend()
    rates = {precision: _matmul(precision, side or SIDE[backend]) for precision in precisions}
    return Ceilings(rates, _copy(copied or COPIED[backend]))


def floor_seconds(ceilings: Ceilings, precision: str, flops: float, moved: float) -> float:
    """The least time that `flops` operations and `moved` bytes can take on one device, if they overlap wholly.

    The faster of the two libraries' matmuls is the ceiling.
    """
    rate = max(rates[precision] for rates in (ceilings.matmul_gflops_per_s, ceilings.torch_gflops_per_s or {})
               if precision in rates)  # fmt: skip
    return max(flops / (1e9 * rate), moved / (1e9 * ceilings.copy_gb_per_s))


def best_seconds(call: Callable[[], object]) -> float:
    """The shortest of `REPETITIONS` calls, after one to warm up. `call` returns when it has finished."""
    call()
    taken = []
    for _ in range(REPETITIONS):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def _matmul(precision: str, side: int) -> float:
    a = jax.random.normal(jax.random.key(0), (side, side)).astype(OPERANDS[precision])
    multiply = jax.jit(lambda a: jnp.matmul(a, a, precision=MODES[precision], preferred_element_type=jnp.float32))
    return 2e-9 * side**3 / best_seconds(lambda: multiply(a).block_until_ready())


def _copy(size: int) -> float:
    """In place: a fresh destination would have the processor read it first, or the system clear its pages."""
    again = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.zeros(size // 4)

    def call() -> None:
        nonlocal x
        x = again(x).block_until_ready()

    return 2e-9 * size / best_seconds(call)
