"""`launch.visualize`, on a run of a small network and a small stand-in for the synthetic data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.config import DataConfig, EvalConfig, Experiment, model_config
from motion_jax.models import make
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import encode_row
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import init_state
from motion_jax.train.workdir import Workdir

ROOT = Path(__file__).absolute().parents[2]
PROGRAM = """
import numpy as np
from motion_jax.skeletons.bodies import H36M
from motion_jax.data import synthetic
from motion_jax.types import Clip, Dataset
rng = np.random.default_rng(0)
def frames():
    return (0.3 * np.sin(np.arange(420)[:, None] * 0.02 + rng.uniform(0, 6, 99))).astype(np.float32)
clips = tuple(Clip(frames(), "S5", "walking", trial, "test", "synthetic") for trial in (1, 2))
synthetic.make_synthetic = lambda seed: Dataset("synthetic", clips, ("walking",), H36M, 50.0, "key")
from motion_jax.commands import visualize
from motion_jax.commands import cli
cli.run(visualize.main)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training leaves, with one line in its log."""
    experiment = Experiment(
        name="ours",
        data=DataConfig(source_length=6, target_length=5),
        model=model_config(hidden=4),
        eval=EvalConfig(protocols="srnn", frames="1,5"),
    )
    space = PoseSpace(np.zeros(99), np.ones(99), tuple(range(6, 99)), ("walking",), H36M, 25.0)
    folder = Workdir(tmp_path_factory.mktemp("runs") / "run")
    with folder.locked():
        folder.begin(experiment, {"space.json": space.to_json()}, "key")
        state = init_state(make(experiment, space), make_optimizer(experiment), 0)
        moved = jax.tree.map(lambda leaf: leaf + 0.05, state.params)
        checkpoints = Checkpoints(folder.last)
        checkpoints.save(10, state.replace(params=moved))
        checkpoints.close()
    folder.metrics.write_text(encode_row({"kind": "report", "step": 10, "mean_loss": 0.5}))
    return folder.path


def command(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HOME": str(folder),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling is most of the time here
    }
    line = [sys.executable, "-c", PROGRAM, *flags]
    return subprocess.run(line, cwd=folder, env=os.environ | environment, capture_output=True, text=True)


@pytest.mark.slow
def test_every_output_is_written_and_told(run: Path, tmp_path: Path):
    outputs = {"output": "page.html", "png": "strip.svg", "attention": "attention.png", "training": "training.pdf"}
    (tmp_path / "runs").symlink_to(run.parent)
    flags = [f"--{flag}=~/out/{name}" for flag, name in outputs.items()]
    done = command(tmp_path, f"--workdir=~/runs/{run.name}", "--windows=2", *flags)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(outputs.values())
    told = re.findall(r"^wrote (.*?)(?::|$)", done.stdout, re.M)
    assert set(told) == {str(tmp_path / "out" / name) for name in outputs.values()}
    assert not (tmp_path / "~").exists()
    assert "2 windows, 2 models" in done.stdout


def test_mistakes_cost_one_line_and_no_time(tmp_path: Path, forked: Callable[..., list[Any]]):
    missing = f"--workdir={tmp_path / 'absent'}"
    mistakes = {(missing,): "nothing to write: give --output=page.html",
                (missing, "--output=page.html"): "holds no trained run"}  # fmt: skip
    for done, message in zip(forked(PROGRAM, list(mistakes), tmp_path), mistakes.values(), strict=True):
        assert (done.status, len(done.complaints.splitlines())) == (2, 1)
        assert message in done.complaints
