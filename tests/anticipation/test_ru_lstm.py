"""RU-LSTM: against PyTorch with the same weights, and what its definition promises of times, modalities and stages."""

from __future__ import annotations

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.anticipation import make
from motion_jax.anticipation.ru_lstm import RuLstmParams
from motion_jax.config import Experiment, LabelsConfig, TrainConfig, model_config
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.errors import UserError
from motion_jax.nn.cells import CELLS, LSTMState, step_cell
from motion_jax.nn.deferred_grad import Compute
from motion_jax.recognition.losses import cross_entropy

B, ENCODING, TIMES, H, C = 2, 2, 3, 4, 5
WIDTHS = (3, 2)
STEPS = 100
PRETRAIN, BRANCHES = 10, 20  # updates


def experiment(names: str = "a,b", **fields) -> Experiment:
    sizes = {"hidden": H, "encoding": ENCODING, "anticipation": TIMES, "dropout": 0.0, **fields}
    return Experiment(
        labels=LabelsConfig(inputs=names),
        model=model_config("ru_lstm", **sizes),
        train=TrainConfig(loss="cross_entropy", steps=STEPS),
    )


def space(*widths: int) -> LabelSpace:
    modalities = [Modality(name, np.zeros(w), np.ones(w)) for name, w in zip("ab", widths, strict=False)]
    return LabelSpace(tuple("vwxyz"), tuple(modalities), 25.0, None)


MATT = experiment(fusion="matt", pretrain_steps=PRETRAIN, branch_steps=BRANCHES)


@functools.cache
def stored() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parents[1] / "goldens/ru_lstm.npz", allow_pickle=False) as arrays:
        return {name: value.astype(np.float32) if value.dtype == float else value for name, value in arrays.items()}


def parameters(group: str) -> RuLstmParams:
    template = jax.eval_shape(make(MATT, space(*WIDTHS)).init, jax.random.key(0))
    named = {f"{group}/{jax.tree_util.keystr(path, simple=True, separator='.')}": leaf.shape
             for path, leaf in jax.tree.leaves_with_path(template)}  # fmt: skip
    assert set(named) == {name for name in stored() if name.startswith(group)}
    assert all(stored()[name].shape == shape for name, shape in named.items())
    return jax.tree.unflatten(jax.tree.structure(template), [jnp.asarray(stored()[name]) for name in named])


def inputs() -> tuple[jax.Array, ...]:
    return tuple(jnp.asarray(stored()[f"inputs/{number}"]) for number in range(len(WIDTHS)))


@jax.jit
def trained(params, step):
    """What is trained at an update: logits, weights, and the gradient of the loss."""

    def loss(params):
        scores, counts = make(MATT, space(*WIDTHS)).train_scores(params, inputs(), keys, step)
        label = jnp.broadcast_to(jnp.asarray(stored()["label"])[:, None], scores.shape[:-1])
        return counts @ cross_entropy(scores, label).mean((1, 2)), (scores, counts)

    keys = jax.random.split(jax.random.key(0), B)
    return jax.value_and_grad(loss, has_aux=True)(params)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_scores_and_attention_are_pytorchs():
    network, params = make(MATT, space(*WIDTHS)), parameters("before")
    close(network.scores(params, inputs()), stored()["fused"])
    assert network.weights
    weights = network.weights(params, inputs())
    close(weights, stored()["weights"])
    close(weights.sum(-1), np.ones((B, TIMES)))


def test_a_joint_step_is_pytorchs():
    (loss, (scores, counts)), grad = trained(parameters("before"), PRETRAIN + BRANCHES)
    close(loss, stored()["loss"])
    close(scores[:2], stored()["scores"])
    np.testing.assert_array_equal(counts, [0, 0, 1])
    moved = jax.tree.map(lambda leaf, d: leaf - 0.5 * d, parameters("before"), grad)
    jax.tree.map(close, moved, parameters("after"))


def test_stages_complete_sequences_then_train_branches_then_all():
    for step in (PRETRAIN - 1, PRETRAIN):
        (_, (scores, counts)), grad = trained(parameters("before"), step)
        close(scores[:2], stored()["completed" if step < PRETRAIN else "scores"])
        np.testing.assert_array_equal(counts, [1, 1, 0])
        assert all(not np.any(leaf) for leaf in jax.tree.leaves(grad.attention))
        assert all(np.any(leaf) for leaf in jax.tree.leaves(grad.branches))


