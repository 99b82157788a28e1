"""Recognition is trained, resumed and chosen like any task; its batches are the segments and nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import (
    MODEL_CONFIGS,
    DataConfig,
    EvalConfig,
    Experiment,
    LabelsConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)
from motion_jax.data.labelled.examples import bucket_lengths, check_step, gather, make_examples, sample_examples
from motion_jax.data.labelled.modalities import inputs_of, label_space
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.inference.recogniser import load_recogniser
from motion_jax.recognition import REGISTRY, Entry, register
from motion_jax.recognition.classifier import Classifier
from motion_jax.recognition.losses import make_loss
from motion_jax.train.log import read_metrics
from motion_jax.train.recognition import Recognition, fit
from motion_jax.train.step import zero_running
from motion_jax.train.workdir import Workdir
from motion_jax.types import Array, Running

CLASSES = ("slow", "fast", "still")


def made(lengths: tuple[int, ...] = (9, 17, 12), subjects: int = 3, seed: int = 0) -> LabelledSet:
    """Sines of two tempi and rest, one segment each behind an unlabelled beginning; the last subject is the test."""
    rng, sequences = np.random.default_rng(seed), []
    for subject in range(subjects):
        for label, tempo in enumerate((0.3, 1.2, 0.0)):
            for length in lengths:
                rows = np.sin(np.arange(length + 3)[:, None] * tempo + rng.uniform(0, 6, 4))
                arrays = {"sensor": (rows + 0.1 * rng.normal(size=rows.shape)).astype(np.float32)}
                split = "test" if subject == subjects - 1 else "validation" if subject == subjects - 2 else "train"
                segment = Segment(3, length + 3, label)
                sequences.append(Sequence(arrays, (segment,), f"S{subject}", split, f"{subject}-{label}-{length}"))
    return LabelledSet("folder", tuple(sequences), CLASSES, 20.0, "made")


LABELS = LabelsConfig(inputs="sensor", preprocess="", buckets=2)


@dataclasses.dataclass(frozen=True)
class PooledConfig(ModelConfig):
    """Of a classifier that compiles at once: scores are linear in the sum over time of squared frames."""

    name: str = "pooled"
    TASK = "recognition"


def pooled(config: PooledConfig, experiment: Experiment, space: LabelSpace) -> Classifier:
    del config, experiment

    def scores(params: Any, frames: Array, mask: Array) -> Array:
        return (frames**2 * mask[..., None]).sum(1) @ params["w"]

    return Classifier(lambda key: {"w": 0.1 * jax.random.normal(key, (space.width, len(space.classes)))}, scores)


@pytest.fixture(scope="module", autouse=True)
def known():
    """The classifier is registered while these tests run."""
    register("pooled", Entry(PooledConfig, pooled))
    yield
    del REGISTRY["pooled"], MODEL_CONFIGS["pooled"]


def make_experiment(**changes: Any) -> Experiment:
    return Experiment(
        name="Small",
        data=DataConfig(name="folder", root="absent"),
        labels=LABELS,
        model=PooledConfig(),
        optim=OptimConfig(name="adam", learning_rate=0.02, schedule="constant"),
        train=TrainConfig(
            steps=6, batch=4, loss="cross_entropy", steps_per_dispatch=3, report_every=3, checkpoint_every=3
        ),
        eval=EvalConfig(batch=5),
    ).changed(changes)


@pytest.fixture(scope="module")
def dataset() -> LabelledSet:
    return made(subjects=4)


def test_every_frame_of_a_segment_is_in_an_example_and_no_other(dataset: LabelledSet):
    """Whole, and in windows of 5 every 2 frames after every second frame is dropped."""
    for labels, longest in ((LABELS, 17), (dataclasses.replace(LABELS, window=5, hop=2, frame_step=2), 5)):
        training = dataset.split("train")
        space = label_space(dataset, training, labels)
        examples = make_examples(training, space, labels, dataset.fps)
        assert examples.lengths[-1] == longest
        assert examples.segments == len(training)
        length, segment = np.asarray(examples.packed.length), examples.segment
        assert (
            length <= np.array(examples.lengths)[np.searchsorted(examples.until, np.arange(len(length)), "right")]
        ).all()
        frames, mask = map(np.asarray, gather(examples.packed, jnp.arange(len(length)), longest))
        for number, sequence in enumerate(training):
            rows = np.flatnonzero(segment == number)
            (one,) = sequence.segments
            whole = inputs_of(sequence, space, labels, dataset.fps)[0]
            first = -(-one.start // labels.frame_step)
            offset = int(sum(-(-s.frames // labels.frame_step) for s in training[:number]))
            covered = set()
            for row in rows:
                assert examples.label[row] == one.label
                begin = int(examples.packed.first[row]) - offset
                covered |= set(range(begin, begin + int(length[row])))
                real = int(mask[row].sum())
                np.testing.assert_array_equal(frames[row, :real], whole[begin : begin + real])
                np.testing.assert_array_equal(frames[row, real:], 0)
            assert covered == set(range(first, -(-one.end // labels.frame_step)))


def test_buckets_hold_equal_shares_and_the_longest():
    lengths = np.array([3, 3, 3, 3, 10, 11, 50, 80])
    np.testing.assert_array_equal(bucket_lengths(lengths, 4), [3, 11, 80])
    np.testing.assert_array_equal(bucket_lengths(lengths, 1), [80])


def test_a_batch_is_of_one_bucket_and_every_example_as_likely(dataset: LabelledSet):
    training = dataset.split("train")
    space = label_space(dataset, training, LABELS)
    examples = make_examples(training, space, LABELS, dataset.fps)
    draw = jax.vmap(lambda key: sample_examples(examples, examples.packed, key, 4))
    batch = draw(jax.random.split(jax.random.key(0), 1000))
    bucket, length = np.asarray(batch.bucket), np.asarray(batch.mask.sum(-1))
    assert (bucket == bucket[:, :1]).all()
    assert (length <= np.array(examples.lengths)[bucket]).all()
    lengths = length.ravel().tolist()
    counts = [lengths.count(length) / len(lengths) for length in (9, 12, 17)]
    np.testing.assert_allclose(counts, 1 / 3, atol=0.04)


def test_the_loss_of_a_bucket_is_that_of_the_padded_batch(dataset: LabelledSet):
    task = Recognition.of(make_experiment(), dataset)
    whole = Recognition.of(make_experiment(**{"labels.buckets": 1}), dataset)
    params = task.init(jax.random.key(0))
    batch = task.sample_batch(task.data, jax.random.key(1), jnp.array(0))
    assert batch.bucket[0] == 0, "the key must draw the short bucket"
    found = [jax.jit(each.loss_and_grad)(params, batch, jax.random.key(2), jnp.array(0)) for each in (task, whole)]
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5), *found)


def test_penalty_and_running_statistics_reach_loss_and_gradient(dataset: LabelledSet):
    space = label_space(dataset, dataset.split("train"), LABELS)

    linear = pooled(PooledConfig(), make_experiment(), space)
    taught = linear._replace(
        init=lambda key: {"w": jnp.ones((space.width, 3)), "seen": Running(jnp.zeros(1), jnp.zeros(1))},
        train_scores=lambda params, frames, mask, keys: (
            linear.scores(params, frames, mask),
            {**params, "seen": Running(jnp.full(1, 7.0), jnp.ones(1))},
        ),
        penalty=lambda params: 10 * params["w"].sum(),
    )
    task = dataclasses.replace(Recognition.of(make_experiment(), dataset), classifier=taught)
    params = task.init(jax.random.key(0))
    batch = task.sample_batch(task.data, jax.random.key(1), jnp.array(0))
    loss, grad = jax.jit(task.loss_and_grad)(params, batch, jax.random.key(2), jnp.array(0))
    np.testing.assert_allclose(loss, np.log(3) + 10 * params["w"].size, rtol=1e-6)
    assert grad["seen"].mean == 7
    assert zero_running(grad)["seen"].mean == 0
    np.testing.assert_allclose(grad["w"].mean(), 10, rtol=1e-6)  # that of the cross-entropy sums to nothing


def test_triplets_are_of_the_embeddings_that_the_scores_are_trained_with(dataset: LabelledSet):
    space = label_space(dataset, dataset.split("train"), LABELS)
    linear = pooled(PooledConfig(), make_experiment(), space)
    apart = linear._replace(
        embed=lambda params, frames, mask: jnp.zeros((len(frames), 2)),  # would lose the margin
        train_outputs=lambda params, frames, mask, keys: (
            jnp.zeros((len(frames), 3)), 9.0 * frames[:, 0, :2] * params["w"][:2, 0] ** 2, params
        ),
    )  # fmt: skip
    experiment = make_experiment(**{"train.loss": "triplet"})
    task = dataclasses.replace(
        Recognition.of(make_experiment(), dataset), classifier=apart,
        loss=make_loss("triplet", experiment.labels, np.ones(3)), experiment=experiment,
    )  # fmt: skip
    params, batch = task.init(jax.random.key(0)), task.sample_batch(task.data, jax.random.key(1), jnp.array(0))
    _, grad = jax.jit(task.loss_and_grad)(params, batch, jax.random.key(2), jnp.array(0))
    assert np.abs(grad["w"][:2, 0]).max() > 0


def test_a_step_beyond_all_segments_is_refused_and_beyond_some_is_told(dataset: LabelledSet, caplog):
    with pytest.raises(UserError, match=r"labels\.frame_step=20: leaves at most one frame of each .* has 17 frames"):
        Recognition.of(make_experiment(**{"labels.frame_step": 20}), dataset)
    check_step(dataset.split("train"), dataclasses.replace(LABELS, frame_step=5))
    assert not caplog.records
    check_step(dataset.split("train"), dataclasses.replace(LABELS, frame_step=6))
    assert re.search(r"frame_step=6: leaves at most one frame, .* of \d of \d+ training segments", caplog.text)


@pytest.mark.slow
def test_a_run_is_measured_recorded_resumed_and_opened(dataset: LabelledSet, tmp_path: Path):
    assert fit(make_experiment(), dataset, tmp_path / "whole", quiet=True) == 6
    fit(make_experiment(**{"train.steps": 3}), dataset, tmp_path / "run", quiet=True)
    fit(make_experiment(), dataset, tmp_path / "run", quiet=True)
    digests = [
        json.loads((Workdir(tmp_path / name).last / "6/digest/metadata").read_text())["leaves"]
        for name in ("whole", "run")
    ]
    assert digests[0] == digests[1]
    reports = [row for row in read_metrics(Workdir(tmp_path / "run").metrics) if row["kind"] == "report"]
    assert [row["step"] for row in reports] == [3, 6]
    for row in reports:
        assert row["validation_score"] == pytest.approx(1 - row["validation_accuracy"])
    recogniser = load_recogniser(tmp_path / "run", "last")
    assert recogniser.space.classes == CLASSES
    assert recogniser.step == 6
    test = dataset.split("test")[0]
    inputs = recogniser.inputs(test)[None]
    assert recogniser(inputs).shape == (1, 3)
    with pytest.raises(UserError, match=r"frames\[0, 0, 0\] is nan: every value must be finite"):
        recogniser(np.full_like(inputs, np.nan))


def test_what_cannot_be_trained_is_named(dataset: LabelledSet):
    with pytest.raises(UserError, match=r"train\.score='mpjpe_mm': must be one of auto, accuracy"):
        Recognition.of(make_experiment(**{"train.score": "mpjpe_mm"}), dataset)
    less = dataclasses.replace(dataset, sequences=tuple(s for s in dataset.sequences if s.segments[0].label != 1))
    with pytest.raises(UserError, match="no training segment of class fast"):
        Recognition.of(make_experiment(), less)
    short = dataclasses.replace(dataset.sequences[0], segments=(Segment(3, 4, 0),))
    few = dataclasses.replace(dataset, sequences=(short, *dataset.sequences))
    with pytest.raises(UserError, match=r"0-0-9: its segment of frames 3 to 4 has no frame left"):
        Recognition.of(make_experiment(**{"labels.frame_step": 2}), few)


NO_MOTION = {
    "nan": (np.nan, "frame 4, column 1 is nan"),
    "too large": (1e30, "frame 4, column 1 is 1e"),
    "text": ("x", "frames are of dtype object"),
    "complex": (1j, "frames are of dtype complex"),
}


@pytest.mark.parametrize(("value", "said"), NO_MOTION.values(), ids=NO_MOTION)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_arrays_that_are_no_motion_are_refused(dataset: LabelledSet, split: str, value: object, said: str):
    index = next(i for i, sequence in enumerate(dataset.sequences) if sequence.split == split)
    broken = dataset.sequences[index]
    name, array = next(iter(broken.arrays.items()))
    array = array.astype(object if isinstance(value, str) else np.result_type(array, type(value)))
    array[4, 1] = value
    sequences = list(dataset.sequences)
    sequences[index] = dataclasses.replace(broken, arrays={**broken.arrays, name: array})
    with pytest.raises(UserError, match=f"^{broken.source}: {name}: {said}"):
        Recognition.of(make_experiment(), dataclasses.replace(dataset, sequences=tuple(sequences)))
