"""The synthetic set in the form of Human3.6M (see `data.synthetic`): everything runs on it before anyone has data."""

from __future__ import annotations

from pathlib import Path

from motion_jax.data.datasets import h36m
from motion_jax.data.datasets.spec import DatasetSpec, Generated
from motion_jax.types import Dataset

_PACKAGE = Path(__file__).parents[2]


def _make(seed: int) -> Dataset:
    from motion_jax.data import synthetic  # nothing of it is loaded without need

    return synthetic.make_synthetic(seed)


SPEC = DatasetSpec(
    name="synthetic",
    title="Synthetic motion",
    files=Generated(
        make=_make,
        code=(
            *sorted((_PACKAGE / "data" / "synthetic").glob("*.py")),
            *sorted((_PACKAGE / "skeletons").glob("*.py")),  # the body that moves
        ),
    ),
    split="as Human3.6M's: subject S5 is the test",
    drawing=h36m.SPEC.drawing,
    validation=h36m.SPEC.validation,
    source="made by this package; these are no recordings",
    terms="none",
)
