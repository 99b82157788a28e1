"""Metrics of walks: the root's path, the feet on the floor, and the seam between what was observed and what follows.

Each takes `Walks` and returns `[W, T]` float64. Lengths are on the scale of published errors, as `mpjpe_mm`'s;
thresholds are real lengths. No thresholds of contact are standard in the field; those here are ours.
"""

from __future__ import annotations

import numpy as np

from motion_jax.data.motion.root_heading import headings_of
from motion_jax.data.motion.rotations_np import quaternion_conjugate, quaternion_from_rotvec, quaternion_multiply
from motion_jax.evaluation.walks import UP, Walks, knows_up

PLANTED_SPEED = 400.0  # mm/s, slower than which a foot stands: walking, CMU's do in 0.42 of frames, running in 0.18
PLANTED_HEIGHT = 50.0  # mm above the floor, below which it does, where up is known
SKATE_HEIGHT = 25.0  # mm above the floor, below which a moving foot skates (Zhang et al. 2018)


def root_position(walks: Walks) -> np.ndarray:
    """The distance of the root's place from the true one, mm."""
    moves = walks.prediction[..., :3] - walks.truth[..., :3]
    return np.linalg.norm(moves, axis=-1)[:, walks.observed :] * walks.skeleton.translation_mm


def root_rotation(walks: Walks) -> np.ndarray:
    """The angle between the root's rotation and the true one, degrees."""
    predicted, true = (quaternion_from_rotvec(frames[..., 3:6]) for frames in (walks.prediction, walks.truth))
    apart = quaternion_multiply(predicted, quaternion_conjugate(true))[:, walks.observed :]
    return np.rad2deg(2 * np.arctan2(np.linalg.norm(apart[..., 1:], axis=-1), np.abs(apart[..., 0])))


def heading(walks: Walks) -> np.ndarray:
    """The angle between the heading and the true one, degrees."""
    predicted, true = (np.stack([headings_of(frames) for frames in side]) for side in (walks.prediction, walks.truth))
    apart = (predicted - true)[:, walks.observed :] / (2 * np.pi)
    return 360 * np.abs(apart - np.round(apart))


def foot_sliding(walks: Walks) -> np.ndarray:
    """How far the feet move in a frame, level, while the true ones are planted, mm; nan where none is."""
    planted = _planted(walks, walks.true_places.feet)
    moves = _level(walks, _steps(walks.predicted_places.feet, walks.observed))
    count = planted.sum(axis=-1)
    total = np.where(planted, moves, 0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def foot_skate(walks: Walks) -> np.ndarray:
    """How far the feet move in a frame, level, near the floor of their own motion, mm.

    A step v at the height h counts v (2 - 2^(h / H)), H = 25 mm, and nothing above H (Zhang et al., "Mode-adaptive
    neural networks for quadruped motion control", 2018). The floor is where the lowest foot of the walk is.
    """
    feet = walks.predicted_places.feet
    height = (feet[..., UP] - feet[..., UP].min(axis=(1, 2), keepdims=True))[:, walks.observed :]
    share = np.clip(height * walks.skeleton.true_scale / SKATE_HEIGHT, 0, 1)
    return (_level(walks, _steps(feet, walks.observed)) * (2 - 2**share)).mean(axis=-1)


def foot_contact(walks: Walks) -> np.ndarray:
    """The share of feet that are planted where the true ones are, and are not where those are not, percent."""
    alike = _planted(walks, walks.predicted_places.feet) == _planted(walks, walks.true_places.feet)
    return 100 * alike.mean(axis=-1)


def jerk(walks: Walks) -> np.ndarray:
    """The third difference of the joints' places that ends at each frame, mean over joints, mm a frame cubed.

    At the first three predicted frames it spans the seam.
    """
    places = walks.predicted_places.joints
    lengths = np.linalg.norm(np.diff(places, n=3, axis=1), axis=-1).mean(axis=-1)
    lacking = walks.prediction.shape[1] - walks.observed - lengths.shape[1]
    return np.pad(lengths, ((0, 0), (max(lacking, 0), 0)), constant_values=np.nan)


def _steps(feet: np.ndarray, observed: int) -> np.ndarray:
    """`[W, T, L, 3]` mm since the frame before, of the predicted frames."""
    return np.diff(feet, axis=1)[:, observed - 1 :]


def _level(walks: Walks, steps: np.ndarray) -> np.ndarray:
    """`[W, T, L]` mm along the floor; as far as it goes in any direction where up is not known."""
    return np.linalg.norm(np.delete(steps, UP, axis=-1) if knows_up(walks.skeleton) else steps, axis=-1)


def _planted(walks: Walks, feet: np.ndarray) -> np.ndarray:
    """`[W, T, L]` whether feet `[W, S + T, L, 3]` stand at each predicted frame.

    Slower than `PLANTED_SPEED` since the frame before; where up is known, also less than `PLANTED_HEIGHT` above the
    lowest place of a foot in the true window.
    """
    real = walks.skeleton.true_scale
    speed = np.linalg.norm(_steps(feet, walks.observed), axis=-1) * walks.fps
    planted = speed * real < PLANTED_SPEED
    if knows_up(walks.skeleton):
        floor = walks.true_places.feet[..., UP].min(axis=(1, 2))[:, None, None]
        planted &= (feet[:, walks.observed :, :, UP] - floor) * real < PLANTED_HEIGHT
    return planted
