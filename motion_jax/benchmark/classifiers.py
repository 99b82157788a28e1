"""The library's side of a recogniser's case: training steps from labelled windows that are resident, and scores."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax import recognition
from motion_jax.benchmark.case import CLASSES, CLIP_FRAMES, CLIPS, Built, Case, clips
from motion_jax.benchmark.compiled import compile_training, named_leaves, planned_memory
from motion_jax.recognition.classifier import Classifier
from motion_jax.recognition.losses import make_loss
from motion_jax.runtime.backend import compiler_options
from motion_jax.types import Array, Params


def network(case: Case) -> Classifier:
    """The classifier."""
    return recognition.make(case.experiment(), case.label_space())


def layers(case: Case) -> int:
    """Recurrent layers, one after another."""
    return 4 if case.model == "hbrnn" else 3


def traced(case: Case) -> Any:
    """The program of the scores."""
    classifier = network(case)
    params = jax.eval_shape(classifier.init, jax.random.key(0))
    frames = jax.ShapeDtypeStruct((case.batch, case.source, case.columns), jnp.float32)
    mask = jax.ShapeDtypeStruct((case.batch, case.source), jnp.float32)
    return jax.make_jaxpr(classifier.scores)(params, frames, mask).jaxpr


def parameters(case: Case) -> Any:
    """The same for every implementation, as numpy."""
    return _parameters(dataclasses.replace(case, work="train", batch=1, per_dispatch=1, fast=True))


@functools.lru_cache(maxsize=1)
def _parameters(case: Case) -> Any:
    return jax.device_get(jax.jit(network(case).init)(jax.random.key(0)))


def sequences(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """What is scored, `[B, S, N]`, and labels `[B]`."""
    return case.windows(case.batch)[0], np.arange(case.batch, dtype=np.int32) % CLASSES


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn:
    """The task: windows drawn from clips, each with its clip's label."""

    case: Case
    classifier: Classifier
    data: Array  # [CLIPS, F, N]
    data_key: str = "random"
    rate_scales: Any = None
    whole_batch: bool = False

    def init(self, key: Array) -> Params:
        """The network's."""
        return self.classifier.init(key)

    def sample_batch(self, data: Array, key: Array, step: Array) -> Any:
        """Windows, their labels, and a key a window."""
        del step
        window, drop = jax.random.split(key)
        clip, start = jax.random.split(window)
        count, span = self.case.batch, self.case.source
        number = jax.random.randint(clip, (count,), 0, CLIPS)
        begin = jax.random.randint(start, (count,), 0, CLIP_FRAMES - span)
        return data[number[:, None], begin[:, None] + jnp.arange(span)], number, jax.random.split(drop, count)

    def loss_and_grad(self, params: Params, batch: Any, key: Array, step: Array) -> tuple[Array, Params]:
        """As training has it."""
        del key, step
        frames, labels, keys = batch
        return jax.value_and_grad(functools.partial(_loss, self.case, self.classifier))(params, frames, labels, keys)


def _loss(
    case: Case, classifier: Classifier, params: Params, frames: Array, labels: Array, keys: Array | None
) -> Array:
    """Without keys without dropout."""
    mask = jnp.ones(frames.shape[:2], frames.dtype)
    if keys is None or classifier.train_scores is None:
        scores = classifier.scores(params, frames, mask)
    else:
        scores, _ = classifier.train_scores(params, frames, mask, keys)
    experiment = case.experiment()
    loss = make_loss(experiment.train.loss, experiment.labels, np.ones(CLASSES)).of_batch(scores, None, labels)
    return loss if classifier.penalty is None else loss + classifier.penalty(params)


def build(case: Case) -> Built:
    """Compiles the case."""
    return _build_train(case) if case.work == "train" else _build_infer(case)


def _build_train(case: Case) -> Built:
    experiment, classifier = case.experiment(), network(case)
    task: Any = Drawn(case, classifier, jnp.asarray(clips(case, CLIP_FRAMES)))
    done = compile_training(task, experiment, parameters(case), task.data, case.per_dispatch)
    return Built(done.call, lambda: _gradients(case), case.per_dispatch, done.compile_s, done.memory, done.memory,
                 case.fast, done.devices)  # fmt: skip


def _build_infer(case: Case) -> Built:
    options = compiler_options(case.experiment().compute)
    arguments = jax.device_put((parameters(case), sequences(case)[0], np.ones((case.batch, case.source), np.float32)))
    begun = time.perf_counter()
    scores = recognition.scores_in_parts(network(case), case.experiment())
    compiled = jax.jit(scores, compiler_options=options).lower(*arguments).compile()
    compile_s, memory = time.perf_counter() - begun, planned_memory(compiled)
    return Built(lambda: jax.block_until_ready(compiled(*arguments)), lambda: _gradients(case), 1, compile_s, memory,
                 memory, case.fast)  # fmt: skip


def _gradients(case: Case) -> tuple[float, dict[str, np.ndarray]]:
    """Without dropout: no two libraries draw the same."""
    loss = functools.partial(_loss, case, network(case), keys=None)
    value, gradient = jax.jit(jax.value_and_grad(loss))(parameters(case), *sequences(case))
    return float(value), {name: np.asarray(leaf) for name, leaf in named_leaves(gradient).items()}
