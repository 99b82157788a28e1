"""Walking: joint angles over one gait cycle, and the pose of a walker at any phase."""

from __future__ import annotations

import numpy as np

from motion_jax.data.synthetic.body import JOINTS, SIDES, index
from motion_jax.data.synthetic.signals import minimum_jerk

# Degrees at every tenth of the cycle of one leg, from its heel strike on, against upright standing. The course of the
# sagittal angles is that of level walking at a comfortable speed (after Winter, Biomechanics and Motor Control of Human
# Movement, and Perry and Burnfield, Gait Analysis), with the thigh against the vertical; it is fitted to this skeleton,
# whose ankle has no heel below it, so that the leading foot lands where the ground is.
_LEG: dict[tuple[str, int], tuple[float, ...]] = {
    ("UpLeg", 0): (21, 18, 11, 1, -8, -13, -12, 4, 19, 24),
    ("Leg", 0): (4, 11, 14, 11, 6, 11, 35, 62, 57, 22),
    ("Foot", 0): (0, -4, 4, 10, 13, 12, 0, -8, 6, 3),
    ("ToeBase", 0): (8, 1, 0, 0, 2, 13, 38, 20, 3, 6),
}

# Cosines over the cycle: joint, angle -> (amplitude in degrees, harmonic, phase of its peak as a share of the cycle).
# Those of limbs count from their own leg's heel strike, those of the trunk from the right one's: arms swing against
# the legs, the trunk turns against the pelvis and the head looks ahead, the pelvis drops on the swinging side.
_LIMB_WAVES: dict[tuple[str, int], tuple[float, int, float]] = {
    ("UpLeg", 1): (4.3, 1, 0.75),
    ("UpLeg", 2): (4.0, 1, 0.5),
    ("Arm", 0): (19.0, 1, 0.5),
    ("Arm", 2): (5.0, 1, 0.5),
    ("ForeArm", 0): (9.0, 1, 0.55),
    ("Shoulder", 2): (2.5, 1, 0.5),
    ("Hand", 1): (3.0, 1, 0.6),
}
_TRUNK_WAVES: dict[tuple[str, int], tuple[float, int, float]] = {
    ("Hips", 0): (1.0, 2, 0.1),
    ("Hips", 1): (3.0, 1, 0.75),
    ("Hips", 2): (4.0, 1, 0.0),
    ("Spine", 0): (1.2, 2, 0.1),
    ("Spine", 1): (2.6, 1, 0.25),
    ("Spine", 2): (4.5, 1, 0.5),
    ("Spine1", 1): (1.6, 1, 0.25),
    ("Spine1", 2): (4.5, 1, 0.5),
    ("Neck", 0): (0.8, 2, 0.6),
    ("Neck", 2): (3.0, 1, 0.0),
    ("Head", 0): (0.8, 2, 0.6),
    ("Head", 2): (2.0, 1, 0.0),
}
_MID_SWING, _SWING = 0.81, 0.19  # when a foot is off the ground, as shares of its own cycle
_HIGHEST = 4  # harmonic of a leg's curve; ten points a cycle know no higher one


def gait_pose(phase: np.ndarray) -> np.ndarray:
    """What walking adds to upright standing.

    Args:
        phase: `[F]` rad; the right heel strikes at multiples of 2 pi, the left one half a cycle later.

    Returns:
        `[F, J, 3]` anatomical angles, rad.
    """
    pose = np.zeros((len(phase), JOINTS, 3))
    for side, own in _own_phases(phase).items():
        for (joint, axis), points in _LEG.items():
            pose[:, index(side + joint), axis] = _through(points, own)
        for (joint, axis), (amplitude, harmonic, peak) in _LIMB_WAVES.items():
            pose[:, index(side + joint), axis] = amplitude * np.cos(harmonic * (own - 2 * np.pi * peak))
    for (joint, axis), (amplitude, harmonic, peak) in _TRUNK_WAVES.items():
        pose[:, index(joint), axis] = amplitude * np.cos(harmonic * (phase - 2 * np.pi * peak))
    return np.radians(pose)


def swing(phase: np.ndarray) -> np.ndarray:
    """How surely each foot is off the ground, `[F, 2]` in 0 ... 1, in the order of `SIDES`."""
    nearness = np.stack([np.cos(own - 2 * np.pi * _MID_SWING) for own in _own_phases(phase).values()], axis=1)
    edge = np.cos(2 * np.pi * _SWING)
    return minimum_jerk((nearness - edge) / 0.2 + 0.2)  # the foot lands and leaves within a twentieth of the cycle


def _own_phases(phase: np.ndarray) -> dict[str, np.ndarray]:
    """Each side's phase, 0 at its own heel strike."""
    return {side: phase if side == "Right" else phase + np.pi for side in SIDES}


def _through(points: tuple[float, ...], phase: np.ndarray) -> np.ndarray:
    """The smooth periodic curve nearest to points at equal distances over a cycle, at the phases `[F]`."""
    coefficients = np.fft.rfft(points) / len(points)
    curve = np.full(len(phase), coefficients[0].real)
    for harmonic in range(1, _HIGHEST + 1):
        size, lag = np.abs(coefficients[harmonic]), np.angle(coefficients[harmonic])
        curve += 2 * size * np.cos(harmonic * phase + lag)
    return curve
