"""The networks against PyTorch, with the same weights: `make_goldens.py` and its neighbour made the stored numbers."""

from __future__ import annotations

import functools
from pathlib import Path

import jax
import numpy as np
import pytest

from motion_jax.config import (
    ComputeConfig,
    DataConfig,
    EvalConfig,
    Experiment,
    LabelsConfig,
    ModelConfig,
    TrainConfig,
    model_config,
)
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.losses import mse
from motion_jax.models import make
from motion_jax.nn.attention import ATTENTIONS, Sizes, attend
from motion_jax.nn.cells import CELLS
from motion_jax.nn.deferred_grad.products import Compute
from motion_jax.nn.norm import BatchNorm, LayerNorm, batch_norm, init_batch_norm, layer_norm
from motion_jax.nn.scans import encode, init_layers
from motion_jax.pose_space import PoseSpace
from motion_jax.recognition import make as make_classifier
from motion_jax.recognition.losses import make_loss as make_classifier_loss
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Joint, Skeleton
from motion_jax.types import Running

HERE = Path(__file__).parent
KEY = jax.random.key(0)  # any: the values are replaced
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
SEQ2SEQ = {
    "additive_uni": model_config(hidden=4),
    "additive_bi": model_config(hidden=4, bidirectional=True),
    "general_uni": model_config(hidden=4, attention="general"),
    "additive_full": model_config(hidden=4, output="full", residual=False),
    "none_combine": model_config(hidden=4, attention="none", output="combine"),
}
# In float32, and by default autodiff, two of them, before and after the step: each is a compilation.
BOTH = ("additive_bi", "general_uni")
WHOLE = [(name, "float64", True) for name in SEQ2SEQ]
WHOLE += [
    pytest.param(name, dtype, fast, marks=pytest.mark.slow)
    for name in BOTH
    for dtype, fast in (("float32", True), ("float64", False))
]

PARTS = ("spine", "spine", "left_arm", "right_arm", "left_leg", "right_leg")
BODY = Skeleton.from_table(
    "six", [Joint(str(n), str(n - 1) if n else None, part, (0, 1, 0)) for n, part in enumerate(PARTS)]
).of_positions
LABEL_SPACE = LabelSpace(("a", "b", "c"), (Modality("positions", np.zeros(18), np.ones(18)),), 25.0, BODY)
DURNN_T = {"hierarchy": False, "bidirectional": False, "last": "tanh"}
CLASSIFIERS = {
    "HBRNN-L": model_config("hbrnn", part_hidden=2, limb_hidden=2, half_hidden=3, body_hidden=2),
    "DURNN-T": model_config("hbrnn", part_hidden=1, limb_hidden=1, half_hidden=1, body_hidden=3, **DURNN_T),
    "deep LSTM": model_config("deep_lstm", hidden=3, feed_forward=2, dropout=0.0, l1=0.01, l21=0.02, groups=2),
    "Bi-LSTM": model_config("bi_lstm", hidden=2, layers=2, dropout=0.0),
    "batch norm": model_config("bi_lstm", hidden=2, layers=2, dropout=0.0, norm="batch"),
    "layer norm": model_config("bi_lstm", hidden=2, layers=2, dropout=0.0, norm="layer"),
}

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@functools.cache
def stored(file: str) -> dict[str, np.ndarray]:
    with np.load(HERE / f"{file}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def below(file: str, prefix: str, dtype: str) -> dict[str, np.ndarray]:
    """What is stored under `prefix`, by the rest of its name."""
    return {
        name.removeprefix(prefix): value if value.dtype == bool else value.astype(dtype)
        for name, value in stored(file).items()
        if name.startswith(prefix)
    }


def fill(template, arrays: dict[str, np.ndarray]):
    """`template` with every leaf replaced by the array of its name; shapes must agree and no array be left."""
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(template)]
    assert set(names) == set(arrays)
    assert [leaf.shape for leaf in jax.tree.leaves(template)] == [arrays[name].shape for name in names]
    return jax.tree.unflatten(jax.tree.structure(template), [arrays[name] for name in names])


def assert_close(actual, expected, dtype: str):
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@dtypes
@pytest.mark.parametrize("direction", ["uni", "bi"])
@pytest.mark.parametrize("kind", ["gru", "lstm", "rnn"])
def test_encoders(kind, direction, dtype):
    with jax.enable_x64(dtype == "float64"):
        cell, case, both = CELLS[kind], below("recurrent", f"{kind}/{direction}/", dtype), direction == "bi"
        (_, _, width), hidden = case["inputs"].shape, case["outputs/0"].shape[-1]
        template = jax.eval_shape(lambda key: init_layers(key, cell, width, hidden, 2, bidirectional=both), KEY)
        params = fill(template, below("recurrent", f"{kind}/{direction}/params/", dtype))

        @jax.jit
        def run(params, inputs):
            return encode(cell, tuple(cell.weights(p, Compute()) for p in params), inputs, hidden, bidirectional=both)

        for layers in (1, 2):
            states, outputs = run(params[:layers], case["inputs"])
            assert_close(outputs, case[f"outputs/{layers - 1}"], dtype)
            assert len(states) == layers
            for depth, state in enumerate(states):
                for part, leaf in enumerate(jax.tree.leaves(state)):
                    assert_close(leaf, case[f"state/{depth}.{part}"], dtype)


