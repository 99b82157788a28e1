"""What holds for every model: one test file that each member of the registry and each field of seq2seq passes."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import serialization
from jax.test_util import check_grads

from motion_jax.config import (
    ComputeConfig,
    DataConfig,
    EvalConfig,
    Experiment,
    model_config,
)
from motion_jax.errors import UserError
from motion_jax.models import REGISTRY, make
from motion_jax.models.seq2seq import OUTPUTS
from motion_jax.nn.attention import ATTENTIONS
from motion_jax.nn.cells import CELLS
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Model, Running

B, S, T, H = 2, 4, 3, 4
COLUMNS, ACTIONS = 9, ("walking", "eating")  # a root and two joints
WHOLE_BODY = (1, 4, 6, 21, 22, 52, 76)  # of every part; a column of the left leg has no counterpart
N = 7 + len(ACTIONS)

# Every value of every field at least once; the values are paired because each case costs a compilation.
SEQ2SEQ = {
    "uni": {},
    "bi": {"bidirectional": True},
    "linear": {"attention": "linear", "cell": "rnn", "layers": 2},
    "location": {"attention": "location", "output": "combine"},
    "dot": {"attention": "dot", "cell": "gru_reset_before", "bidirectional": True},
    "general": {"attention": "general", "output": "combine"},
    "concat": {"attention": "concat", "cell": "lstm", "output": "full", "bidirectional": True, "layers": 2},
    "scaled_dot": {"attention": "scaled_dot", "output": "full", "residual": False},
    "multi_head": {"attention": "multi_head", "heads": 2},
    "none": {"attention": "none", "output": "full", "residual": False},
}
# Every other model, small.
OTHERS = {
    "res_sup-tied": {"name": "res_sup", "hidden": H, "cell": "gru_reset_before", "layers": 2},
    "res_sup-untied": {"name": "res_sup", "hidden": H, "tied": False},
    "erd": {"name": "erd", "hidden": 20, "layers": 2},
    "lstm_3lr": {"name": "lstm_3lr", "hidden": H, "layers": 3},
    "srnn": {"name": "srnn", "hidden": 16},
    "quaternet": {"name": "quaternet", "hidden": H, "layers": 2},
    "quaternet-conv": {"name": "quaternet", "hidden": H, "layers": 2, "convolutional": True},
    "aged": {"name": "aged", "hidden": H},
    "crbm": {"name": "crbm", "hidden": H, "order": 2},
    "simlpe": {"name": "simlpe", "layers": 2, "predicted": 2},
    "simlpe-next": {"name": "simlpe", "layers": 1, "predicted": 1},
    "gcnext": {"name": "gcnext", "layers": 1, "predicted": 1},
    "dct_mixer": {"name": "dct_mixer", "layers": 1, "hidden": 5, "members": 2},
    "learn_traj_dep": {"name": "learn_traj_dep", "hidden": H, "blocks": 1, "observed": 3},
    "his_rep_itself": {"name": "his_rep_itself", "hidden": H, "blocks": 1, "observed": 2, "predicted": 1},
    "pgbig": {"name": "pgbig", "hidden": H, "stages": 2, "decoder_blocks": 1, "observed": 3},
    "transformer": {"name": "transformer", "hidden": H, "layers": 1, "heads": 2, "feed_forward": H},
    "st_transformer": {"name": "st_transformer", "hidden": H, "layers": 1, "heads": 2, "feed_forward": H},
    "conv_lstm": {"name": "conv_lstm", "hidden": H, "layers": 2, "kernel": 3},
    "conv_seq2seq": {"name": "conv_seq2seq", "hidden": H, "layers": 1, "window": 2},
    "tcn": {"name": "tcn", "hidden": H, "layers": 1},
}
CASES = {
    **{f"seq2seq-{name}": model_config(**({"hidden": H} | fields)) for name, fields in SEQ2SEQ.items()},
    **{case: model_config(**fields) for case, fields in OTHERS.items()},
    **{name: model_config(name) for name in ("zero_velocity", "running_average", "constant_velocity")},
}
# Parameters that add the same to every score: the softmax drops them, so their gradient is rounding. Discriminators.
CANCELLED = {
    "seq2seq-linear": {".decoder.attention.w_query", ".decoder.attention.b"},
    "seq2seq-scaled_dot": {".decoder.attention.key.b"},
    "aged": {
        f".judges.{discriminator}.{leaf}"
        for discriminator in ("fidelity", "continuity")
        for leaf in ("layer.w_input", "layer.w_hidden", "layer.b_input", "layer.b_hidden", "verdict.w", "verdict.b")
    },
}

cases = pytest.mark.parametrize("case", sorted(CASES))
FREE, FORCED = np.zeros((B, T), bool), np.ones((B, T), bool)
ALL = np.ones(T, np.float32)
MIXED = np.array([[True, False, True], [False, True, False]])


def windows(dtype: str = "float32", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """History and future."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(B, length, N)).astype(dtype) for length in (S, T))


