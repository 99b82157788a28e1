"""Numbers that motion can have: statistics and training would take any other without a word."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from motion_jax.data.temp_frame_file import release_pages
from motion_jax.errors import UserError
from motion_jax.types import Clip

LARGEST = 2.0**24  # beyond it float32 has no halves: no angle and no length in mm is meant so


def check_clips(clips: Iterable[Clip]) -> None:
    """`check_values` of every clip, in the memory of one."""
    for clip in clips:
        check_values(clip.frames, _name(clip))
        release_pages(clip.frames)


def check_types(clips: Iterable[Clip]) -> None:
    """Raises `UserError` where a clip's frames are no real numbers; looks at none of them."""
    for clip in clips:
        _check_type(clip.frames, _name(clip))


def check_values(frames: np.ndarray, name: str) -> None:
    """Refuses what is not finite, or too large to be motion.

    Args:
        frames: `[F, D]` raw, at most read once.
        name: whose they are, for the message.

    Raises:
        UserError: they are no real numbers; or it names the first such number with its frame and column, both
            counted from 0.
    """
    _check_type(frames, name)
    low, high = (frames.min(), frames.max()) if frames.size else (0.0, 0.0)
    if low >= -LARGEST and high <= LARGEST:  # false for NaN, which min and max hand on
        return
    row, column = np.argwhere(~(np.abs(frames) <= LARGEST))[0]
    raise UserError(f"{name}: frame {row}, column {column} is {frames[row, column]:g}: must be within ±{LARGEST:.0f}")


def real_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """`array`, of any shape, as float32.

    Raises:
        UserError: it holds no real numbers; or it names the first that is not finite or too large, by its index.
    """
    if array.dtype.kind not in "fiu":
        raise UserError(f"{name} is of type {array.dtype}: must be real numbers")
    low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
    if low >= -LARGEST and high <= LARGEST:  # false for NaN, which min and max hand on
        return array.astype(np.float32, copy=False)
    index = tuple(int(i) for i in np.argwhere(~(np.abs(array) <= LARGEST))[0])
    raise UserError(f"{name}{list(index)} is {array[index]}: every value must be finite, within ±{LARGEST:.0f}")


def _check_type(frames: np.ndarray, name: str) -> None:
    if frames.dtype.kind not in "fiu":
        raise UserError(f"{name}: frames are of dtype {frames.dtype}: must be real numbers, such as float32")


def _name(clip: Clip) -> str:
    return f"clip {clip.name} ({clip.source})"