@dtypes
@pytest.mark.parametrize("kind", sorted(ATTENTIONS))
def test_attentions(kind, dtype):
    with jax.enable_x64(dtype == "float64"):
        attention, case = ATTENTIONS[kind], below("attention", f"{kind}/", dtype)
        sizes = Sizes(case["x"].shape[1], case["h"].shape[1], case["states"].shape[1], heads=2)
        template = jax.eval_shape(lambda key: attention.init(key, sizes), KEY)
        params = fill(template, below("attention", f"{kind}/params/", dtype))
        run = jax.jit(functools.partial(attend, attention))
        context, weights = run(params, case["states"], case["h"], case["x"])
        assert_close(context, case["context"], dtype)
        assert_close(weights, case["weights"], dtype)


@dtypes
def test_norms(dtype):
    with jax.enable_x64(dtype == "float64"):
        case = below("norm", "", dtype)
        batches, (first, _) = jax.numpy.asarray(case["batches"]), case["batches"]
        scale, shift = case["layer/params/scale"], case["layer/params/shift"]
        assert_close(layer_norm(LayerNorm(scale, shift), batches[0]), case["layer/normed"], dtype)
        running = jax.tree.map(lambda leaf: leaf.astype(dtype), init_batch_norm(first.shape[-1]).running)
        params = BatchNorm(case["batch/params/scale"], case["batch/params/shift"], running)
        for number, x in enumerate(batches):
            y, params = batch_norm(params, x.reshape(2, -1, x.shape[-1]), train=True)  # the axes ahead count as one
            assert_close(y.reshape(x.shape), case[f"batch/trained/{number}"], dtype)
            assert_close(params.running.mean, case[f"batch/mean/{number}"], dtype)
            assert_close(params.running.variance, case[f"batch/variance/{number}"], dtype)
        predicted, same = batch_norm(params, batches[0], train=False)
        assert_close(predicted, case["batch/predicted"], dtype)
        assert same is params


@pytest.mark.parametrize(("name", "dtype", "fast"), WHOLE)
def test_whole_model_and_its_gradients(name, dtype, fast):
    with jax.enable_x64(dtype == "float64"):
        case = below("seq2seq", f"{name}/", dtype)
        history, future = case["history"], case["future"]
        model = make(experiment(SEQ2SEQ[name], history, future, fast), space(history.shape[-1]))
        params = fill(jax.eval_shape(model.init, KEY), below("seq2seq", f"{name}/params/", dtype))

        @jax.jit
        def run(params, forced):
            def loss(params):
                prediction = model.apply(params, history, future, forced)
                return mse(prediction, future), prediction

            return jax.value_and_grad(loss, has_aux=True)(params)

        for mask in ("free", "one_step", "mixed"):
            (loss, prediction), gradients = run(params, case[f"{mask}/forced"])
            assert_close(prediction, case[f"{mask}/prediction"], dtype)
            assert_close(loss, case[f"{mask}/loss"], dtype)
            expected = fill(params, below("seq2seq", f"{name}/{mask}/gradient/", dtype))
            jax.tree.map(lambda a, b: assert_close(a, b, dtype), gradients, expected)


def experiment(model: ModelConfig, history: np.ndarray, future: np.ndarray, fast: bool) -> Experiment:
    data = DataConfig(source_length=history.shape[1], target_length=future.shape[1])
    return Experiment(model=model, compute=ComputeConfig(fast=fast), data=data, eval=EvalConfig(frames="1"))


def space(width: int) -> PoseSpace:
    return PoseSpace(np.zeros(width), np.ones(width), tuple(range(width)), (), H36M, 25.0)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_training_step_of_classifiers(name):
    with jax.enable_x64(True):
        given = below("recognition", "", "float64")
        frames, labels, lengths = (given[key] for key in ("frames", "labels", "lengths"))
        mask = (np.arange(frames.shape[1]) < lengths[:, None]).astype(np.float64)
        labels = labels.astype(np.int32)
        classifier = make_classifier(
            Experiment(model=CLASSIFIERS[name], train=TrainConfig(loss="cross_entropy")), LABEL_SPACE
        )
        loss_of = make_classifier_loss("cross_entropy", LabelsConfig(), np.ones(3)).of_batch
        case, template = below("recognition", f"{name}/", "float64"), jax.eval_shape(classifier.init, KEY)
        expected, running = below("recognition", f"{name}/gradient/", "float64"), {}
        if name == "batch norm":
            moments = {"mean": np.zeros(4), "variance": np.ones(4)}
            running = {f"norms.{n}.running.{key}": value for n in (0, 1) for key, value in moments.items()}
        params = fill(template, below("recognition", f"{name}/params/", "float64") | running)

        @jax.jit
        def run(params):
            def loss(params):
                scores, new = classifier.scores(params, frames, mask), params
                if classifier.train_scores is not None:
                    scores, new = classifier.train_scores(params, frames, mask, jax.random.split(KEY, len(labels)))
                penalty = 0 if classifier.penalty is None else classifier.penalty(params)
                return loss_of(scores, None, labels) + penalty, (scores, new)

            return jax.value_and_grad(loss, has_aux=True)(params)

        (loss, (scores, new)), gradient = run(params)
        assert_close(scores, case["scores"], "float64")
        assert_close(loss, case["loss"], "float64")
        expected |= {key: np.zeros_like(value) for key, value in running.items()}
        jax.tree.map(lambda a, b: assert_close(a, b, "float64"), gradient, fill(template, expected))
        if name == "batch norm":
            assert classifier.whole_batch
            for number, norm in enumerate(new.norms):
                assert isinstance(norm.running, Running)
                assert_close(norm.running.mean, case[f"running/{number}.mean"], "float64")
                assert_close(norm.running.variance, case[f"running/{number}.variance"], "float64")
            predicted = jax.jit(classifier.scores)(new, frames, mask)
            assert_close(predicted, case["predicted"], "float64")
