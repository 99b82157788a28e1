"""Raw frames in a file of the user's, in the form that its suffix names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from motion_jax.data.expmap import read_expmap, write_expmap
from motion_jax.data.finite import check_values
from motion_jax.data.formats._parsing.arrays import read_array, read_arrays
from motion_jax.errors import UserError
from motion_jax.runtime.files import written_atomically

SUFFIXES = (".txt", ".npy", ".npz")  # exponential maps as text; numpy; numpy with an array named "frames"


def check_suffix(path: Path) -> None:
    """Raises `UserError` for a file of unknown form."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: suffix {path.suffix!r} is unknown: it must be one of {', '.join(SUFFIXES)}")


def read_frames(path: Path, columns: int) -> np.ndarray:
    """The frames of one file, `[F, D]` float32, as they lie there; D is `columns`.

    Raises:
        UserError: the suffix is unknown, the file cannot be read, or it does not hold `[F, D]` numbers of a motion.
    """
    check_suffix(path)
    if path.suffix == ".txt":
        frames = read_expmap(path, columns)
        check_values(frames, str(path))
        return frames
    frames = _load(path)
    if frames.ndim != 2 or frames.shape[1] != columns or frames.dtype.kind not in "fiu":
        raise UserError(f"{path}: holds {frames.dtype} {list(frames.shape)}: it must hold real numbers [F, {columns}]")
    check_values(frames, str(path))
    return frames.astype(np.float32)


def write_frames(path: Path, frames: np.ndarray) -> None:
    """Writes frames `[F, D]` such that `read_frames` returns the same float32 values. Raises `UserError`."""
    check_suffix(path)
    if path.suffix == ".txt":
        write_expmap(path, frames)
        return
    with written_atomically(path) as draft, draft.open("wb") as file:
        if path.suffix == ".npy":
            np.save(file, frames.astype(np.float32))
        else:
            np.savez(file, frames=frames.astype(np.float32))


def _load(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return read_array(path)
    arrays = read_arrays(path)
    if "frames" not in arrays:
        raise UserError(f"{path}: holds no array 'frames'")
    return arrays["frames"]
