"""RU-LSTM timed: a training step and a prediction, beside PyTorch's in the same interleaved run.

One modality of `WIDTH` columns, 14 steps, 8 anticipation times, 8 classes, SGD. Dropout takes part in training.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.anticipation import make
from motion_jax.benchmark import torch_ru_lstm
from motion_jax.benchmark.compiled import compile_training, named_leaves, planned_memory
from motion_jax.config import Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.errors import UserError
from motion_jax.recognition.losses import cross_entropy
from motion_jax.runtime.timing import interleave
from motion_jax.train.anticipation import Anticipation, Examples

MODEL = "ru_lstm"
WIDTH, CLASSES, EXAMPLES = 96, 8, 512
K = 10  # updates to a dispatch
AGREEMENT = 1e-4  # relative, of loss and gradients


def experiment(batch: int, hidden: int, dropout: float = 0.5) -> Experiment:
    """As the benchmark trains it."""
    return Experiment(
        labels=LabelsConfig(inputs="positions"),
        model=model_config(MODEL, hidden=hidden, dropout=dropout),
        optim=OptimConfig(schedule="constant"),
        train=TrainConfig(batch=batch, loss="cross_entropy", steps_per_dispatch=K),
    )


def random_examples(config: Any) -> Examples:
    """`EXAMPLES` of them; their values do not change the arithmetic."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(EXAMPLES, config.clock.steps, WIDTH)).astype(np.float32)
    return Examples((jax.numpy.asarray(inputs),), jax.numpy.asarray(rng.integers(0, CLASSES, EXAMPLES)))


def measure(work: str, batch: int, hidden: int, peers: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """A row an implementation, the library's first; each peer's with `ratio`, its median over the library's.

    Raises:
        UserError: a peer that is not written for this network, or one that does not compute the same.
    """
    if others := [peer for peer in peers if peer != "torch"]:
        raise UserError(f"--peer={','.join(others)}: of --model={MODEL} there is torch only")
    e = experiment(batch, hidden)
    modality = Modality("positions", np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32))
    space = LabelSpace(tuple(f"class{number}" for number in range(CLASSES)), (modality,), 50.0, None)
    network, examples = make(e, space), random_examples(e.model)
    task = Anticipation(e, network, space, examples, "random", np.ones(CLASSES, np.float32), None)
    params = jax.device_get(jax.jit(network.init)(jax.random.key(0)))
    if work == "train":
        call, compile_s, memory, _ = compile_training(task, e, params, examples, K)
    else:
        inputs, begun = (examples.inputs[0][:batch],), time.perf_counter()
        compiled = jax.jit(network.scores).lower(params, inputs).compile()
        compile_s, memory, held = time.perf_counter() - begun, planned_memory(compiled), jax.device_put(params)

        def call() -> None:
            jax.block_until_ready(compiled(held, inputs))

    calls, counts = {"motion_jax": call}, {"motion_jax": K if work == "train" else 1}
    if peers:
        twin = torch_ru_lstm.make_twin(e.model, WIDTH, CLASSES, named_leaves(params))
        _check_same(space, params, examples, batch, hidden, twin)
        calls["torch"] = torch_ru_lstm.call(twin, work, batch, examples, e)
        counts["torch"] = 1
    samples = interleave(calls, counts, seconds)
    rows = []
    for name, found in samples.items():
        ours = name == "motion_jax"
        row = {"work": work, "model": MODEL, "batch": batch, "hidden": hidden, "bidirectional": False,
               "precision": "float32", "implementation": name, **found.summary(),
               "peak_bytes": memory if ours else None,
               "compile_s": compile_s if ours else None}  # fmt: skip
        row["ratio"] = row["median_ms"] / (rows[0]["median_ms"] if rows else row["median_ms"])
        rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| work | batch | hidden | implementation | median ms | CPU ms | ratio |",
             "| --- | ---: | ---: | --- | ---: | ---: | ---: |"]  # fmt: skip
    lines += [f"| {r['work']} | {r['batch']} | {r['hidden']} | {r['implementation']} | {r['median_ms']:.3f} | "
              f"{r['cpu_ms']:.3f} | {r['ratio']:.2f} |" for r in rows]  # fmt: skip
    return "\n".join(lines)


def _check_same(space: LabelSpace, params: Any, examples: Examples, batch: int, hidden: int, twin: Any) -> None:
    """Without dropout: no two libraries draw the same."""
    e = experiment(batch, hidden, dropout=0.0)
    network, inputs, label = make(e, space), (examples.inputs[0][:batch],), examples.label[:batch]

    def loss(params: Any) -> jax.Array:
        scores = network.scores(params, inputs)
        return cross_entropy(scores, jnp.broadcast_to(label[:, None], scores.shape[:-1])).mean()

    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    other, others = torch_ru_lstm.gradients(twin, np.asarray(inputs[0]), np.asarray(label))
    if not abs(other - float(value)) <= AGREEMENT * abs(float(value)):
        raise UserError(f"torch computes a loss of {other}, motion_jax {float(value)}, for {MODEL}")
    for name, leaf in named_leaves(gradient).items():
        error = np.abs(np.asarray(leaf) - others[name]).max() / np.abs(leaf).max()
        if not error < AGREEMENT:
            raise UserError(f"torch's gradient of {name} differs by {error:.1e} (relative) for {MODEL}")
