"""Anticipation: what is observed, what the baselines count, what the metrics say, and a run that beats them."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest

from motion_jax.anticipation.baselines import Markov, frequencies
from motion_jax.config import Experiment, LabelsConfig, OptimConfig, TrainConfig, model_config
from motion_jax.data.labelled.modalities import label_space
from motion_jax.data.labelled.observations import Clock, Observations, observe
from motion_jax.data.labelled.sequences import Component, LabelledSet, Segment, Sequence
from motion_jax.errors import UserError
from motion_jax.evaluation.anticipation import combine, marginal, measure, table, write_json
from motion_jax.experiments.anticipation import CHANCE, MAJORITY, MARKOV, compare_anticipation
from motion_jax.inference.anticipator import load_anticipator
from motion_jax.recognition.losses import balanced_weights
from motion_jax.train.anticipation import Anticipation, fit

FPS = 10.0
CLASSES = ("sit", "stand", "walk", "wave")
PARTS = tuple(Component(*words) for words in (("move", "body"), ("hold", "body"), ("move", "leg"), ("move", "arm")))
LABELS = LabelsConfig(inputs="signs,noise", frame_step=2)
CLOCK = Clock(alpha=0.4, encoding=1, anticipation=3)


def sequence(seed: int, split: str) -> Sequence:
    """Ten segments of 2 to 3 s; "signs" shows a class for its whole segment, and from 0.8 s before it."""
    rng = np.random.default_rng(seed)
    segments, at = [], 0
    for label in rng.integers(0, len(CLASSES), 10):
        length = int(rng.integers(20, 31))
        segments.append(Segment(at, at + length, int(label)))
        at += length
    signs = np.zeros((at, len(CLASSES)), np.float32)
    for segment in segments:
        signs[max(segment.start - 8, 0) : segment.end, segment.label] = 1
    noise = rng.normal(size=(at, 2)).astype(np.float32)
    return Sequence({"signs": signs, "noise": noise}, tuple(segments), f"S{seed}", split, "made")


def sessions() -> LabelledSet:
    splits = ["train"] * 12 + ["validation"] * 3 + ["test"] * 5
    made = tuple(sequence(seed, split) for seed, split in enumerate(splits))
    return LabelledSet("sessions", made, CLASSES, FPS, "key", components=PARTS)


def test_steps_lie_alpha_apart_and_end_alpha_before_the_action():
    assert CLOCK.times == pytest.approx((1.2, 0.8, 0.4))
    np.testing.assert_array_equal(CLOCK.frames(Segment(40, 60, 0), FPS), [24, 28, 32, 36])
    within = Clock(0.4, 0, 4, within=True)
    assert within.times == (0.25, 0.5, 0.75, 1.0)
    np.testing.assert_array_equal(within.frames(Segment(40, 60, 0), FPS), [44, 49, 54, 59])


def test_observations_hold_the_frames_of_their_steps_and_what_was_being_done():
    dataset, labels = sessions(), LABELS
    one = dataset.sequences[0]
    space = label_space(dataset, dataset.split("train"), labels)
    seen = observe([one], CLOCK, space, labels, FPS)
    assert seen.left_out == 1  # the first begins with the recording
    assert len(seen.label) == len(one.segments) - 1
    for row, (before, segment) in enumerate(zip(one.segments, one.segments[1:], strict=False)):
        raw = seen.inputs[0][row] * space.modalities[0].std + space.modalities[0].mean
        frames = CLOCK.frames(segment, FPS) // 2 * 2  # of which every second is kept
        np.testing.assert_allclose(raw, one.arrays["signs"][frames], atol=1e-6)
        assert seen.label[row] == segment.label
        np.testing.assert_array_equal(seen.current[row], [before.label] * 3)


def test_what_had_begun_is_told_for_each_time():
    segments = (Segment(0, 5, 2), Segment(33, 36, 1), Segment(38, 60, 3))
    one = Sequence({"signs": np.zeros((60, 1)), "noise": np.zeros((60, 1))}, segments, "", "train", "made")
    dataset = LabelledSet("one", (one,), CLASSES, FPS, "key")
    space = label_space(dataset, (one,), LABELS)
    seen = observe([one], CLOCK, space, LABELS, FPS)
    np.testing.assert_array_equal(seen.current, [[2, 2, 2], [2, 2, 1]])
    within = observe([one], Clock(0.4, 0, 2, within=True), space, LABELS, FPS)
    np.testing.assert_array_equal(within.current, [[4, 4], [2, 2], [1, 1]])  # never the action that is recognised


def test_markov_is_what_was_counted_by_hand():
    label = np.array([0, 0, 1, 2], np.int32)
    training = Observations((), label, np.array([[0], [0], [0], [3]], np.int32), 0)
    found = Markov.of(training, 3).probabilities(np.array([[0], [1], [3]]))[:, 0]
    prior = np.array([0.5, 0.25, 0.25])
    np.testing.assert_allclose(found, [np.add(prior, [2, 1, 0]) / 4, prior, np.add(prior, [0, 0, 1]) / 2])
    np.testing.assert_allclose(frequencies(label, 3), prior)


def test_metrics_by_hand():
    scores = np.array([[[9, 8, 7, 6, 5, 4, 3]], [[9, 8, 7, 6, 5, 4, 3]], [[1, 1, 1, 1, 1, 1, 1]]], float)
    found = measure(scores, np.array([0, 5, 0]))
    assert found["top1"] == pytest.approx([(1 + 0 + 1 / 7) / 3])
    assert found["top5"] == pytest.approx([(1 + 0 + 5 / 7) / 3])
    assert found["mean_top5_recall"] == pytest.approx([((1 + 5 / 7) / 2 + 0) / 2])


def test_verbs_and_nouns_are_sums_of_actions():
    p = np.random.default_rng(0).dirichlet(np.ones(4), (3, 2))
    verbs, number = marginal(p, PARTS, "verb")
    np.testing.assert_allclose(verbs.sum(-1), 1)
    np.testing.assert_allclose(verbs[..., 1], p[..., [0, 2, 3]].sum(-1))  # hold, move
    np.testing.assert_array_equal(number, [1, 0, 1, 1])
    assert measure(p, np.array([1, 0, 3]), PARTS).keys() >= {"verb_top1", "noun_mean_top5_recall"}


def test_balanced_weights_give_each_class_the_same_share():
    label = np.array([0, 0, 0, 2])
    weights = balanced_weights(np.bincount(label, minlength=3))
    np.testing.assert_allclose(weights, [4 / 6, 0, 2])
    assert weights[label].mean() == pytest.approx(1)


def experiment(**changes) -> Experiment:
    return Experiment(
        name="RU-LSTM",
        labels=LABELS,
        model=model_config("ru_lstm", hidden=16, alpha=0.4, encoding=1, anticipation=3, fusion="matt", dropout=0.2,
                           pretrain_steps=40, branch_steps=20),
        optim=OptimConfig(name="adam", learning_rate=0.02, schedule="constant"),
        train=TrainConfig(steps=140, batch=32, loss="cross_entropy", report_every=50, checkpoint_every=140),
    ).changed(changes)  # fmt: skip


@pytest.mark.slow
def test_a_run_sees_signs_where_there_are_any(tmp_path):
    dataset, rows = sessions(), []
    fit(experiment(), dataset, tmp_path, callback=lambda _, row: rows.append(row), quiet=True)
    assert ["validation_score" in row for row in rows] == [False, True, True]
    run = load_anticipator(tmp_path)
    reports = {report.model: report for report in compare_anticipation([run], dataset)}
    assert list(reports) == ["RU-LSTM", MARKOV, MAJORITY, CHANCE]
    assert [report.checkpoint for report in reports.values()] == ["best", "", "", ""]
    (last,) = compare_anticipation([load_anticipator(tmp_path, "last")], dataset, False, False, "last")
    assert (last.checkpoint, "| RU-LSTM, last |" in table([last])) == ("last", True)
    other_clock = copy.copy(run)
    other_clock.clock = run.clock._replace(alpha=0.2)
    kept = compare_anticipation([run, other_clock], dataset, False, True)  # left out, and so no report of two seeds
    assert [report.seeds for report in kept] == [1]
    found = reports["RU-LSTM"].metrics["top1"]  # at 1.2, .8 and .4 s: signs are shown from .8 s
    assert found[2] > 0.9
    assert found[0] < 0.6
    assert found[2] > reports[MARKOV].metrics["top1"][2] + 0.3
    np.testing.assert_allclose(reports[CHANCE].metrics["top1"], 1 / 4)
    assert reports["RU-LSTM"].left_out == 5
    seen = observe(dataset.split("test"), run.clock, run.space, LABELS, FPS)
    signs, noise = seen.inputs
    with pytest.raises(UserError, match=r"noise\[0, 0, 0\] is nan: every value must be finite"):
        run((signs, np.full_like(noise, np.nan)))
    weights = run.weights(seen.inputs)
    assert weights[..., 0].mean() > weights[..., 1].mean()  # signs count for more than noise
    one = dataset.split("test")[0]
    cut = one.segments[3].start - 4 + 1
    before = Sequence({name: array[:cut] for name, array in one.arrays.items()}, (), "", "test", "made")
    coming = run.anticipate_sequence(before)
    assert [round(answer.seconds, 3) for answer in coming] == [1.2, 0.8, 0.4]
    np.testing.assert_allclose(coming[2].probabilities, run(seen.inputs)[2, 2], atol=1e-5)

    both = combine([reports["RU-LSTM"], reports["RU-LSTM"]])
    assert both.std is not None
    assert both.std["top1"] == [0, 0, 0]
    other = dataclasses.replace(
        reports[MARKOV], data={"name": "another", "key": "k"}, metrics={"top1": [0.5, 0.5, 0.5]}
    )
    text = table([both, reports[MARKOV], other])  # of two data sets, with metrics of their own
    assert text.count("| RU-LSTM |") == len(both.metrics)
    assert "; 5 with too little before them are left out.\n\n| Top-1, % |" in text
    assert text.endswith("another, test: 45 segments of 4 classes; 5 with too little before them are left out.")
    changed = copy.copy(run)
    changed.experiment = experiment(**{"train.seed": 1, "model.dropout": 0.1})
    with pytest.raises(UserError, match=r"runs named 'RU-LSTM' differ in model.dropout: they are no seeds"):
        compare_anticipation([run, changed], dataset)
    write_json([both], tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())["reports"][0]
    assert (written["task"], written["frames"], written["classes"]) == ("anticipation", [], list(CLASSES))
    assert written["data"].keys() >= {"name", "files", "frames", "key"}  # without which an index refuses its row


@pytest.mark.parametrize(("changes", "said"), [
    ({"model.alpha": 0.1}, "model.alpha=0.1: is less than a frame of 5 frames a second"),
    ({"model.encoding": 900}, r"^model.alpha=0.4, model.encoding=900, model.anticipation=3: need 361.2 s before a "
     r"segment begins: the longest that lies before any of 120 segments in 12 sequences is \d+(\.\d)? s$"),
    ({"train.score": "top3"}, "train.score='top3': must be one of auto, top1, top5, mean_top5_recall"),
    ({"labels.window": 20}, "labels.window=20: model 'ru_lstm' does not read it: .* --config.labels.window=0$"),
])  # fmt: skip
def test_what_cannot_be_is_refused(changes, said):
    with pytest.raises(UserError, match=said):
        Anticipation.of(experiment(**changes), sessions())
