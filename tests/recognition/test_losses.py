"""Losses of recognition: worked numbers, their limits, and numpy's loops."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest

from motion_jax.config import LOSSES, Experiment, LabelsConfig, TrainConfig, model_config
from motion_jax.errors import UserError
from motion_jax.recognition import losses
from motion_jax.recognition.losses import balanced_weights, make_loss

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 3)).astype(np.float32)
LABELS = np.array([0, 1, 1, 2, 0])
EMBEDDINGS = RNG.normal(size=(5, 4)).astype(np.float32)
COUNTS = np.array([10, 20, 30])
cross_entropy, one_hot_cross_entropy, binary = (
    jax.jit(loss, static_argnames="smoothing")
    for loss in (losses.cross_entropy, losses.one_hot_cross_entropy, losses.binary)
)
focal = jax.jit(losses.focal, static_argnames=("smoothing", "gamma"))


def log_p(*p: float) -> np.ndarray:
    return np.log(np.array([p], np.float32))


def test_worked_numbers():
    ten = log_p(0.05, 0.02, 0.01, 0.8, 0.03, 0.02, 0.01, 0.03, 0.02, 0.01)
    three = np.array([3])
    np.testing.assert_allclose(cross_entropy(ten, three), 0.223, atol=5e-4)
    np.testing.assert_allclose(one_hot_cross_entropy(ten, three), 0.223, atol=5e-4)
    yes, no = np.log(0.9 / 0.1), np.log(0.2 / 0.8)  # BCE of 0.9 where it is 1: 0.105; of 0.2 where it is 0: 0.223
    np.testing.assert_allclose(
        binary(np.array([[yes, no]], np.float32), np.array([0])), (0.1054 + 0.2231) / 2, atol=1e-4
    )
    for p, gamma, expected in ((0.95, 0, 0.051), (0.2, 0, 1.609), (0.95, 2, 0.00013), (0.2, 2, 1.030)):
        np.testing.assert_allclose(focal(log_p(p, 1 - p), np.array([0]), gamma=gamma), expected, rtol=0.02)
    near = np.array([[1, 1, 1], [1.2, 1.1, 0.9], [3, 3, 3]], np.float32)
    triplet = jax.jit(losses.triplet, static_argnums=(2, 3))
    for mining in ("hard", "all"):
        assert triplet(near, np.array([0, 0, 1]), 0.5, mining) == 0
        apart = triplet(near, np.array([0, 1, 0]), 0.5, mining)  # anchor 0: 12 - 0.06 + 0.5; anchor 2: 12 - 11.26 + 0.5
        np.testing.assert_allclose(apart, (12.44 + 1.24) / 2, rtol=1e-5)


def test_one_number_of_one_prediction():
    """Sparse, one-hot and focal without focus are the same, smoothed or not; smoothing is the mean over all labels."""
    for smoothing in (0.0, 0.3):
        sparse = cross_entropy(LOGITS, LABELS, smoothing=smoothing)
        np.testing.assert_allclose(one_hot_cross_entropy(LOGITS, LABELS, smoothing=smoothing), sparse, rtol=1e-5)
        np.testing.assert_allclose(focal(LOGITS, LABELS, smoothing=smoothing, gamma=0.0), sparse, rtol=1e-5)
    every = [cross_entropy(LOGITS, np.full(5, label)) for label in range(3)]
    expected = 0.7 * cross_entropy(LOGITS, LABELS) + 0.3 * np.mean(every, axis=0)
    np.testing.assert_allclose(sparse, expected, rtol=1e-5)


@pytest.mark.parametrize("mining", ["hard", "all"])
def test_triplets_are_those_of_loops(mining):
    found = []
    for anchor in range(5):
        positives = [i for i in range(5) if LABELS[i] == LABELS[anchor] and i != anchor]
        negatives = [i for i in range(5) if LABELS[i] != LABELS[anchor]]
        apart = ((EMBEDDINGS - EMBEDDINGS[anchor]) ** 2).sum(-1)
        excess = [apart[p] - apart[n] + 2 for p, n in itertools.product(positives, negatives)]
        found += [max(*excess, 0)] if mining == "hard" and excess else [e for e in excess if e > 0]
    value_and_grad = jax.jit(jax.value_and_grad(losses.triplet), static_argnums=(2, 3))
    value, gradient = value_and_grad(EMBEDDINGS, LABELS, 2.0, mining)
    np.testing.assert_allclose(value, np.mean(found), rtol=1e-5)
    assert np.isfinite(gradient).all()
    for labels in (np.zeros(5, int), np.arange(5)):  # no negative, no positive
        value, gradient = value_and_grad(EMBEDDINGS, labels, 2.0, mining)
        assert value == 0
        assert not np.any(gradient)


@pytest.mark.parametrize("name", LOSSES["recognition"])
def test_every_name_has_a_loss_with_finite_gradients(name):
    """Sure predictions, right and wrong, and equal embeddings included; a class without sequences weighs nothing."""
    loss = make_loss(name, LabelsConfig(class_weights="balanced", smoothing=0.1, focal_gamma=0.5), np.array([3, 1, 0]))
    sure, same = np.array([[100, 0, 0], [100, 0, 0]], np.float32), np.ones((2, 4), np.float32)
    labels = np.array([0, 1])
    value_and_grad = jax.jit(jax.value_and_grad(loss.of_batch, argnums=(0, 1)))
    value, gradient = value_and_grad(sure, same if loss.embeds else None, labels)
    assert value > 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_class_weights_are_one_on_the_average_and_multiply_a_sequences_loss():
    weights = balanced_weights(COUNTS)
    np.testing.assert_allclose(weights, [2, 1, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose((weights * COUNTS).sum(), COUNTS.sum(), rtol=1e-6)
    loss = make_loss("cross_entropy", LabelsConfig(class_weights="balanced"), COUNTS).of_batch(LOGITS, None, LABELS)
    np.testing.assert_allclose(loss, np.mean(cross_entropy(LOGITS, LABELS) * weights[LABELS]), rtol=1e-6)


def test_what_no_loss_reads_is_refused():
    model = model_config("bi_lstm")
    for field, value in (("focal_gamma", 1.0), ("triplet_margin", 1.0), ("triplet_mining", "all")):
        with pytest.raises(UserError, match=f"labels.{field}=.* nothing reads it unless train.loss="):
            Experiment(model=model, labels=LabelsConfig(**{field: value}), train=TrainConfig(loss="cross_entropy"))
    Experiment(model=model, labels=LabelsConfig(focal_gamma=1.0), train=TrainConfig(loss="focal"))
    with pytest.raises(UserError, match=r"labels\.triplet_mining='some': must be one of hard, all"):
        LabelsConfig(triplet_mining="some")
