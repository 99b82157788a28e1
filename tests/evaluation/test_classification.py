"""Laws of the metrics of classification, and values computed by hand."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.evaluation.classification import (
    ClassificationReport,
    accuracy,
    balanced_accuracy,
    combine,
    confusion_matrix,
    log_loss,
    macro_f1,
    markdown,
    measure,
    of_segments,
    per_class,
    per_class_table,
    read_json,
    retrieval,
    top_k,
    write_csv,
    write_json,
)

TRUE = np.array([0, 0, 0, 0, 1, 1, 2])
SAID = np.array([0, 0, 0, 1, 1, 2, 2])
MATRIX = confusion_matrix(SAID, TRUE, 4)  # of class 3 nothing is there


def test_metrics_by_hand():
    np.testing.assert_array_equal(MATRIX, [[3, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    assert accuracy(MATRIX) == pytest.approx(5 / 7)
    assert balanced_accuracy(MATRIX) == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    found = per_class(MATRIX)
    np.testing.assert_allclose(found.precision, [1, 1 / 2, 1 / 2, 0])
    np.testing.assert_allclose(found.recall, [3 / 4, 1 / 2, 1, 0])
    np.testing.assert_allclose(found.f1, [6 / 7, 1 / 2, 2 / 3, 0])
    np.testing.assert_array_equal(found.support, [4, 2, 1, 0])
    assert macro_f1(MATRIX) == pytest.approx((6 / 7 + 1 / 2 + 2 / 3) / 3)


def test_top_k_rises_to_one_and_draws_lots_among_equals():
    rng = np.random.default_rng(0)
    scores, label = rng.normal(size=(50, 6)), rng.integers(0, 6, 50)
    shares = [top_k(scores, label, k) for k in range(1, 7)]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx((scores.argmax(-1) == label).mean())
    assert shares[-1] == 1
    assert top_k(np.zeros((50, 6)), label, 2) == pytest.approx(2 / 6)


def test_log_loss_and_segments():
    p = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    assert log_loss(p, np.array([0, 1, 1])) == pytest.approx(-np.log([0.9, 0.5, 0.8]).mean())
    whole, label = of_segments(p, np.array([0, 0, 1]), np.array([7, 7, 2]))
    np.testing.assert_allclose(whole, [[0.2, 0.8], [0.7, 0.3]])
    np.testing.assert_array_equal(label, [1, 0])


def test_retrieval_by_hand():
    """On a line: the first asks for the third, which is second nearest; the third finds the fourth before the first."""
    places, label = np.array([[0.0], [1.0], [2.5], [4.5]]), np.array([0, 1, 0, 2])
    found = retrieval(places, label)
    assert found["recall_at_1"] == 0  # of the third, the nearest is the second
    assert found["mean_average_precision"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    apart = np.repeat(np.eye(3), 4, axis=0)
    perfect = retrieval(apart, np.repeat(np.arange(3), 4))
    assert set(perfect.values()) == {1.0}
    assert all(math.isnan(value) for value in retrieval(places, np.arange(4)).values())


def made(**changes: object) -> ClassificationReport:
    rng = np.random.default_rng(0)
    scores = np.exp(rng.normal(size=(7, 4)))
    metrics = measure(scores / scores.sum(-1, keepdims=True), TRUE, np.arange(7))
    report = ClassificationReport(
        "A", "test", "best", list("wxyz"), metrics, per_class_table(MATRIX, "wxyz"), MATRIX.tolist(), 7, 7, 1, None,
        {"name": "A"}, {"name": "made", "key": "k", "files": 7, "frames": 70},
    )  # fmt: skip
    return dataclasses.replace(report, **changes)


def test_seeds_are_averaged_and_their_confusion_summed():
    other = made(metrics={name: value + 0.1 for name, value in made().metrics.items()})
    both = combine([made(), other])
    assert both.seeds == 2
    for name, value in made().metrics.items():
        assert both.metrics[name] == pytest.approx(value + 0.05)
        assert both.std is not None
        assert both.std[name] == pytest.approx(0.1 / math.sqrt(2))
    assert both.confusion == (2 * MATRIX).tolist()
    assert both.per_class["w"] == {**made().per_class["w"], "support": 8}
    with pytest.raises(UserError, match="'A' differ in data"):
        combine([made(), made(checkpoint="last")])


def test_files_say_what_the_report_says(tmp_path: Path):
    write_json([made()], tmp_path / "a.json")
    (back,) = read_json(tmp_path / "a.json")
    assert back == made()
    assert (back.task, back.frames) == ("recognition", [])
    write_csv([made()], tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 1 + len(made().metrics) + 4 * 4
    text = markdown([made()])
    assert "| w | 100.0 | 75.0 | 85.7 | 4 |" in text
    assert "| x | 0 | 1 | 1 | 0 |" in text
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(UserError, match=r"b\.json: not a report"):
        read_json(tmp_path / "b.json")
