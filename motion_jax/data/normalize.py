"""Statistics of the training clips, and the pose space that they make."""

from __future__ import annotations

import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.finite import check_clips
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Clip, Dataset

CONSTANT = 1e-4  # standard deviation below which a column is dropped (Martinez 2017)


def pose_space(dataset: Dataset, clips: tuple[Clip, ...], config: DataConfig) -> PoseSpace:
    """Mean and population standard deviation over the rows of `clips`, in float64.

    `config.statistics`: "martinez" reads every row at the full frame rate (Martinez 2017), "learn_traj_dep" only the
    rows that down-sampling keeps (Mao 2019). Columns with a deviation below 1e-4 are dropped.

    Raises:
        UserError: no column moves, or a number is not finite or too large to be motion (the first is named).
    """
    check_clips(clips)
    stride = config.stride if config.statistics == "learn_traj_dep" else 1
    mean, std = _moments([clip.frames[::stride] for clip in clips])
    kept = np.flatnonzero(std >= CONSTANT)
    if not len(kept):
        raise UserError(f"data set {dataset.name!r}: no column moves in its {len(clips)} training clips")
    dropped = np.setdiff1d(np.arange(len(std)), kept)
    std[dropped] = 1
    return PoseSpace(
        mean=mean,
        std=std,
        kept=tuple(int(column) for column in kept),
        actions=dataset.actions if config.one_hot else (),
        skeleton=dataset.skeleton,
        fps=dataset.fps / config.stride,
    )


def _moments(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two passes, clip by clip: no float64 copy of the whole set, and no cancellation."""
    count = sum(len(part) for part in parts)
    mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / count
    variance = sum(((part - mean) ** 2).sum(axis=0) for part in parts) / count
    return np.asarray(mean), np.sqrt(variance)
