"""A run small enough to be repeated in every test: two made-up actions, a network of eight units."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.config import ComputeConfig, DataConfig, EvalConfig, Experiment, OptimConfig, TrainConfig, model_config
from motion_jax.data.normalize import pose_space
from motion_jax.data.prepared import write_dataset
from motion_jax.data.splits import split_clips
from motion_jax.models import make
from motion_jax.skeletons.bodies import H36M
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import abstract_state
from motion_jax.train.workdir import Workdir
from motion_jax.types import Clip, Dataset

ACTIONS = ("walking", "eating")
ROOT = Path(__file__).absolute().parents[2]
Configure = Callable[..., Experiment]


def _frames(seed: int) -> np.ndarray:
    """`[400, 99]`: slow sines of random phase; the root stands still, so its columns are dropped."""
    rng = np.random.default_rng(seed)
    phase, tempo = rng.uniform(0, 2 * np.pi, 99), rng.uniform(0.01, 0.05, 99)
    frames = 0.3 * np.sin(np.arange(400)[:, None] * tempo + phase)
    frames[:, :6] = 0
    return frames.astype(np.float32)


@pytest.fixture(scope="session")
def compiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module", autouse=True)
def compiled(compiled_folder: Path) -> Iterator[dict[str, str]]:
    """Programs are compiled once for all tests here, and quickly; the environment hands them to commands as well."""
    values: dict[str, Any] = {
        "jax_disable_most_optimizations": True,
        "jax_compilation_cache_dir": str(compiled_folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: jax.config.values[name] for name in values}
    for name, value in values.items():
        jax.config.update(name, value)
    yield {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)} | {n.upper(): str(v) for n, v in values.items()}
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """S1 and S6 train, S11 validates, S5 tests; two trials of each action, as in Human3.6M."""
    cases = [(s, a, t) for s in ("S1", "S5", "S6", "S11") for a in ACTIONS for t in (1, 2)]
    clips = tuple(
        Clip(
            _frames(seed), subject, action, trial, "test" if subject == "S5" else "train", f"{subject}/{action}_{trial}"
        )
        for seed, (subject, action, trial) in enumerate(cases)
    )
    return Dataset("h36m", clips, ACTIONS, skeleton=H36M, fps=50.0, key="made-up")


@pytest.fixture(scope="session")
def data_root(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`dataset` as a folder that commands open."""
    root = tmp_path_factory.mktemp("data") / "h36m"
    write_dataset(dataset, root, {}, ())
    return root


@pytest.fixture(scope="session")
def configure(data_root: Path) -> Configure:
    """`configure(**fields of train)`, also `data=`, `model=`, `optim=`: dicts of theirs."""

    def build(
        data: Mapping[str, Any] = MappingProxyType({}),
        model: Mapping[str, Any] = MappingProxyType({}),
        optim: Mapping[str, Any] = MappingProxyType({}),
        micro_batch: int = 0,
        **train: Any,
    ) -> Experiment:
        every = {"log_every": 4, "report_every": 10, "checkpoint_every": 5}
        return Experiment(
            data=DataConfig(**{"name": "h36m", "root": str(data_root), "source_length": 8, "target_length": 4, **data}),
            model=model_config(**{"hidden": 8, **({} if "name" in model else {"attention": "none"}), **model}),
            compute=ComputeConfig(micro_batch=micro_batch),
            optim=OptimConfig(**{"name": "adam", "learning_rate": 0.003, **optim}),
            train=TrainConfig(**{"steps": 20, "batch": 8, "steps_per_dispatch": 5, **every, **train}),
            eval=EvalConfig(protocols="srnn", frames="2,4"),
        )

    return build


@pytest.fixture(scope="session")
def restore(dataset: Dataset) -> Callable[[Path], tuple[int, Any]]:
    """`restore(workdir)`: the newest state there, as `(step, state)`, read without the Predictor."""

    def read(workdir: Path) -> tuple[int, Any]:
        folder = Workdir(workdir)
        experiment = folder.read_experiment()
        space = pose_space(dataset, split_clips(dataset, experiment.data).train, experiment.data)
        model, ema = make(experiment, space), experiment.train.ema > 0
        restored = Checkpoints(folder.last).restore(abstract_state(model, make_optimizer(experiment), ema))
        assert restored is not None
        return restored

    return read


@pytest.fixture(scope="session")
def digest(restore: Callable[[Path], tuple[int, Any]]) -> Callable[[Path], tuple[int, str]]:
    """`digest(workdir)`: the newest step and a sha256 over every byte of its state."""

    def read(workdir: Path) -> tuple[int, str]:
        step, state = restore(workdir)
        leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]
        return step, hashlib.sha256(b"".join(leaves)).hexdigest()

    return read


@pytest.fixture(scope="session")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Experiment], Path]:
    """Writes an experiment as a config file for commands."""

    def write(experiment: Experiment) -> Path:
        path = tmp_path_factory.mktemp("config") / "config.py"
        values = dataclasses.asdict(experiment)
        path.write_text(f"from ml_collections import ConfigDict\ndef get_config(): return ConfigDict({values!r})\n")
        return path

    return write
