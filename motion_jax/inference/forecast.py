"""Forecast: a prediction with the radii within which the joints will be, at the levels that were calibrated."""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.evaluation.conformal import Radii


@dataclasses.dataclass(frozen=True, eq=False)
class Forecast:
    """What comes next, and how far to trust it. `[B, ...]` leads where a batch was asked for, as for `Predictor`.

    Radii do not depend on what was observed: they are those of the run's calibration (docs/uncertainty.md).
    """

    mean: np.ndarray  # [..., T, D] raw frames, in the layout of the training data
    positions: np.ndarray  # [..., T, J, 3] mm: where the joints are, the root at its rest
    radii: Radii

    @property
    def levels(self) -> tuple[float, ...]:
        """`[L]`, the shares of joints that the radii promise to hold."""
        return self.radii.levels

    @property
    def radius(self) -> np.ndarray:
        """`[L, T, J]` mm, of each joint at each frame by itself."""
        return self.radii.radius

    @property
    def band_radius(self) -> np.ndarray:
        """`[L, T, J]` mm, of each joint at all T frames at once."""
        return self.radii.band_radius

    @property
    def pose_radius(self) -> np.ndarray:
        """`[L, T]` mm, of the mean distance over joints."""
        return self.radii.pose_radius

    @property
    def joints(self) -> tuple[str, ...]:
        """`[J]` names."""
        return self.radii.joints

    @property
    def milliseconds(self) -> np.ndarray:
        """`[T]` since the last observed frame."""
        return 1000 * np.arange(1, self.mean.shape[-2] + 1) / self.radii.fps

    def at(self, level: float) -> np.ndarray:
        """`radius` of one level, `[T, J]` mm. Raises `UserError` where it was not calibrated."""
        return self.radius[self.radii.index(level)]

    def __repr__(self) -> str:
        levels = ", ".join(f"{level:.0%}" for level in self.levels)
        return f"Forecast({list(self.mean.shape)}, {len(self.joints)} joints, radii at {levels})"