def build(case: str, precision: str = "float32") -> Model:
    rng = np.random.default_rng(1)
    columns, kept = (99, WHOLE_BODY) if case == "srnn" else (COLUMNS, (0, 1, 3, 4, 5, 7, 8))
    std = np.where(np.isin(np.arange(columns), kept), rng.uniform(0.1, 0.4, columns), 1)
    space = PoseSpace(rng.normal(size=columns, scale=0.1), std, kept, ACTIONS, H36M, 25.0)
    data = DataConfig(source_length=S, target_length=T)
    return make(
        Experiment(model=CASES[case], compute=ComputeConfig(precision), data=data, eval=EvalConfig(frames="1")), space
    )


def parameters(case: str, dtype: str = "float32"):
    """Random, for a residual model's own beginning is zero-velocity, which keeps most laws by accident."""
    rng = np.random.default_rng(2)
    template = jax.eval_shape(build(case).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.uniform(-0.7, 0.7, leaf.shape).astype(dtype), template)
    return jax.tree.map(_with_variance, params, is_leaf=lambda node: isinstance(node, Running))


def _with_variance(node):
    return node._replace(variance=np.abs(node.variance)) if isinstance(node, Running) else node


@functools.cache
def compiled(case: str):
    """(params, history, future, forced, frames `[T]`) -> the prediction, and its derivative by the first three.

    The derivative is that of a weighted sum over batch, columns and `frames`, which weigh them; by default all of them.
    """
    weights = np.random.default_rng(3).normal(size=(B, T, N)).astype(np.float32)
    model = build(case)

    @jax.jit
    def run(params, history, future, forced, frames):
        prediction, pull = jax.vjp(lambda *args: model.apply(*args, forced), params, history, future)
        return prediction, pull(weights * frames[:, None])

    return lambda *args, frames=ALL: run(*args, frames)


def test_the_cases_cover_every_value_of_the_fields():
    seq2seq = [config for config in CASES.values() if config.name == "seq2seq"]
    for field, values in {"cell": CELLS, "attention": ("none", *ATTENTIONS), "output": OUTPUTS}.items():
        assert {getattr(config, field) for config in seq2seq} == set(values)


def test_the_cases_cover_every_model():
    assert {config.name for config in CASES.values()} == set(REGISTRY)


def test_a_name_that_is_no_model_is_refused():
    with pytest.raises(UserError, match=r"model\.name='oracle': must be one of .*seq2seq"):
        make(Experiment(model=model_config("oracle")), PoseSpace(np.zeros(3), np.ones(3), (0,), (), "", 25.0))


@cases
def test_shape_and_type(case):
    prediction, _ = compiled(case)(parameters(case), *windows(), FREE)
    assert prediction.shape == (B, T, N)
    assert prediction.dtype == jnp.float32
    assert np.isfinite(prediction).all()


@pytest.mark.parametrize("case", ["seq2seq-none", "zero_velocity"])
def test_compiled_and_interpreted_agree(case):
    params, (history, future) = parameters(case), windows()
    loose = build(case).apply(params, history, future, MIXED)
    np.testing.assert_allclose(loose, compiled(case)(params, history, future, MIXED)[0], rtol=1e-5, atol=1e-5)


@cases
def test_gradients_reach_backwards_in_time_only(case):
    """Prediction t depends on future[s] only where s < t and a step in s+1 ... t was forced: never in free-running."""
    for t, frames in enumerate(np.eye(T, dtype=np.float32)):
        for forced in (FREE, MIXED, FORCED):
            _, (_, of_history, of_future) = compiled(case)(parameters(case), *windows(), forced, frames=frames)
            reached = np.abs(of_future).max(axis=2)  # [B, T]
            for b, s in np.ndindex(B, T):
                if not (s < t and forced[b, s + 1 : t + 1].any()):
                    assert reached[b, s] == 0
            if forced is FORCED and t > 0:
                assert reached[:, t - 1].min() > 0
            assert np.isfinite(of_history).all()
            assert t > 0 or np.abs(of_history).max() > 0


@cases
def test_free_running_ignores_the_values_of_the_future(case):
    params, (history, future) = parameters(case), windows()
    prediction, _ = compiled(case)(params, history, future, FREE)
    blind, _ = compiled(case)(params, history, np.full_like(future, np.nan), FREE)
    np.testing.assert_array_equal(prediction, blind)


@cases
def test_forcing(case):
    """Step 0 has nothing to be forced with; after it, forcing a step changes it and leaves those before."""
    params, (history, future) = parameters(case), windows()
    free, _ = compiled(case)(params, history, future, FREE)
    for t in range(T):
        forced = FREE.copy()
        forced[:, t] = True
        prediction, _ = compiled(case)(params, history, future, forced)
        np.testing.assert_allclose(prediction[:, :t], free[:, :t], rtol=1e-6, atol=1e-6)
        assert (np.abs(prediction[:, t] - free[:, t]).max() > 1e-4) == (t > 0)


