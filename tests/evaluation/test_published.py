"""The printed numbers: transcription is checked by what the sources themselves add up to."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from motion_jax.config import MODES
from motion_jax.data.protocols import COUNTS
from motion_jax.evaluation.metrics import METRICS
from motion_jax.evaluation.published import MARKS, all_rows, published_rows

THESIS_MODELS = ("Uni-Enc-50", "Bi-Enc-50", "Uni-Enc-0", "Uni-Enc-100")
H36M_ACTIONS = (
    "walking", "eating", "smoking", "discussion", "directions", "greeting", "phoning", "posing", "purchases", "sitting",
    "sittingdown", "takingphoto", "waiting", "walkingdog", "walkingtogether",
)  # fmt: skip


def table(model: str, mode: str) -> dict[str, dict[int, Decimal]]:
    rows = published_rows("h36m", mode, "srnn", "euler_error_rad")
    return {row.action: row.errors for row in rows if row.model == model}


def test_rows_are_told_apart_and_speak_the_config_s_language():
    rows = all_rows()
    assert len({(row.dataset, row.mode, row.protocol, row.metric, row.model, row.action) for row in rows}) == len(rows)
    for row in rows:
        assert row.mode in MODES
        assert row.protocol in COUNTS
        assert row.metric in METRICS
        assert row.mark in MARKS
        assert row.source
        assert row.errors
        assert all(0 < error < 200 for error in row.errors.values())
        assert all(label % 40 == 0 for label in row.errors)


@pytest.mark.parametrize("model", THESIS_MODELS)
def test_the_thesis_s_rows_are_complete_and_add_up_to_its_averages(model):
    errors = table(model, "one_step")
    assert tuple(errors) == (*H36M_ACTIONS, "average")
    for action in H36M_ACTIONS:
        assert list(errors[action]) == [80, 160, 320, 400, 560, 1000]
    assert list(errors["average"]) == [80, 160, 320, 400]
    for label, average in errors["average"].items():
        mean = np.mean([float(errors[action][label]) for action in H36M_ACTIONS])
        assert abs(mean - float(average)) <= 0.0055  # both ends are rounded to two digits


def test_his_rep_itself_adds_up_to_its_average():
    errors = table("HisRepItself", "free_running")
    assert set(errors) == {*H36M_ACTIONS, "average"}
    for label, average in errors["average"].items():
        assert abs(np.mean([float(errors[action][label]) for action in H36M_ACTIONS]) - float(average)) <= 0.0015


def test_aged_adds_up_to_its_average_as_the_thesis_prints_it():
    errors = table("AGED w/ adv+geo", "free_running")
    for label, average in errors["average"].items():
        assert abs(np.mean([float(errors[action][label]) for action in H36M_ACTIONS]) - float(average)) <= 0.0055


def test_modes_are_never_mixed():
    one_step = {row.model for row in all_rows() if row.mode == "one_step"}
    free_running = {row.model for row in all_rows() if row.mode == "free_running"}
    assert one_step == set(THESIS_MODELS)
    assert not one_step & free_running


def test_digits_are_kept_as_printed():
    assert str(table("Uni-Enc-100", "one_step")["walking"][80]) == "0.23"
    assert str(table("ERD", "free_running")["smoking"][400]) == "2.42"
    assert str(table("HisRepItself", "free_running")["average"][1000]) == "1.590"
    assert str(table("Bi-Enc-50", "one_step")["phoning"][400]) == "0.90"


def test_nothing_is_published_on_synthetic_data():
    assert not any(published_rows("synthetic", mode, "srnn", "euler_error_rad") for mode in MODES)
