"""Exponents of exact power laws are found, and only where one axis alone differs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from motion_jax.benchmark.growth import Growth, fit_exponent, growths, table
from motion_jax.benchmark.plots import check_plots, growth_plots
from motion_jax.errors import UserError


def row(**changes: Any) -> dict[str, Any]:
    settings = {"work": "train", "batch": 16, "hidden": 64, "source": 50, "target": 25, "layers": 1,
                "per_dispatch": 10, "bidirectional": False, "attention": "additive", "cell": "gru",
                "model": "seq2seq", "micro_batch": 0, "unroll": 1, "cuda_graphs": False,
                "precision": "float32", "implementation": "motion_jax"} | changes  # fmt: skip
    b, h = settings["batch"], settings["hidden"]
    return settings | {"median_ms": 0.3 * b**0.5 * h**1.75, "flops": 7.0 * b * h**2}


SWEEP = [row(batch=b, hidden=h) for b in (64, 1, 16) for h in (32, 64)]


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5, 2.0])
def test_an_exact_power_law(exponent: float):
    x = [1, 16, 128, 1024]
    assert fit_exponent(x, [0.2 * value**exponent for value in x]) == pytest.approx(exponent, abs=1e-12)


def test_three_points_of_one_axis_are_fitted_and_two_are_not():
    found = growths(SWEEP)
    assert [(growth.axis, growth.points, growth.fixed["hidden"]) for growth in found] == [
        ("batch", (1, 16, 64), 32), ("batch", (1, 16, 64), 64),
    ]  # fmt: skip
    for growth in found:
        assert growth.exponent == pytest.approx(0.5)
        assert growth.flops_exponent == pytest.approx(1.0)


@pytest.mark.parametrize(
    "other", [{"implementation": "flax"}, {"cell": "lstm"}, {"precision": "bf16"}, {"work": "infer"}, {"source": 99}]
)
def test_what_differs_in_more_is_not_one_sweep(other: dict[str, Any]):
    assert len(growths([row(hidden=32), row(hidden=64), row(hidden=128)])) == 1
    assert growths([row(hidden=32), row(hidden=64), row(hidden=128, **other)]) == []


def test_the_table_names_what_differs():
    lines = table(growths(SWEEP)).splitlines()
    assert lines[0] == "| grows with | from | to | implementation | hidden | exponent | of the FLOPs |"
    assert lines[2:] == [f"| batch | 1 | 64 | motion_jax | {h} | 0.50 | 1.00 |" for h in (32, 64)]


def test_a_picture_for_each_work_and_axis(tmp_path: Path):
    found: list[Growth] = growths([*SWEEP, *(row(work="infer", hidden=h) for h in (32, 64, 128))])
    assert growth_plots(found, tmp_path) == [tmp_path / "train_batch.png", tmp_path / "infer_hidden.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_matplotlib_is_an_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r"motion-jax\[viz\]"):
        check_plots(str(tmp_path))
