"""Recognisers as cases: what is counted, refused, and measured."""

from __future__ import annotations

import pytest

from motion_jax.benchmark.case import CLASSES, Case
from motion_jax.benchmark.counts import flops, sequential_steps
from motion_jax.benchmark.peers import PEERS
from motion_jax.benchmark.roofline import Ceilings
from motion_jax.benchmark.run import measure
from motion_jax.errors import UserError

CASE = Case("infer", batch=2, hidden=8, source=4, model="bi_lstm")


def test_counts_of_a_bi_lstm_are_those_by_hand():
    """Of each layer 2 directions, 4 gates of 32, its inputs and its own outputs; then the classes."""
    layers = sum(4 * 2 * 4 * 32 * (inputs + 32) for inputs in (CASE.columns, 64, 64))
    assert flops(CASE) == 2 * 2 * (layers + 64 * CLASSES)
    assert sequential_steps(CASE) == 3 * 4


def test_what_recognisers_have_no_choice_of_is_refused():
    with pytest.raises(UserError, match="--cell=lstm: --model=hbrnn has no such choice"):
        Case("infer", batch=2, hidden=8, model="hbrnn", cell="lstm")
    assert "calls of cuDNN or oneDNN" in PEERS["torch_compile"].serves(CASE)
    assert PEERS["torch"].serves(CASE) == ""


@pytest.mark.slow
def test_training_beside_the_plain_scan():
    case = Case("train", batch=2, hidden=8, source=4, per_dispatch=2, model="bi_lstm")
    mine, plain = measure(case, ["plain"], 0.0, Ceilings({"float32": 100.0}, copy_gb_per_s=10.0))
    assert (mine["implementation"], plain["implementation"]) == ("motion_jax", "motion_jax_plain")
    assert mine["frames_per_s"] == 2 * 4 / (mine["median_ms"] / 1000)
