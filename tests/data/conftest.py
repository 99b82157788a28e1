"""Small trees written as the published ones are, motions small enough to check by hand, real samples where at hand."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from motion_jax.data.datasets import LAYOUTS
from motion_jax.data.expmap import write_expmap
from motion_jax.data.formats import Motion
from motion_jax.data.formats._parsing.body_parts import guess_body_parts
from motion_jax.data.layouts import Layout
from motion_jax.skeletons.skeleton import Skeleton

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


ARM = """HIERARCHY
ROOT Hips
{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftArm
  {
    OFFSET 0 10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 5 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 0 0 0 0 0 0 0 0
7 8 9 90 0 0 0 0 90
"""


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Writes text or bytes to a file of a name."""

    def write(content: str | bytes, name: str = "f.bvh") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def arm() -> str:
    """A BVH file of three joints and two frames."""
    return ARM


@pytest.fixture
def make() -> Callable[..., Motion]:
    """A random motion of a body of given parents; places move where asked."""

    def build(parents: tuple[int, ...] = (-1, 0, 1, 0), frames: int = 5, places: bool = False, seed: int = 0) -> Motion:
        draw = np.random.default_rng(seed)
        joints = tuple(f"J{j}" for j in range(len(parents)))
        offsets = np.where(np.array(parents)[:, None] < 0, 0, draw.normal(size=(len(parents), 3)) * 100)
        body = Skeleton("made", joints, parents, guess_body_parts(joints, parents), offsets, translation_mm=10.0)
        return Motion(
            skeleton=body,
            frames=draw.normal(size=(frames, body.columns)),
            fps=25.0,
            source="made",
            places=draw.normal(size=(frames, len(parents), 3)) if places else None,
        )

    return build


@pytest.fixture(scope="session")
def samples(shared_data: Path) -> Path:
    """The folder of real files: `bvh/`, `asf_amc/`, `c3d/`."""
    return shared_data / "formats"
