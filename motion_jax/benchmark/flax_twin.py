"""The Flax twin of a case: one jitted update a call, as Flax's own examples train, on the library's draw."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from motion_jax.benchmark.case import CLIP_FRAMES, Built, Case, clips
from motion_jax.benchmark.flax_net import make_net, named_gradients, variables
from motion_jax.benchmark.ours import planned_memory
from motion_jax.data.packed_clips import PackedClips, pack_clips, sample_windows
from motion_jax.losses import mse
from motion_jax.train.optimizer import make_optimizer
from motion_jax.types import Array, Clip

MATMULS = {"float32": "highest", "tf32": "default", "bf16": "default"}  # of float32 operands, on a GPU


def build(case: Case, implementation: str) -> Built:
    """Compiles the case."""
    del implementation
    with jax.default_matmul_precision(MATMULS[case.precision]):
        return _build_train(case) if case.work == "train" else _build_infer(case)


def _build_train(case: Case) -> Built:
    experiment = case.experiment()
    optimizer = make_optimizer(experiment.optim)
    loss_of = _loss(case)

    def update(params: Any, opt_state: Any, key: Array, packed: PackedClips) -> tuple[Any, Any, Array, Array]:
        key, draw_key = jax.random.split(key)
        batch = sample_windows(packed, draw_key, case.batch, case.source, case.target)
        loss, gradient = jax.value_and_grad(loss_of)(params, batch.history, batch.future)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, key, loss

    motion = clips(CLIP_FRAMES * experiment.data.stride)
    packed = pack_clips(
        tuple(Clip(f, "", "walking", 1, "train", "random") for f in motion), case.space(), experiment.data
    )
    params = variables(case)
    state = (params, optimizer.init(params), jax.random.key(0))
    begun = time.perf_counter()
    compiled = jax.jit(update, donate_argnums=(0, 1)).lower(*state, packed).compile()
    compile_s, memory = time.perf_counter() - begun, planned_memory(compiled)

    def call() -> None:
        nonlocal state
        *state, loss = compiled(*state, packed)
        jax.block_until_ready((state, loss))

    return Built(call, lambda: _gradients(case), compile_s=compile_s, peak_bytes=memory, temp_bytes=memory)


def _build_infer(case: Case) -> Built:
    arguments = jax.device_put((variables(case), case.windows(case.batch)[0]))
    begun = time.perf_counter()
    compiled = jax.jit(make_net(case).apply).lower(*arguments).compile()
    compile_s, memory = time.perf_counter() - begun, planned_memory(compiled)
    return Built(lambda: jax.block_until_ready(compiled(*arguments)), lambda: _gradients(case), compile_s=compile_s,
                 peak_bytes=memory, temp_bytes=memory)  # fmt: skip


def _loss(case: Case) -> Callable[[Any, Array, Array], Array]:
    net = make_net(case)

    def loss(params: Any, history: Array, future: Array) -> Array:
        predicted: Any = net.apply(params, history)  # beside it, a changed state, if there were one
        return mse(predicted, future)

    return loss


def _gradients(case: Case) -> tuple[float, dict[str, np.ndarray]]:
    history, future = map(jnp.asarray, case.windows(case.batch))
    with jax.default_matmul_precision(MATMULS[case.precision]):
        loss, gradient = jax.jit(jax.value_and_grad(_loss(case)))(variables(case), history, future)
    return float(loss), named_gradients(case, gradient)
