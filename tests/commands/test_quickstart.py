"""The first command that anyone runs, from data to pictures, with a small stand-in for the data and the network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from motion_jax.config import MODES
from motion_jax.evaluation.report import read_json

ROOT = Path(__file__).absolute().parents[2]
FILES = {"report.json", "report.csv", "report.md", "error_curves.png", "error_by_action.png", "training_curves.png",
         "prediction.png"}  # fmt: skip

PROGRAM = """
import sys, numpy as np
from motion_jax.data import synthetic
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset
rng = np.random.default_rng(0)
def frames():
    phase = rng.uniform(0, 6, 99)
    return (0.3 * np.sin(np.arange(420)[:, None] * 0.02 + phase)).astype(np.float32)
people = {"S1": "train", "S5": "test", "S11": "train"}
clips = tuple(Clip(frames(), s, "walking", t, people[s], "synthetic") for s in people for t in (1, 2))
synthetic.make_synthetic = lambda seed: Dataset("synthetic", clips, ("walking",), H36M, 50.0, "key")
from motion_jax.commands import quickstart
from motion_jax.commands import cli
assert "matplotlib" not in sys.modules  # an extra: loaded only to draw
quickstart.fit, fit = (lambda *args: print("fit", fit(*args))), quickstart.fit
try:
    cli.run(quickstart.main)
finally:
    assert "matplotlib.pyplot" not in sys.modules  # it has global state
"""


def _run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling is most of the time here
    }
    command = [sys.executable, "-c", PROGRAM, f"--out={folder / 'out'}", *flags]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)


SMALL = (
    "--config.train.steps=2", "--config.train.batch=2", "--config.train.steps_per_dispatch=2",
    "--config.model.hidden=4", "--config.model.attention=none", "--config.model.bidirectional=false",
    "--config.eval.metrics=euler_error_rad",
)  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """From a folder that is not the project's."""
    folder = tmp_path_factory.mktemp("quickstart")
    return folder / "out", _run(folder, *SMALL)


@pytest.mark.slow
def test_it_says_where_everything_lies(done: tuple[Path, subprocess.CompletedProcess[str]]):
    out, process = done
    assert process.returncode == 0, process.stderr
    assert {path.name for path in out.iterdir()} == FILES | {"run"}
    told = {line.removeprefix("wrote ") for line in process.stdout.splitlines() if line.startswith("wrote ")}
    assert told == {str(out / name) for name in FILES}
    assert "fit 2" in process.stdout


@pytest.mark.slow
def test_it_prints_the_average_of_both_modes_beside_zero_velocity(
    done: tuple[Path, subprocess.CompletedProcess[str]],
):
    out, process = done
    reports = [report for report in read_json(out / "report.json") if report.metric == "euler_error_rad"]
    models = [reports[0].model, "Zero-velocity", "Constant velocity"]
    assert [(report.mode, report.model) for report in reports] == [(mode, model) for model in models for mode in MODES]
    for report in reports:
        row = "  ".join(f"{value:.3f}" for value in report.average)
        assert f"{report.model}  " in process.stdout
        assert row in process.stdout


def test_a_mistake_comes_before_the_training(tmp_path: Path):
    (tmp_path / "out").touch()
    process = _run(tmp_path, *SMALL)
    assert process.returncode == 2
    assert process.stderr.startswith("error: ")
    assert process.stderr.count("\n") == 1
    assert "fit" not in process.stdout
