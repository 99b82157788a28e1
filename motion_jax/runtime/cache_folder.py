"""The folder for what may be made again: parsed data sets, compiled programs."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path


def cache_folder(chosen: str = "") -> Path:
    """`chosen` if it is given; else `motion_jax` below $XDG_CACHE_HOME or `~/.cache`.

    Raises:
        UserError: there is no home folder to put it in: no HOME, and no entry in the password database.
    """
    if chosen:
        return user_path(chosen)
    try:
        return user_path(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "motion_jax")
    except UserError:
        raise UserError("there is no home folder to keep a cache in (XDG_CACHE_HOME names another place)") from None


@functools.cache
def temporary_folder() -> Path:
    """For what cannot be cached: a folder that is removed when the process ends, the same at every call.

    Raises:
        UserError: the system has no folder for temporary files.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="motion_jax-"))
    except OSError as error:
        raise UserError(f"no temporary folder can be made: {error.strerror}; TMPDIR names another place") from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