PLANNED = {"simlpe", "dct_mixer", "learn_traj_dep", "pgbig"}
"""They predict several frames from the same reading: forced with the first of them, they read it and plan anew."""


@pytest.mark.parametrize("case", sorted(set(CASES) - PLANNED - {"running_average"}))  # which reads none of its own
def test_free_running_is_being_forced_with_ones_own_predictions(case):
    params, (history, future) = parameters(case), windows()
    free, _ = compiled(case)(params, history, future, FREE)
    np.testing.assert_allclose(compiled(case)(params, history, free, FORCED)[0], free, rtol=1e-4, atol=1e-5)


@cases
def test_sequences_do_not_see_each_other(case):
    params, (history, future), (other_history, other_future) = parameters(case), windows(), windows(seed=9)
    prediction, _ = compiled(case)(params, history, future, MIXED)
    swapped, _ = compiled(case)(params, history[::-1], future[::-1], MIXED[::-1])
    np.testing.assert_allclose(swapped[::-1], prediction, rtol=1e-5, atol=1e-6)
    history[0], future[0] = other_history[0], other_future[0]
    altered, _ = compiled(case)(params, history, future, MIXED)
    np.testing.assert_allclose(altered[1], prediction[1], rtol=1e-5, atol=1e-6)
    assert np.abs(altered[0] - prediction[0]).max() > 1e-3


@cases
def test_gradients_are_finite_and_every_parameter_counts(case):
    _, (of_params, _, _) = compiled(case)(parameters(case), *windows(), FREE)
    for path, leaf in jax.tree.leaves_with_path(of_params):
        assert np.isfinite(leaf).all()
        counts = jax.tree_util.keystr(path) not in CANCELLED.get(case, set())
        assert (np.abs(leaf).max() > 1e-6) == counts, jax.tree_util.keystr(path)


@pytest.mark.parametrize("case", ["seq2seq-concat", "seq2seq-none"])
def test_gradients_are_the_numerical_ones(case):
    with jax.enable_x64(True):
        model, (history, future) = build(case), windows("float64")
        loss = jax.jit(lambda params, history: (model.apply(params, history, future, MIXED) ** 2).mean())
        check_grads(loss, (parameters(case, "float64"), history), order=1, modes=["rev"])


@pytest.mark.parametrize("case", ["seq2seq-bi", "seq2seq-concat", "zero_velocity"])
def test_parameters_survive_the_way_through_bytes(case):
    params = parameters(case)
    template = jax.tree.map(np.zeros_like, params)
    back = serialization.from_bytes(template, serialization.to_bytes(params))
    assert jax.tree.structure(back) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, back, params)


def test_init_is_decided_by_the_key():
    init = jax.jit(build("seq2seq-none").init)
    first, again, other = (jax.tree.leaves(init(jax.random.key(seed))) for seed in (0, 0, 1))
    for leaf, same, different in zip(first, again, other, strict=True):
        assert leaf.dtype == jnp.float32
        np.testing.assert_array_equal(leaf, same)
        assert (leaf != different).all()


PREPARED = ["seq2seq-bi", "seq2seq-concat", "seq2seq-none", "res_sup-tied", "erd", "aged"]


@pytest.mark.parametrize(("case", "precision"), [*((case, "float32") for case in PREPARED), ("seq2seq-bi", "bf16")])
def test_prepared_parameters_predict_bitwise_the_same(case, precision):
    model, params, (history, future) = build(case, precision=precision), parameters(case), windows()
    apply = jax.jit(model.apply)
    prepared = apply(jax.jit(model.prepare)(params), history, future, MIXED)
    np.testing.assert_array_equal(prepared, apply(params, history, future, MIXED))


@pytest.mark.parametrize("case", [case for case in sorted(CASES) if case.startswith("seq2seq")])
def test_prepared_parameters_hold_every_number_once(case):
    """But for the zeros that stand where one of two joined maps has no bias."""
    params = parameters(case)
    numbers = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
               for tree in (params, jax.jit(build(case).prepare)(params))]  # fmt: skip
    bare, prepared = (np.sort(values[values != 0]) for values in numbers)
    np.testing.assert_array_equal(prepared, bare)


@pytest.mark.parametrize("case", ["seq2seq-bi", "seq2seq-general", "seq2seq-none"])
def test_attend_is_apply_that_shows_its_weights(case):
    model, params, (history, future) = build(case), parameters(case), windows()
    if case == "seq2seq-none":
        assert model.attend is None
        return
    prediction, weights = jax.jit(model.attend)(params, history, future, FREE)
    np.testing.assert_allclose(prediction, compiled(case)(params, history, future, FREE)[0], rtol=1e-5, atol=1e-6)
    assert weights.shape == (B, T, S - 1)
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, rtol=1e-6)
