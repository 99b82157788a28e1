"""Numbers that motion can have: statistics and training would take any other without a word."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from motion_jax.data.temp_frame_file import release_pages
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import LARGEST_MM
from motion_jax.types import Clip

LARGEST = LARGEST_MM  # of a bone, and of any number of a frame: no angle and no length in mm is meant so


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
        UserError: they are no real numbers, or masked ones; or it names the first such number with its frame and
            column, both counted from 0.
    """
    _check_type(frames, name)
    if (index := _first_bad(frames)) is not None:
        row, column = index
        raise UserError(f"{name}: frame {row}, column {column} is {frames[index]:g}: must be within ±{LARGEST:.0f}")


def as_array(value: object, name: str, wanted: str) -> np.ndarray:
    """What a caller gave as an array, before its shape is looked at.

    Args:
        value: an array of NumPy or JAX, or nested lists.
        name: what it is called in messages.
        wanted: the shape that it must have, for the message.

    Raises:
        UserError: rows differ in length, or values of it are masked out.
    """
    for part in (value, *(value if isinstance(value, list | tuple) else ())):
        _check_unmasked(part, name)  # `asarray` would take what lies below the mask
    try:
        return np.asarray(value)
    except ValueError:
        raise UserError(f"{name} is no array, its rows differ in length: must be {wanted}") from None


def real_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """`array`, of any shape, as float32.

    Raises:
        UserError: it holds no real numbers, or masked ones; or it names the first that is not finite or too large, by
            its index.
    """
    _check_unmasked(array, name)
    if array.dtype.kind not in "fiu":
        raise UserError(f"{name} is of type {array.dtype}: must be real numbers")
    if (index := _first_bad(array)) is not None:
        raise UserError(f"{name}{list(index)} is {array[index]}: every value must be finite, within ±{LARGEST:.0f}")
    return np.asarray(array).astype(np.float32, copy=False)


def _first_bad(array: np.ndarray) -> tuple[int, ...] | None:
    """The index of the first number that is NaN or beyond ±`LARGEST`; None where there is none, in one reading.

    Only Python's numbers and float64 are compared with: float16 has no 2^24, and whole numbers have no magnitude of
    their least.
    """
    if not array.size or (array.min().item() >= -LARGEST and array.max().item() <= LARGEST):  # false for NaN
        return None
    bound = np.float64(LARGEST)
    bad = ~((array >= -bound) & (array <= bound))
    return tuple(int(i) for i in np.unravel_index(int(bad.argmax()), array.shape))


def _check_unmasked(value: object, name: str) -> None:
    if np.ma.is_masked(value):
        raise UserError(f"{name} is a masked array with masked values: must be an array in which every value counts")


def _check_type(frames: np.ndarray, name: str) -> None:
    _check_unmasked(frames, name)
    if frames.dtype.kind not in "fiu":
        raise UserError(f"{name}: frames are of dtype {frames.dtype}: must be real numbers, such as float32")


def _name(clip: Clip) -> str:
    return f"clip {clip.name} ({clip.source})"
