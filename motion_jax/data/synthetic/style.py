"""A performer: what is the same in everything one person does."""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.data.synthetic.body import JOINTS, SIDES, index


@dataclasses.dataclass(frozen=True)
class Style:
    """One person's habits; every subject's are drawn from the same distribution."""

    cadence_hz: float  # gait cycles a second
    tempo: float  # of gestures; 1 is the action's own
    posture: np.ndarray  # [J, 3] rad, how this person differs from the named postures
    amplitude: np.ndarray  # [J, 3] of walking, 1 on average
    sway: float  # 1 on average


def draw_style(rng: np.random.Generator) -> Style:
    """Draws a person. The stride time is about 1.18 s, the range of healthy adults about 1.05 to 1.3 s."""
    stride_s = np.clip(rng.normal(1.18, 0.06), 1.05, 1.32)
    posture = np.radians(rng.normal(0, 1.5, (JOINTS, 3)))
    posture[index("Hips")] *= 0.5
    for side in SIDES:
        posture[index(f"{side}Arm")] *= 3  # arms differ more between people than legs and trunk do
    amplitude = rng.lognormal(0, 0.07) * rng.lognormal(0, 0.03, (JOINTS, 3))
    for side in SIDES:
        amplitude[index(f"{side}Arm")] *= rng.lognormal(0, 0.2)
    return Style(1 / stride_s, rng.lognormal(0, 0.12), posture, amplitude, rng.lognormal(0, 0.2))
