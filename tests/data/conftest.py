"""Small trees, written as the published ones are."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.expmap import write_expmap
from motion_jax.data.layouts import LAYOUTS, Layout

Grow = Callable[..., Path]

FRAMES = 340  # at stride 2: 170, enough for every published window
STEP = 0.01


@pytest.fixture
def grow(tmp_path: Path, seeds: Grow) -> Grow:
    """Writes the files of some actions of a layout, all different; returns the root."""

    def copy(layout: Layout, actions: tuple[str, ...], frames: int = FRAMES, root: str = "tree") -> Path:
        return shutil.copytree(seeds(layout, actions, frames), tmp_path / root)

    return copy


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Grow:
    """Every tree is written once."""

    @functools.cache
    def write(layout_name: str, actions: tuple[str, ...], frames: int) -> Path:
        root, layout = tmp_path_factory.mktemp("seed"), LAYOUTS[layout_name]
        for number, trial in enumerate(layout.trials(actions)):
            (root / trial.path).parent.mkdir(parents=True, exist_ok=True)
            write_expmap(root / trial.path, motion(frames, layout.columns, number))
        return root

    return lambda layout, actions, frames: write(layout.name, actions, frames)


def motion(frames: int, columns: int, seed: int) -> np.ndarray:
    """A slow random walk `[frames, columns]` in short decimals."""
    steps = np.random.default_rng(seed).integers(-1, 2, (frames, columns))
    return (np.cumsum(steps, axis=0) * STEP).astype(np.float32)
