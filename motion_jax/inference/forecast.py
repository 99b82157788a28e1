"""Forecast: a prediction with the radii within which the joints will be, at the levels that were calibrated."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from motion_jax.evaluation.conformal import Radii


@dataclasses.dataclass(frozen=True, eq=False)
class Forecast:
    """What comes next, and how far to trust it. `[B, ...]` leads where a batch was asked for, as for `Predictor`.

    Radii follow what was observed where the run's calibration has a scale (docs/uncertainty.md); else they are the same
    of every window, and none has a batch in front.
    """

    mean: np.ndarray  # [..., T, D] raw frames, in the layout of the training data
    positions: np.ndarray  # [..., T, J, 3] mm: where the joints are, the root at its rest
    radii: Radii  # the run's; with a scale, those of a usual window
    measure: np.ndarray | None = None  # [..., T, J] mm, what the scale measured; None without

    @functools.cached_property
    def _sizes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.radii.sized(self.measure)

    @property
    def levels(self) -> tuple[float, ...]:
        """`[L]`, the shares of joints that the radii promise to hold."""
        return self.radii.levels

    @property
    def radius(self) -> np.ndarray:
        """`[..., L, T, J]` mm, of each joint at each frame by itself."""
        return self._sizes[0]

    @property
    def band_radius(self) -> np.ndarray:
        """`[..., L, T, J]` mm, of each joint at all T frames at once."""
        return self._sizes[1]

    @property
    def pose_radius(self) -> np.ndarray:
        """`[..., L, T]` mm, of the mean distance over joints."""
        return self._sizes[2]

    @property
    def joints(self) -> tuple[str, ...]:
        """`[J]` names."""
        return self.radii.joints

    @property
    def milliseconds(self) -> np.ndarray:
        """`[T]` since the last observed frame."""
        return 1000 * np.arange(1, self.mean.shape[-2] + 1) / self.radii.fps

    def at(self, level: float) -> np.ndarray:
        """`radius` of one level, `[..., T, J]` mm. Raises `UserError` where it was not calibrated."""
        return self.radius[..., self.radii.index(level), :, :]

    def __repr__(self) -> str:
        levels = ", ".join(f"{level:.0%}" for level in self.levels)
        return f"Forecast({list(self.mean.shape)}, {len(self.joints)} joints, radii at {levels})"
