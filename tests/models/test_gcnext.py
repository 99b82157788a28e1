"""GCNext against its formulas in numpy, in prediction and in training, and where its training begins."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig, EvalConfig, Experiment, TrainConfig, model_config
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Batch

B, S, T, P, L = 16, 5, 3, 2, 2
KEPT = (0, 1, 3, 4, 5, 7, 8)  # the translation, the root, a joint below it; two of them are incomplete
TOKENS, AXES = [column // 3 for column in KEPT], [column % 3 for column in KEPT]
LINKED = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]])
N = len(KEPT)
TEMPERATURE, COOLING, STEP = 0.8, 0.1, 3
SPACE = PoseSpace(np.zeros(9), np.ones(9), KEPT, (), H36M, 25.0)
RNG = np.random.default_rng(0)
HISTORY, FUTURE = (RNG.normal(size=(B, length, N)) for length in (S, T))
KEYS = jax.random.split(jax.random.key(1), B)
FREE = np.zeros((B, P), bool)


def model(**fields):
    experiment = Experiment(
        model=model_config("gcnext", layers=L, predicted=P, **fields), train=TrainConfig(loss="mse"),
        data=DataConfig(source_length=S, target_length=T), eval=EvalConfig(frames="1"),
    )  # fmt: skip
    return make(experiment, SPACE)


GCNEXT = model(temperature=TEMPERATURE, cooling=COOLING)
apply = jax.jit(GCNEXT.apply)
TEMPLATE = jax.eval_shape(GCNEXT.init, jax.random.key(0))
PARAMS = jax.tree.map(lambda leaf: RNG.uniform(-0.7, 0.7, leaf.shape), TEMPLATE)
SINGLE = jax.tree.map(np.float32, PARAMS)


def tridiagonal(links, block, column):
    """`[S, S]`, to and from."""
    return np.diag(links.earlier[block, :, column], -1) + np.diag(links.later[block, :, column], 1)


def reference(params, gates):
    """P frames, float64, every graph convolution as a whole matrix; `gates(block, scores [B, 4])` weigh the options."""
    k, s = np.arange(S)[:, None], np.arange(S)
    dct = np.sqrt(np.where(k == 0, 1, 2) / S) * np.cos(np.pi * (s + 0.5) * k / S)
    x = np.einsum("ks,bsn->bkn", dct, HISTORY) @ params.before.w + params.before.b
    x = np.einsum("bsn,st->btn", x, params.time_before)
    adjacency = params.adjacency
    for block in range(L):
        joints, coordinates = np.zeros((2, N, N))
        for i, j in np.ndindex(N, N):
            if AXES[i] == AXES[j]:
                joints[i, j] = adjacency.joints[block, TOKENS[i], TOKENS[j]] * LINKED[TOKENS[i], TOKENS[j]]
            if TOKENS[i] == TOKENS[j]:
                coordinates[i, j] = adjacency.coordinates[block, TOKENS[i], AXES[i], AXES[j]]
        columns = np.stack([tridiagonal(adjacency.column_time, block, n) for n in range(N)])
        options = [
            np.zeros_like(x),
            np.einsum("ts,bsn->btn", tridiagonal(adjacency.time, block, 0), x),
            x @ coordinates,
            np.einsum("nts,bsn->btn", columns, x),
        ]
        gate = gates(block, x.mean(axis=2) @ params.gate)
        y = np.einsum("bsn,st->btn", x @ joints + np.einsum("bo,obsn->bsn", gate, options), params.blocks.time[block])
        y = (y - y.mean(2, keepdims=True)) / np.sqrt(y.var(2, keepdims=True) + 1e-5)
        x = x + y * params.blocks.norm.scale[block] + params.blocks.norm.shift[block]
    x = np.einsum("bsn,st->btn", x @ params.after.w + params.after.b, params.time_after)
    return np.einsum("ks,bkn->bsn", dct, x)[:, :P] + HISTORY[:, -1:]


def greatest(scores):
    return np.eye(4)[scores.argmax(axis=1)]


def test_prediction_is_that_of_its_formulas_with_the_option_of_the_greatest_score():
    chosen = []

    def gates(_, scores):
        chosen.append(greatest(scores))
        return chosen[-1]

    expected = reference(PARAMS, gates)
    assert (np.sum(chosen, axis=(0, 1)) > 0).all(), "an option that nobody chooses is not tested"
    predicted = apply(SINGLE, HISTORY.astype("f4"), FUTURE[:, :P].astype("f4"), FREE)
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-4)


def test_training_draws_the_options_and_learns_by_the_softmax():
    noise = np.stack([jax.random.gumbel(key, (L, 4)) for key in KEYS], axis=1)
    temperature = TEMPERATURE * np.exp(-COOLING * STEP)
    drawn, soft_of_drawn = {}, {}

    def softmax(scores):
        odds = np.exp(scores / temperature)
        return odds / odds.sum(axis=1, keepdims=True)

    def hard(block, scores):
        drawn[block], soft_of_drawn[block] = greatest(scores + noise[block]), softmax(scores + noise[block])
        return drawn[block]

    def straight_through(block, scores):
        return drawn[block] + softmax(scores + noise[block]) - soft_of_drawn[block]

    def loss(params, gates):
        return ((reference(params, gates) - FUTURE[:, :P]) ** 2).mean()

    batch = Batch(jnp.float32(HISTORY), jnp.float32(FUTURE))
    (value, _), gradient = jax.jit(jax.value_and_grad(GCNEXT.train_loss, has_aux=True))(SINGLE, batch, KEYS, STEP)
    np.testing.assert_allclose(value, loss(PARAMS, hard), rtol=1e-5)
    assert (np.sum(list(drawn.values()), axis=(0, 1)) > 0).all(), "an option that nobody chooses is not tested"
    leaves, tree = jax.tree.flatten(PARAMS)
    for number, (path, found) in enumerate(jax.tree.leaves_with_path(gradient)):
        for index in list(np.ndindex(found.shape))[:: max(1, found.size // 20)]:
            sides = []
            for shift in (1e-6, -1e-6):
                moved = leaves[number].copy()
                moved[index] += shift
                shifted = [*leaves[:number], moved, *leaves[number + 1 :]]
                sides.append(loss(jax.tree.unflatten(tree, shifted), straight_through))
            expected = (sides[0] - sides[1]) / 2e-6
            np.testing.assert_allclose(
                found[index], expected, rtol=1e-3, atol=1e-4, err_msg=f"{jax.tree_util.keystr(path)}{index}"
            )


def test_it_begins_with_the_last_frame_held_and_all_but_the_adjacency_learns_at_the_whole_rate():
    params = jax.jit(GCNEXT.init)(jax.random.key(0))
    predicted = apply(params, HISTORY.astype("f4"), FUTURE[:, :P].astype("f4"), FREE)
    np.testing.assert_allclose(predicted, np.broadcast_to(HISTORY[:, -1:], predicted.shape), atol=1e-5)
    np.testing.assert_array_equal(params.adjacency.joints, np.broadcast_to(np.eye(3), (L, 3, 3)))
    assert GCNEXT.rate_scales is not None
    scales = GCNEXT.rate_scales(params)
    assert jax.tree.structure(scales) == jax.tree.structure(params)
    slow = {jax.tree_util.keystr(path) for path, scale in jax.tree.leaves_with_path(scales) if scale != 1}
    links = {f".adjacency.{each}.{side}" for each in ("time", "column_time") for side in ("earlier", "later")}
    assert slow == {".time_before", ".time_after", ".adjacency.joints", ".adjacency.coordinates", *links}
    assert 3e-4 * scales.time_before == 1e-8
