"""What a run reports, what it refuses, and that every peer computes what the library does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.benchmark import ours, sweep
from motion_jax.benchmark.case import LONGEST, Built, Case
from motion_jax.benchmark.page import FIGURES, page
from motion_jax.benchmark.peers import PEERS
from motion_jax.benchmark.roofline import Ceilings, floor_seconds, measure
from motion_jax.benchmark.run import check_same
from motion_jax.benchmark.run import measure as measure_case
from motion_jax.errors import UserError
from motion_jax.runtime.timing import Samples, interleave, machine

CEILINGS = Ceilings({"float32": 100.0, "bf16": 200.0}, copy_gb_per_s=10.0)
CASE = Case("train", batch=2, hidden=8, per_dispatch=2, source=4, target=3)
PROMISED = {
    "work", "batch", "hidden", "bidirectional", "precision", "implementation", "median_ms", "cpu_ms", "peak_bytes",
    "compile_s", "iqr_ms", "min_ms", "p99_ms", "repetitions", "ratio", "cpu_ratio", "fast", "attention", "cell",
    "unroll", "cuda_graphs", "micro_batch", "devices",
    "layers", "source", "target", "per_dispatch", "flops", "bytes", "sequential_steps", "us_per_sequential_step",
    "percent_of_roofline", "temp_bytes", "device_peak_bytes", "steps_per_s", "sequences_per_s", "frames_per_s",
    "gflops_per_s", "model",
}  # fmt: skip


@pytest.mark.slow
def test_training_beside_its_peers():
    rows = measure_case(CASE, ["flax", "plain"], 0.0, CEILINGS)
    assert [(r["implementation"], r["fast"], r["per_dispatch"]) for r in rows] == [
        ("motion_jax", True, 2), ("flax", None, 1), ("motion_jax_plain", False, 2),
    ]  # fmt: skip
    for r in rows:
        assert r.keys() == PROMISED
        assert r["ratio"] == r["median_ms"] / rows[0]["median_ms"]
        assert r["compile_s"] > 0
        assert r["peak_bytes"] > 0
        floor_ms = max(r["flops"] / 100e6, r["bytes"] / 10e6)
        assert r["percent_of_roofline"] == pytest.approx(100 * floor_ms / r["median_ms"])
    text = page(machine(), json.loads(json.dumps(rows)), [])
    assert (
        "Every row: B 2, H 8, S 4, T 3, layers 1, model seq2seq, bi no, attention additive, cell gru, precision float32"
        in text
    )
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(line.split("|")) for line in table] == [len(FIGURES) + 4] * 5


@pytest.mark.slow
def test_inference_of_two_directions_beside_flax():
    case = dataclasses.replace(CASE, work="infer", bidirectional=True, per_dispatch=1)
    mine, theirs = measure_case(case, ["flax"], 0.0, CEILINGS)
    assert mine.keys() == theirs.keys() == PROMISED
    assert mine["sequential_steps"] == 6


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("work", ["train", "infer"])
def test_the_pytorch_twin(work: str, bidirectional: bool):
    pytest.importorskip("torch", reason="PyTorch is installed only where it is measured against")
    case = dataclasses.replace(CASE, work=work, bidirectional=bidirectional)
    rows = measure_case(case, ["torch"], 0.0, CEILINGS)
    assert [r["implementation"] for r in rows] == ["motion_jax", "torch_strong", "torch_tutorial"]


@pytest.mark.parametrize("model", ["simlpe", "dct_mixer", "his_rep_itself"])
def test_the_pytorch_twin_of_a_one_shot_model(model: str):
    pytest.importorskip("torch", reason="PyTorch is installed only where it is measured against")
    case = Case("train", batch=2, hidden=8, per_dispatch=1, source=21, target=11, model=model)
    rows = measure_case(case, ["torch"], 0.0, CEILINGS)
    assert [r["implementation"] for r in rows] == ["motion_jax", "torch_strong", "torch_tutorial"]


def test_a_peer_that_does_not_serve_a_case_is_told_and_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ours, "build", lambda case: Built(lambda: None, lambda: (0.0, {})))
    case = dataclasses.replace(CASE, work="infer", attention="dot", per_dispatch=1)
    rows = measure_case(case, ["flax"], 0.0, CEILINGS)
    assert [r["implementation"] for r in rows] == ["motion_jax"]
    assert capsys.readouterr().out.startswith("skipped flax: serves cell gru, layers 1, attention additive; asked for ")


@pytest.mark.parametrize("change", [{"cell": "lstm"}, {"layers": 2}, {"attention": "dot"}, {"precision": "tf32"}])
def test_what_twins_do_not_serve(change: dict[str, Any]):
    for name in ("torch", "torch_compile", "flax"):
        assert not PEERS[name].serves(CASE)
        assert PEERS[name].serves(dataclasses.replace(CASE, **change))


def test_a_peer_that_computes_something_else_is_refused():
    mine = 1.0, {"w": np.array([1.0, 2.0]), "tiny": np.array([1e-9])}
    check_same(CASE, "peer", mine, (1.00005, {"w": np.array([1.0001, 2.0]), "tiny": np.array([0.0])}))
    for wrong in ((1.001, mine[1]), (float("nan"), mine[1]), (1.0, {"w": np.array([1.001, 2.0])}),
                  (1.0, {"w": np.array([np.nan, 2.0])})):  # fmt: skip
        with pytest.raises(UserError, match="peer"):
            check_same(CASE, "peer", mine, wrong)


def test_the_floor_is_the_longer_of_the_two_times_at_the_better_rate():
    assert floor_seconds(CEILINGS, "float32", flops=1e11, moved=1.0) == 1.0
    assert floor_seconds(CEILINGS, "bf16", flops=1e11, moved=1.0) == 0.5
    assert floor_seconds(CEILINGS, "float32", flops=1.0, moved=3e10) == 3.0
    both = dataclasses.replace(CEILINGS, torch_gflops_per_s={"float32": 400.0})
    assert floor_seconds(both, "float32", flops=1e11, moved=1.0) == 0.25


def test_ceilings_are_measured():
    found = measure(["float32"], side=64, copied=1 << 16)
    assert found.matmul_gflops_per_s["float32"] > 0
    assert found.copy_gb_per_s > 0


def test_calls_run_in_turn_and_count_operations():
    order: list[str] = []
    samples = interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, {"a": 1, "b": 4}, 0.0)
    assert order == ["a", "a", "b", "b", *["a", "a", "b", "b"] * 5]  # after a peer's call, a short one is not counted
    assert samples["b"].summary()["repetitions"] == 5
    wall = np.array([4.0, 1.0, 2.0, 3.0, 100.0])
    summary = Samples(wall, wall).summary()
    assert (summary["median_ms"], summary["iqr_ms"], summary["min_ms"]) == (3.0, 2.0, 1.0)


def test_a_sweep_is_every_combination_and_inference_knows_no_dispatches():
    found = sweep.cases({"work": ["train", "infer"], "batch": [1, 2], "hidden": [8], "per_dispatch": [1, 4]})
    assert [(case.work, case.batch, case.per_dispatch) for case in found] == [
        ("train", 1, 1), ("train", 1, 4), ("train", 2, 1), ("train", 2, 4), ("infer", 1, 1), ("infer", 2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "16,", "a"])
def test_numbers_that_are_none(text: str):
    with pytest.raises(UserError, match=f"--batch={text}: positive whole numbers"):
        sweep.numbers("batch", text)


def test_impossible_cases():
    with pytest.raises(UserError, match=r"--cell=gru,gro: 'gro' is not one of gru, lstm"):
        sweep.names("cell", "gru,gro", ("gru", "lstm"))
    with pytest.raises(UserError, match=r"model.heads=4 must divide model.hidden=9"):
        sweep.cases({"work": ["infer"], "batch": [1], "hidden": [9], "attention": ["multi_head"]})
    with pytest.raises(UserError, match="--cell=lstm: --model=simlpe has no such choice"):
        sweep.cases({"work": ["infer"], "batch": [1], "hidden": [8], "model": ["simlpe"], "cell": ["lstm"]})
    with pytest.raises(UserError, match=f"together at most {LONGEST} frames"):
        dataclasses.replace(CASE, source=LONGEST)


WRONG = {
    "--attention=additive,wrong": "--attention=additive,wrong: 'wrong' is not one of none, linear",
    "--peer=tensorflow": "--peer=tensorflow: 'tensorflow' is not one of torch, torch_strong, torch_compile, flax",
    "--model=other": "--model=other: 'other' is not one of seq2seq, simlpe, his_rep_itself, dct_mixer",
    "--work=train,test": "--work=train,test: 'test' is not one of train, infer",
    "--hidden=16,x": "--hidden=16,x: positive whole numbers separated by commas, like 16,128",
    "--threads=100000": "--threads=100000: this process has",
    "--json=.": ".: is a folder; give the name of a file in it",
}


def test_a_wrong_flag_is_told_in_one_line_before_anything_is_measured(tmp_path: Path, forked: Callable[..., list[Any]]):
    code = "from motion_jax.commands import benchmark\ncli.run(benchmark.main)"
    for done, message in zip(forked(code, [[line] for line in WRONG], tmp_path), WRONG.values(), strict=True):
        assert (done.status, done.out) == (2, "")
        assert done.complaints.startswith(f"error: {message}")
        assert done.complaints.count("\n") == 1


def test_the_machine_names_what_figures_depend_on():
    assert {"command", "commit", "processor", "devices", "versions", "affinity", "omp_num_threads"} <= machine().keys()
    assert jax.__version__ == machine()["versions"]["jax"]
