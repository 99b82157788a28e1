"""Scale: what is known of a window's error before it is made, by which its radii are larger or smaller than usual.

Normalised split conformal prediction (Papadopoulos 2008; Lei 2018): the score is error / scale, the radius quantile x
scale. The scale may be any function of what was observed; the better it ranks the errors, the smaller radii are on
average at the same coverage. Here it is something measured (`measure`, mm) above a floor:

    factor = (measure / mean + floor) / (1 + floor)

with the mean of the measure over the calibration's windows, at each horizon and joint: 1 in a usual window, so that
radii are told as those of one. Without the floor a joint that stands still would have a radius of 0, though it may
begin to move: how much of the error comes so, motion does not tell.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from motion_jax.errors import UserError

SCALES = ("constant", "speed", "members")
"""What radii follow. "constant": nothing, they are the same in every window. "speed": how far the joint has been from
its last place, a mean over the observed frames. "members": how far the places that a model's members predict lie from
their mean (root mean square), at each frame."""
FLOORS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # in means; the last is next to constant


@dataclasses.dataclass(frozen=True, eq=False)
class Scale:
    """A scale as it was calibrated."""

    name: str  # one of SCALES but "constant"
    mean: np.ndarray  # [T, J] mm, of the measure over the windows of the calibration; 0 where a joint never moves
    floor: np.ndarray  # [T] in these means

    def factor(self, measure: np.ndarray) -> np.ndarray:
        """`[..., T, J]` mm to the same of factors, at least floor / (1 + floor); 1 for a joint that never moves.

        T may be shorter than the calibration's. Raises `UserError` for another number of joints or more frames.
        """
        mean, floor = self._fitting(measure)
        share = np.divide(measure, mean, out=np.ones(measure.shape), where=np.broadcast_to(mean > 0, measure.shape))
        return (share + floor[:, None]) / (1 + floor[:, None])

    def pose_factor(self, measure: np.ndarray) -> np.ndarray:
        """`[..., T, J]` mm to `[..., T]`: the same of the means over joints."""
        mean, floor = self._fitting(measure)
        whole, measured = mean.mean(-1), np.asarray(measure, np.float64).mean(-1)
        share = np.divide(
            measured, whole, out=np.ones(measured.shape), where=np.broadcast_to(whole > 0, measured.shape)
        )
        return (share + floor) / (1 + floor)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON."""
        return {"name": self.name, "mean": np.round(self.mean, 5).tolist(), "floor": self.floor.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scale:
        """Reads `to_dict`'s values. Raises `ValueError`, `KeyError` or `TypeError` for others."""
        mean, floor = np.asarray(values["mean"], np.float64), np.asarray(values["floor"], np.float64)
        if values["name"] not in SCALES[1:] or mean.ndim != 2 or floor.shape != mean.shape[:1]:
            raise ValueError(f"scale {values['name']!r} of shapes {mean.shape}, {floor.shape}")
        if not (mean >= 0).all() or not (floor > 0).all():
            raise ValueError("a scale's mean or floor is negative")
        return cls(values["name"], mean, floor)

    def _fitting(self, measure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        length, joints = measure.shape[-2:]
        if length > len(self.floor) or joints != self.mean.shape[1]:
            raise UserError(f"scale: measure {measure.shape} does not fit {self.mean.shape}, [T, J]")
        return self.mean[:length], self.floor[:length]


def rounded(scale: Scale) -> Scale:
    """As it is read back, so that what is calibrated with it is what will be used."""
    return Scale.from_dict(scale.to_dict())
