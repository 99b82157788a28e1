"""A run that takes a second, to be disturbed: its data, its training in this process, and in others to be killed."""

from __future__ import annotations

import dataclasses
import hashlib
import logging as python_logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging

from motion_jax.config import DataConfig, EvalConfig, Experiment, OptimConfig, TrainConfig, model_config
from motion_jax.data.prepared import read_prepared, write_dataset
from motion_jax.inference.predictor import load_predictor
from motion_jax.models import make
from motion_jax.skeletons.bodies import H36M
from motion_jax.train import loop
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.log import read_metrics
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import abstract_state
from motion_jax.train.workdir import Workdir
from motion_jax.types import Clip, Dataset
from tests.training_server import Server

STEPS = 40
VARY = ("ms_per_step", "train_seconds")  # of a row, what depends on the clock


def _frames(seed: int) -> np.ndarray:
    """`[400, 99]`: slow sines of random phase; the root stands still, so that its columns are dropped."""
    rng = np.random.default_rng(seed)
    phase, tempo = rng.uniform(0, 2 * np.pi, 99), rng.uniform(0.01, 0.05, 99)
    frames = 0.3 * np.sin(np.arange(400)[:, None] * tempo + phase)
    frames[:, :6] = 0
    return frames.astype(np.float32)


class Place(NamedTuple):
    """Where everything is: prepared data, the whole run and its config file; made once."""

    root: Path
    task: Forecasting
    experiment: Experiment

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def whole(self) -> Path:
        return self.root / "whole"

    @property
    def config(self) -> Path:
        return self.root / "config.py"

    def flags(self, workdir: Path) -> tuple[str, ...]:
        """Of `motion-jax train`, for this run there."""
        return (f"--config={self.config}", f"--workdir={workdir}", "--nocalibrate")


def make_place(root: Path) -> Place:
    """S1 trains, S11 validates, S5 tests; trains the run that nothing disturbs."""
    root.mkdir(parents=True, exist_ok=True)
    cases = [("S1", 1, "train"), ("S11", 1, "train"), ("S5", 1, "test"), ("S5", 2, "test")]
    clips = tuple(Clip(_frames(n), subject, "walking", trial, split, f"{subject}/walking_{trial}")
                  for n, (subject, trial, split) in enumerate(cases))  # fmt: skip
    write_dataset(Dataset("h36m", clips, ("walking",), H36M, 50.0, "made-up"), root / "data", {}, ())
    every = {"log_every": 5, "report_every": 20, "checkpoint_every": 10, "steps_per_dispatch": 5}
    experiment = Experiment(
        name="small",
        data=DataConfig(name="h36m", root=str(root / "data"), source_length=8, target_length=4),
        model=model_config(hidden=4, attention="none"),
        optim=OptimConfig(name="adam", learning_rate=0.003),
        train=TrainConfig(steps=STEPS, batch=4, report_test=False, score_mode="free_running", max_skipped=10, **every),
        eval=EvalConfig(protocols="srnn", frames="2,4"),
    )
    values = dataclasses.asdict(experiment)
    code = f"from ml_collections import ConfigDict\ndef get_config(): return ConfigDict({values!r})\n"
    (root / "config.py").write_text(code)
    task = Forecasting.of(experiment, read_prepared(root / "data"))
    place = Place(root, task, experiment)
    train(place, place.whole)
    return place


def train(place: Place, workdir: Path, task: Any = None, **changes: Any) -> int:
    """The run in this process, without a word."""
    experiment = place.experiment
    if changes:
        experiment = experiment.changed(changes)
    return loop.train(task or place.task, experiment, workdir, quiet=True)


def ending(workdir: Path) -> tuple[int, str, list[dict[str, Any]]]:
    """Last step, sha256 of the state, and the log without clocks: equal where two runs ended equal."""
    folder = Workdir(workdir)
    experiment, space = folder.read_experiment(), folder.read_space()
    restored = Checkpoints(folder.last).restore(abstract_state(make(experiment, space), make_optimizer(experiment)))
    assert restored is not None
    digest = hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(restored[1])))
    rows = [{k: v for k, v in row.items() if k not in VARY} for row in read_metrics(folder.metrics)]
    return restored[0], digest.hexdigest(), rows


def predicted(workdir: Path) -> tuple[int, str]:
    """The step that readers use, and a hash of what it predicts with."""
    predictor = load_predictor(workdir)
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(predictor.params)]
    return predictor.step, hashlib.sha256(b"".join([*leaves, predictor.space.to_json().encode()])).hexdigest()


@contextmanager
def heard() -> Iterator[list[str]]:
    """What is logged inside of the block, which so is not printed."""
    said: list[str] = []

    class Handler(python_logging.Handler):
        def emit(self, record: python_logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.get_absl_logger(), Handler()
    before, propagate = list(logger.handlers), logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        yield said
    finally:
        logger.handlers, logger.propagate = before, propagate


def serve(place: Place) -> Server:
    """Starts trainings as `motion-jax train` does: `server.start(*place.flags(workdir))`."""
    return Server(place.root / "log", {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(Path(__file__).parents[2])})
