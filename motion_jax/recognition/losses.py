"""Losses of recognition by name: logits `[B, C]` and labels `[B]` to a number, a mean over sequences.

`cross_entropy` is the sparse categorical, `one_hot_cross_entropy` the categorical cross-entropy of Keras: the same
number of the same prediction, from a label's number or from its one-hot code. Class weights multiply a sequence's loss
(as Keras's do; PyTorch divides by their sum over the batch as well), so that the loss stays a mean over rows that can
be computed part by part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from motion_jax.config import LabelsConfig
from motion_jax.types import Array


class OfBatch(Protocol):
    """Logits `[B, C]`, embeddings `[B, E]` (None unless `Loss.embeds`) and labels `[B]` int32 to the loss `[]`."""

    def __call__(self, logits: Array, embeddings: Array | None, labels: Array, /) -> Array: ...  # noqa: D102


class Loss(NamedTuple):
    """A loss, and what it needs."""

    of_batch: OfBatch
    embeds: bool = False  # reads what `Classifier.embed` gives
    whole_batch: bool = False  # compares the sequences of a batch, which must not be divided


def cross_entropy(logits: Array, labels: Array, smoothing: float = 0.0) -> Array:
    """`[B]` -log p of the label; of `smoothing` s: (1 - s) of it, and s of its mean over all classes."""
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if not smoothing:
        return loss
    return (1 - smoothing) * loss - smoothing * jnp.mean(jax.nn.log_softmax(logits), axis=-1)


def one_hot_cross_entropy(logits: Array, labels: Array, smoothing: float = 0.0) -> Array:
    """`[B]` -sum_c y_c log p_c of the one-hot code y."""
    return optax.softmax_cross_entropy(logits, _codes(logits, labels, smoothing))


def binary(logits: Array, labels: Array, smoothing: float = 0.0) -> Array:
    """`[B]` binary cross-entropy of each class against the rest, its mean over classes (as Keras has it)."""
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, _codes(logits, labels, smoothing)), axis=-1)


def focal(logits: Array, labels: Array, smoothing: float = 0.0, gamma: float = 2.0) -> Array:
    """`[B]` -sum_c y_c (1 - p_c)^gamma log p_c (Lin et al. 2017, over a softmax); its alpha is the class weight.

    With gamma 0 it is the cross-entropy.
    """
    log_p = jax.nn.log_softmax(logits)
    easy = 1 - jnp.exp(log_p)
    # a sure prediction's 1 - p is 0, of which a power below 1 has no finite derivative
    factor = jnp.maximum(easy, jnp.finfo(log_p.dtype).eps) ** gamma
    return -jnp.sum(_codes(logits, labels, smoothing) * factor * log_p, axis=-1)


def triplet(embeddings: Array, labels: Array, margin: float = 0.2, mining: str = "hard") -> Array:
    """`[]` max(|a - p|^2 - |a - n|^2 + margin, 0) of anchors a, positives p of their class, negatives n of another.

    Within the batch. "hard": of each anchor the farthest positive and the nearest negative (Hermans et al. 2017, with
    squared distances), the mean over anchors that have both; "all": every triplet, the mean over those above 0. A batch
    without a triplet has the loss 0.

    Args:
        embeddings: `[B, E]`.
        labels: `[B]`.
        margin: at least 0.
        mining: "hard" or "all".
    """
    # of differences: |a|^2 + |b|^2 - 2 a.b would leave a near pair's distance to rounding
    apart = jnp.sum((embeddings[:, None] - embeddings[None]) ** 2, axis=-1)
    same = labels[:, None] == labels[None]
    positive = same & ~jnp.eye(len(labels), dtype=bool)
    if mining == "hard":
        farthest = jnp.max(jnp.where(positive, apart, -jnp.inf), axis=1)
        nearest = jnp.min(jnp.where(same, jnp.inf, apart), axis=1)
        valid = jnp.any(positive, axis=1) & ~jnp.all(same, axis=1)
        excess = jnp.where(valid, farthest, 0) - jnp.where(valid, nearest, 0) + margin
        return jnp.sum(jnp.where(valid, jax.nn.relu(excess), 0)) / jnp.maximum(jnp.sum(valid), 1)
    excess = apart[:, :, None] - apart[:, None, :] + margin  # [a, p, n]
    active = positive[:, :, None] & ~same[:, None, :] & (excess > 0)
    return jnp.sum(jnp.where(active, excess, 0)) / jnp.maximum(jnp.sum(active), 1)


def balanced_weights(counts: np.ndarray) -> np.ndarray:
    """`[C]` n / (k n_c) of classes that occur `counts` `[C]` times, k of them at all: 1 on the average over the
    sequences; 0 of a class that does not occur.
    """
    known = np.maximum(counts, 1)
    return np.where(counts > 0, counts.sum() / (np.count_nonzero(counts) * known), 0).astype(np.float32)


def loss_of_scores(name: str, labels: LabelsConfig) -> Callable[[Array, Array], Array]:
    """What `train.loss` measures of logits `[..., C]` and labels `[...]`: `[...]`; of "triplet" the cross-entropy."""
    smoothing = labels.smoothing
    if name == "one_hot_cross_entropy":
        return lambda logits, y: one_hot_cross_entropy(logits, y, smoothing)
    if name == "binary":
        return lambda logits, y: binary(logits, y, smoothing)
    if name == "focal":
        return lambda logits, y: focal(logits, y, smoothing, labels.focal_gamma)
    return lambda logits, y: cross_entropy(logits, y, smoothing)


def make_loss(name: str, labels: LabelsConfig, counts: np.ndarray) -> Loss:
    """The loss that `train.loss` names, as `labels` has it.

    "triplet" is the triplet loss of the embeddings plus the cross-entropy of the scores, which it would leave untaught.

    Args:
        name: of `config.LOSSES["recognition"]`.
        labels: smoothing, class weights, and what single losses read.
        counts: `[C]` how often each class occurs in training.
    """
    kind = loss_of_scores(name, labels)
    weights = balanced_weights(counts) if labels.class_weights == "balanced" else None

    def of_batch(logits: Array, embeddings: Array | None, y: Array) -> Array:
        loss = kind(logits, y)
        total = jnp.mean(loss if weights is None else loss * jnp.asarray(weights)[y])
        if name != "triplet":
            return total
        assert embeddings is not None
        return total + triplet(embeddings, y, labels.triplet_margin, labels.triplet_mining)

    return Loss(of_batch, embeds=name == "triplet", whole_batch=name == "triplet")


def _codes(logits: Array, labels: Array, smoothing: float) -> Array:
    """`[B, C]`."""
    return optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype), smoothing)
