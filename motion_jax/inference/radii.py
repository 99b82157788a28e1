"""Radii of a run: what its calibration left in its folder."""

from __future__ import annotations

from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii
from motion_jax.runtime.files import read_file
from motion_jax.train.workdir import Workdir

_HOW = "motion-jax calibrate --workdir={} makes them, from the recordings that were held out (data.validation)"


def read_radii(folder: Workdir, weights: str) -> Radii:
    """The radii in a run's folder.

    Raises:
        UserError: there are none, they are damaged, or those of other parameters; the message says how to make them.
    """
    how = _HOW.format(folder.path)
    try:
        text = read_file(folder.radii).decode()
    except FileNotFoundError:
        raise UserError(f"--workdir={folder.path}: has no radii: {how}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder.radii}: cannot be read: {error}; {how}") from None
    radii = Radii.from_json(text, str(folder.radii))
    if radii.weights != weights:
        raise UserError(f"{folder.radii}: of other parameters than this checkpoint's: {how}")
    return radii