def test_scores_read_nothing_that_comes_later():
    network = make(MATT, space(*WIDTHS))

    def sums(inputs):  # of logits whose gradients do not cancel
        return (network.scores(parameters("before"), inputs) ** 2).sum(-1)

    for jacobian in jax.jit(jax.jacrev(sums))(inputs()):  # [B, A, B, S, D]
        reads = np.abs(jacobian).max(4)  # [B, A, B, S]
        for time in range(TIMES):
            assert (reads[0, time, 0, : ENCODING + time + 1] > 0).all()
            assert not reads[0, time, 0, ENCODING + time + 1 :].any()
            assert not reads[0, time, 1].any()


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_all_times_at_once_are_each_time_apart(dropout):
    """Of one branch, against a loop: of training too, where dropout draws another mask for each step."""
    one = experiment("a", dropout=dropout)
    network, branch = make(one, space(WIDTHS[0])), parameters("before").branches[0]
    scores = network.scores(RuLstmParams((branch,)), inputs()[:1])
    cell = CELLS["lstm"]
    rolling, unrolling = (cell.weights(p, Compute()) for p in (branch.rolling, branch.unrolling))
    state = LSTMState(jnp.zeros((B, H)), jnp.zeros((B, H)))
    for step, x in enumerate(jnp.swapaxes(inputs()[0], 0, 1)):
        state = step_cell(cell, rolling, state, x)
        if (time := step - ENCODING) >= 0:
            unrolled = state
            for _ in range(TIMES - time + 1):
                unrolled = step_cell(cell, unrolling, unrolled, x)
            close(scores[:, time], unrolled.h @ branch.classifier.w + branch.classifier.b)
    if dropout:
        keys = jax.random.split(jax.random.key(0), B)
        noisy, _ = network.train_scores(RuLstmParams((branch,)), inputs()[:1], keys, jnp.zeros((), jnp.int32))
        assert np.abs(noisy[0] - scores).max() > 0.01
        alone, _ = network.train_scores(RuLstmParams((branch,)), (inputs()[0][1:],), keys[1:], jnp.zeros((), jnp.int32))
        close(alone[0, 0], noisy[0, 1])  # a row's masks do not depend on its batch


def test_late_fusion_is_the_mean_and_trains_each_branch():
    params = RuLstmParams(parameters("before").branches)
    late = make(experiment(fusion="late"), space(*WIDTHS))
    close(late.scores(params, inputs()), stored()["scores"].mean(0))
    _, counts = late.train_scores(params, inputs(), jax.random.split(jax.random.key(0), B), jnp.zeros((), jnp.int32))
    np.testing.assert_array_equal(counts, [1, 1])


def test_early_fusion_reads_inputs_side_by_side():
    early = make(experiment(fusion="early"), space(*WIDTHS))
    params = early.init(jax.random.key(0))
    assert [branch.rolling.w_input.shape[0] for branch in params.branches] == [sum(WIDTHS)]
    both = make(experiment("a"), space(sum(WIDTHS))).scores(params, (jnp.concatenate(inputs(), -1),))
    np.testing.assert_array_equal(early.scores(params, inputs()), both)


@pytest.mark.parametrize(("fields", "said"), [
    ({"fusion": "none"}, "several modalities need model.fusion"),
    ({"fusion": "late", "names": "a"}, "names one modality only"),
    ({"fusion": "late", "branch_steps": 5}, "nothing reads it unless model.fusion is 'matt'"),
    ({"fusion": "late", "pretrain_steps": STEPS}, "train.steps=100: must be more than"),
    ({"fusion": "matt", "mode": "early_recognition"}, "the plain mean"),
    ({"fusion": "late", "mode": "early_recognition", "alpha": 0.5}, "model.alpha=0.5"),
    ({"fusion": "sum"}, "model.fusion='sum': must be one of none, early, late, matt"),
])  # fmt: skip
def test_what_cannot_be_is_refused(fields, said):
    names = fields.pop("names", "a,b")
    encoding = {"encoding": 6} if "mode" in fields else {}
    with pytest.raises(UserError, match=said):
        make(experiment(names, **fields, **encoding), space(*WIDTHS[: len(names.split(","))]))
