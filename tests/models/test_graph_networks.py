"""Graph networks over the DCT against their formulas in numpy, in prediction and in training."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, TrainConfig, model_config
from motion_jax.models import make
from motion_jax.models.his_rep_itself import attention_weights
from motion_jax.nn.deferred_grad.products import DEFAULT
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.step import zero_running
from motion_jax.types import Batch, Running

B, S, T, L, P, H = 5, 7, 3, 3, 2, 4
KEPT = (0, 1, 3, 4, 5, 7, 8)  # the translation, the root, a joint below it; two of them are incomplete
TOKENS, AXES = [column // 3 for column in KEPT], [column % 3 for column in KEPT]
N = len(KEPT)
SPACE = PoseSpace(np.zeros(9), np.ones(9), KEPT, (), H36M, 25.0)
RNG = np.random.default_rng(0)
HISTORY, FUTURE = (RNG.normal(size=(B, length, N)).astype("f4") for length in (S, T))
BATCH, KEYS = Batch(jnp.asarray(HISTORY), jnp.asarray(FUTURE)), jax.random.split(jax.random.key(1), B)
FIELDS = {
    "learn_traj_dep": {"hidden": H, "blocks": 1, "observed": L},
    "his_rep_itself": {"hidden": H, "blocks": 1, "observed": L, "predicted": P},
    "pgbig": {"hidden": H, "stages": 3, "decoder_blocks": 1, "observed": L},
}
PREDICTED = {"learn_traj_dep": T, "his_rep_itself": P, "pgbig": T}
cases = pytest.mark.parametrize("case", FIELDS)


def model(case: str, dropout: float):
    experiment = Experiment(
        model=model_config(case, dropout=dropout, **FIELDS[case]), train=TrainConfig(loss="mse"),
        data=DataConfig(source_length=S, target_length=T), eval=EvalConfig(frames="1"),
    )  # fmt: skip
    return make(experiment, SPACE)


@functools.cache
def parameters(case: str):
    """Random; the convolutions of the attention all but positive, so that its ReLUs do not close."""
    rng = np.random.default_rng(2)
    template = jax.eval_shape(model(case, 0).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.uniform(-0.7, 0.7, leaf.shape).astype("f4"), template)
    if case == "his_rep_itself":
        wide = jax.tree.map(lambda leaf: leaf + np.float32(0.3), (params.query, params.key))
        params = params._replace(query=wide[0], key=wide[1])
    return jax.tree.map(
        lambda node: node._replace(variance=np.abs(node.variance) + 0.1) if isinstance(node, Running) else node,
        params, is_leaf=lambda node: isinstance(node, Running),
    )  # fmt: skip


def normalised(norm, x, batch_axis, train):
    """x with statistics for each number; `norm`'s leaves have the shape of x without the batch's axis."""
    mean, variance = (x.mean(batch_axis), x.var(batch_axis)) if train else norm.running
    mean, variance, scale, shift = (np.expand_dims(leaf, batch_axis) for leaf in (mean, variance, *norm[:2]))
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


def dct(length):
    k, s = np.arange(length)[:, None], np.arange(length)
    return np.sqrt(np.where(k == 0, 1, 2) / length) * np.cos(np.pi * (s + 0.5) * k / length)


def padded(length):
    """The last L frames of HISTORY and copies of the last one, `[B, length, n]`."""
    last = HISTORY[:, -1:].astype("f8")
    return np.concatenate([HISTORY[:, -L:], np.repeat(last, length - L, axis=1)], axis=1)


def node_network(params, x):
    """Of x `[B, n, F]`, as a function of whether statistics are those of the batch."""

    def convolution(p, x):
        return np.einsum("nm,bmf,fg->bng", p.adjacency, x, p.w) + p.b

    def layer(p, x, train):
        return np.tanh(normalised(p.norm, convolution(p.convolution, x), 0, train))

    def run(train):
        y = layer(params.first, x, train)
        for one, two in params.blocks:
            y = y + layer(two, layer(one, y, train), train)
        return x + convolution(params.last, y)

    return run


def learn_traj_dep(params, train):
    """`[1, B, L + T, n]`: the trajectories whose losses are averaged, the first of which predicts."""
    x = np.einsum("ft,btn->bnf", dct(L + T), padded(L + T))
    return np.einsum("ft,bnf->btn", dct(L + T), node_network(params, x)(train))[None]


def weights(params):
    """`[B, W]`, window by window: the first frame of each is 0 ... S - L - P."""

    def convolved(kernels, frames):
        for kernel in kernels:
            count = len(frames) - len(kernel) + 1
            frames = [sum(frames[t + i] @ kernel[i] for i in range(len(kernel))) for t in range(count)]
            frames = [np.maximum(frame, 0) for frame in frames]
        (feature,) = frames
        return feature

    scores = np.zeros((B, S - L - P + 1))
    for b, start in np.ndindex(*scores.shape):
        query = convolved(params.query, HISTORY[b, -L:].astype("f8"))
        scores[b, start] = query @ convolved(params.key, HISTORY[b, start : start + L].astype("f8"))
    return scores / scores.sum(axis=1, keepdims=True)


def his_rep_itself(params, train):
    length, attention = L + P, weights(params)
    past = sum(attention[:, [start], None] * HISTORY[:, start : start + length] for start in range(S - length + 1))
    x = np.concatenate([np.einsum("ft,btn->bnf", dct(length), part) for part in (padded(length), past)], axis=2)
    y = node_network(params.graph, x)(train)[..., :length]
    return np.einsum("ft,bnf->btn", dct(length), y)[None]


def pgbig(params, train):
    """The stages' trajectories, the last stage's first."""
    length = L + T
    grid = np.zeros((length, B, 3, 3))
    to_mask = np.zeros((3, 3))
    grid[:, :, TOKENS, AXES] = np.einsum("ft,btn->fbn", dct(length), padded(length))
    to_mask[TOKENS, AXES] = 1

    def convolution(p, x):
        return np.einsum("fbjc,jk,cd,fg->gbkd", x, *p)

    def layer(p, x):
        y = convolution(p.convolution, x)
        norm = jax.tree.map(lambda leaf: np.reshape(leaf, (len(y), *y.shape[2:])), p.norm)
        return np.tanh(normalised(norm, y, 1, train))

    def coder(p, x):
        y = layer(p.first, x)
        for one, two in p.blocks:
            y = y + layer(two, layer(one, y))
        y = convolution(p.last, y) + p.b[:, None, None, None]
        return y + x[: len(y)] @ p.beside.w + p.beside.b

    stages = []
    for stage in range(FIELDS["pgbig"]["stages"]):
        own = jax.tree.map(lambda leaf, stage=stage: leaf[stage].astype("f8"), params)
        code = coder(own.encoder, grid)
        grid = coder(own.decoder, np.concatenate([code, code])) * to_mask
        stages.append(np.einsum("ft,fbn->btn", dct(length), grid[:, :, TOKENS, AXES]))
    return np.stack(stages[::-1])


REFERENCES = {"learn_traj_dep": learn_traj_dep, "his_rep_itself": his_rep_itself, "pgbig": pgbig}


@functools.cache
def trained(case: str, dropout: float):
    return jax.jit(model(case, dropout).train_loss)


@cases
def test_prediction_is_that_of_the_formulas_without_dropout(case):
    length = PREDICTED[case]
    expected = REFERENCES[case](parameters(case), train=False)[0, :, L:]
    apply = jax.jit(model(case, dropout=0.5).apply)
    found = apply(parameters(case), HISTORY, FUTURE[:, :length], np.zeros((B, length), bool))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@cases
def test_the_loss_is_that_of_observed_and_predicted_frames(case):
    """By the statistics of the batch; of a stage ahead of the last, against averages of the future."""
    assert model(case, 0).whole_batch
    truth = np.concatenate([HISTORY[:, -L:], FUTURE[:, : PREDICTED[case]]], axis=1)
    losses = []
    for frames in REFERENCES[case](parameters(case), train=True):
        losses.append(np.mean((frames - truth) ** 2))
        averages = [truth[:, L : t + 1].mean(axis=1) for t in range(L, truth.shape[1])]
        truth = np.concatenate([truth[:, :L], np.stack(averages, axis=1)], axis=1)
    loss, _ = trained(case, 0)(parameters(case), BATCH, KEYS, 0)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-3)


@cases
def test_training_moves_running_statistics_alone(case):
    params = parameters(case)
    _, moved = trained(case, 0)(params, BATCH, KEYS, 0)
    jax.tree.map(np.testing.assert_array_equal, zero_running(moved), zero_running(params))
    pairs = zip(jax.tree.leaves_with_path(moved), jax.tree.leaves(params), strict=True)
    changed = {jax.tree_util.keystr(path): (new != old).all() for (path, new), old in pairs}
    statistics = {path for path in changed if ".running." in path}
    assert statistics
    assert {path for path, moves in changed.items() if moves} == statistics


@cases
def test_training_drops_and_each_key_draws_anew(case):
    losses = [trained(case, 0.5)(parameters(case), BATCH, keys, 0)[0] for keys in (KEYS, KEYS, KEYS[::-1])]
    whole = trained(case, 0)(parameters(case), BATCH, KEYS, 0)[0]
    assert losses[0] == losses[1]
    assert all(abs(a - b) > 1e-4 for a, b in itertools.combinations([whole, *losses[1:]], 2))


def test_attention_is_that_of_the_formulas_positive_and_sums_to_one():
    params, windows = parameters("his_rep_itself"), S - L - P + 1
    found = attention_weights(params, jnp.asarray(HISTORY), P, DEFAULT)
    assert found.shape == (B, windows)
    np.testing.assert_allclose(found, weights(params), rtol=1e-4)
    np.testing.assert_allclose(np.sum(found, axis=1), 1, rtol=1e-6)
    assert np.min(found) > 0
    closed = params._replace(query=jax.tree.map(lambda leaf: -np.abs(leaf), params.query))  # no score is above 0
    np.testing.assert_allclose(attention_weights(closed, jnp.abs(HISTORY), P, DEFAULT), 1 / windows, rtol=1e-6)


def test_pgbig_has_the_published_number_of_parameters_but_for_those_that_cannot_matter():
    """1.74 M, of 22 joints, 10 frames and 25."""
    space = PoseSpace(np.zeros(99), np.ones(99), tuple(range(3, 69)), (), H36M, 25.0)
    built = make(Experiment(model=model_config("pgbig"), data=DataConfig(source_length=10)), space)
    params = jax.eval_shape(built.init, jax.random.key(0))
    nodes = jax.tree.leaves(params, is_leaf=lambda node: isinstance(node, Running))
    ours = sum(node.size for node in nodes if not isinstance(node, Running))
    biases = 3 * 35 + 5 * 70  # of a stage, ahead of batch normalisation
    cut, uncalled = 70 * 35 + 35, 2 * 22 * 16 * (35 + 70)
    assert ours == 1_437_356
    assert ours + 4 * (biases + cut + uncalled) == 1_744_796
