"""What every classifier keeps to: shapes, padding that nothing sees, finite gradients, the same from the same keys."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import DataConfig, Experiment, TrainConfig, model_config
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.recognition import REGISTRY, make
from motion_jax.recognition.classifier import Classifier
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Running

CLASSES = ("walk", "wave", "sit")
B, T, LENGTHS = 3, 6, (4, 6, 1)
SMALL = {
    "hbrnn": {"part_hidden": 3, "limb_hidden": 3, "half_hidden": 3, "body_hidden": 3},
    "deep_lstm": {"hidden": 5, "feed_forward": 3, "groups": 4},
    "bi_lstm": {"hidden": 4, "layers": 2},
}  # fmt: skip
VARIANTS = {
    "HBRNN-L": ("hbrnn", {}),
    "HURNN-L": ("hbrnn", {"bidirectional": False, "input_noise": 0.1}),
    "DURNN-T": ("hbrnn", {"hierarchy": False, "bidirectional": False, "last": "tanh", "weight_noise": 0.1}),
    "deep LSTM": ("deep_lstm", {}),
    "simple dropout": ("deep_lstm", {"dropout_kind": "simple"}),
    "Bi-LSTM": ("bi_lstm", {"norm": "layer"}),
    "batch norm": ("bi_lstm", {"norm": "batch"}),
}  # fmt: skip
variants = pytest.mark.parametrize("variant", VARIANTS)


class Made(NamedTuple):
    classifier: Classifier
    params: object
    run: object  # (params, frames, mask, keys, labels) -> results by name


def space(joints: int = len(H36M.joints)) -> LabelSpace:
    width = 3 * joints
    return LabelSpace(CLASSES, (Modality("positions", np.zeros(width), np.ones(width)),), 25.0, H36M.of_positions)


@functools.cache
def made(variant: str) -> Made:
    name, fields = VARIANTS[variant]
    train = TrainConfig(loss="cross_entropy")
    experiment = Experiment(model=model_config(name, **SMALL[name], **fields), data=DataConfig(), train=train)
    classifier = make(experiment, space())

    @jax.jit
    def run(params, frames, mask, keys, labels):
        def loss(params, frames):
            assert classifier.train_outputs is not None  # of which `train_scores` is a part
            scores, taught, new = classifier.train_outputs(params, frames, mask, keys)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1)
            penalty = 0 if classifier.penalty is None else classifier.penalty(params)
            return penalty - jnp.mean(chosen), (scores, taught, new)

        (value, (trained, taught, new)), gradient = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(
            params, frames
        )
        embedding = None if classifier.embed is None else classifier.embed(params, frames, mask)
        return {"scores": classifier.scores(params, frames, mask), "embedding": embedding, "trained": trained,
                "taught": taught, "loss": value, "gradient": gradient, "new": new}  # fmt: skip

    return Made(classifier, parameters(classifier), run)


def parameters(classifier: Classifier):
    """Random, without the classifier's own beginning, which takes longer to compile than all else."""
    rng = np.random.default_rng(2)
    template = jax.eval_shape(classifier.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape).astype(np.float32), template)
    running = lambda node: isinstance(node, Running)  # noqa: E731
    positive = lambda node: node._replace(variance=np.abs(node.variance)) if running(node) else node  # noqa: E731
    return jax.tree.map(positive, params, is_leaf=running)


def arguments(padding: float = 0.0):
    frames = np.random.default_rng(0).normal(size=(B, T, space().width)).astype(np.float32)
    mask = (np.arange(T) < np.array(LENGTHS)[:, None]).astype(np.float32)
    frames = np.where(mask[..., None] > 0, frames, padding).astype(np.float32)
    return frames, mask, jax.random.split(jax.random.key(1), B), np.array([0, 1, 2])


def assert_trees_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_every_classifier_is_among_the_variants():
    assert {name for name, _ in VARIANTS.values()} == set(REGISTRY)


@variants
def test_shapes_and_finite_gradients_that_reach_every_parameter(variant):
    _, params, run = made(variant)
    found = run(params, *arguments())
    assert found["scores"].shape == found["trained"].shape == (B, len(CLASSES))
    assert found["embedding"].shape[0] == B
    assert found["embedding"].ndim == 2
    assert jax.tree.structure(found["new"]) == jax.tree.structure(params)
    for path, leaf in jax.tree.leaves_with_path(found["gradient"]):
        assert np.isfinite(leaf).all(), path
    for leaf in jax.tree.leaves(found["gradient"][0], is_leaf=lambda node: isinstance(node, Running)):
        assert isinstance(leaf, Running) or np.abs(leaf).max() > 0


@variants
def test_padding_reaches_nothing(variant):
    """Neither its values, be they NaN, nor its number."""
    classifier, params, run = made(variant)
    expected = run(params, *arguments())
    assert_trees_equal(run(params, *arguments(np.nan)), expected)
    frames, mask, _, _ = arguments()
    assert not np.any(np.where(mask[..., None] > 0, 0, expected["gradient"][1]))
    row, length = 0, LENGTHS[0]
    alone = jax.jit(classifier.scores)(params, frames[row : row + 1, :length], mask[row : row + 1, :length])
    np.testing.assert_allclose(alone[0], expected["scores"][row], rtol=1e-6, atol=1e-6)


@variants
def test_the_same_from_the_same_keys_and_rows_are_computed_apart(variant):
    """Prediction always; training too, unless it asked for the whole batch."""
    classifier, params, run = made(variant)
    frames, mask, keys, labels = arguments()
    expected = run(params, frames, mask, keys, labels)
    assert_trees_equal(run(params, frames, mask, keys, labels), expected)
    turned = run(params, frames[::-1], mask[::-1], keys[::-1], labels[::-1])
    names = ("scores", "embedding") if classifier.whole_batch else ("scores", "embedding", "trained")
    for name in names:
        np.testing.assert_allclose(turned[name][::-1], expected[name], rtol=1e-5, atol=1e-6)
    if classifier.train_scores is not None:
        other = run(params, frames, mask, jax.random.split(jax.random.key(2), B), labels)
        for name in ("trained", "taught"):  # what a triplet loss compares, too, is of the pass with dropout
            assert (other[name] != expected[name]).any()
        assert_trees_equal(other["scores"], expected["scores"])
    else:
        np.testing.assert_allclose(expected["taught"], expected["embedding"], rtol=1e-6, atol=1e-7)
