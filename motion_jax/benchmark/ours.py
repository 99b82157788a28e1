"""The library's side of a case: the code that `launch.train` and `load_predictor` run."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.benchmark.case import CLIP_FRAMES, CLIPS, WIDTH, Built, Case
from motion_jax.data.bank import make_bank
from motion_jax.feeding import forced_by
from motion_jax.losses import LOSSES
from motion_jax.models import make
from motion_jax.models.seq2seq import Seq2SeqParams
from motion_jax.optim import make_optimizer
from motion_jax.train.state import init_state
from motion_jax.train.step import data_mesh, make_chunk
from motion_jax.types import Array, Clip


def parameters(case: Case) -> Seq2SeqParams:
    """The same for every implementation. The read-out starts at zero; random here, so that it takes part."""
    params = make(case.experiment(), case.space()).init(jax.random.key(0))
    read_out = params.decoder.read_out
    w = 0.01 * jax.random.normal(jax.random.key(1), read_out.w.shape)
    return params._replace(decoder=params.decoder._replace(read_out=read_out._replace(w=w)))


def build(case: Case) -> Built:
    """Compiles the case."""
    return _build_train(case) if case.work == "train" else _build_infer(case)


def _build_train(case: Case) -> Built:
    experiment, space = case.experiment(), case.space()
    model, optimizer = make(experiment, space), make_optimizer(experiment.optim)
    chunk, sharding = make_chunk(model, optimizer, experiment, data_mesh(case.batch))
    state = init_state(model, optimizer, seed=0).replace(params=parameters(case))
    frames = np.cumsum(np.random.default_rng(0).normal(0, 0.1, (CLIPS, CLIP_FRAMES * 2, WIDTH)), axis=1)
    clips = tuple(Clip(f.astype(np.float32), "", "walking", 1, "train", "random") for f in frames)
    state, bank = jax.device_put((state, make_bank(clips, space, experiment.data)), sharding)
    begun = time.perf_counter()
    compiled = chunk.lower(state, bank, case.per_dispatch).compile()
    compile_s = time.perf_counter() - begun

    def call() -> None:
        nonlocal state
        state, metrics = compiled(state, bank)
        jax.block_until_ready((state, metrics))

    return Built(call, case.per_dispatch, compile_s, _working_memory(compiled), lambda: _gradients(case))


def _build_infer(case: Case) -> Built:
    model = make(case.experiment(), case.space())
    history, future = np.split(case.windows(case.batch), [case.source_length], axis=1)
    forced = forced_by("free_running", case.batch, case.target_length)
    begun = time.perf_counter()
    arguments = jax.device_put((parameters(case), history, np.zeros_like(future), forced))
    compiled = jax.jit(model.apply).lower(*arguments).compile()
    compile_s = time.perf_counter() - begun
    return Built(
        lambda: jax.block_until_ready(compiled(*arguments)), 1, compile_s, _working_memory(compiled),
        lambda: _gradients(case),
    )  # fmt: skip


def _gradients(case: Case) -> tuple[float, dict[str, np.ndarray]]:
    model = make(case.experiment(), case.space())
    history, future = (jnp.asarray(part) for part in np.split(case.windows(case.batch), [case.source_length], axis=1))
    forced = forced_by("free_running", case.batch, case.target_length)

    def loss(params: Seq2SeqParams) -> Array:
        return LOSSES["mse"](model.apply(params, history, future, forced), future)

    value, gradient = jax.jit(jax.value_and_grad(loss))(parameters(case))
    leaves = jax.tree_util.tree_leaves_with_path(gradient)
    return float(value), {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _working_memory(compiled: jax.stages.Compiled) -> int | None:
    analysis = compiled.memory_analysis()
    return None if analysis is None else int(analysis.temp_size_in_bytes)
