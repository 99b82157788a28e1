"""Compiled programs that outlive the process: JAX's persistent compilation cache, in a folder of the user's own.

Entries lie in `compiled/MACHINE` beside the cached data sets: $XDG_CACHE_HOME/motion_jax or ~/.cache/motion_jax. JAX
keys an entry by the program, the flags, its own version and the device. XLA only warns of code that was compiled for
another kind of CPU and then runs it, which can end in an illegal instruction; where a home is shared by several kinds,
each has its own folder. Where XLA says at every load that `prefer-no-gather` is not supported, that is a preference of
its compiler, not an instruction, and the code is sound (jax issue 38445).

What cannot be read (another process is writing it, it was cut short) is compiled again, with a warning of JAX's.
Nothing is ever removed: the folder may be deleted at any time. Whoever may write there may run code as you, so it is
made for its owner alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
from pathlib import Path

import jax
from absl import logging

from motion_jax.runtime.cache_folder import cache_folder

_EVERYTHING = {  # the smallest programs cost more to compile than to read, and together are some 2 MB a run
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
_CPU_KEYS = ("vendor_id", "model name", "flags", "Features", "CPU implementer", "CPU part")  # x86 and Arm


def keep_compiled(folder: str | Path | None = None) -> Path | None:
    """Keeps every program that is compiled from here on, and takes what was kept before. Every command does this.

    A place that was chosen by JAX's own means, JAX_COMPILATION_CACHE_DIR or `jax.config`, stays as it is, and so does
    a limit that the environment sets. JAX_ENABLE_COMPILATION_CACHE=false turns everything off.

    Args:
        folder: where; None for `compiled_folder()`.

    Returns:
        Where programs are kept; None where that cannot be written, which is warned of.
    """
    if chosen := jax.config.values["jax_compilation_cache_dir"]:
        return Path(chosen)
    try:
        folder = Path(folder).expanduser().absolute() if folder else compiled_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except (OSError, RuntimeError) as error:  # RuntimeError: who runs this has no home
        logging.warning("compiled programs cannot be kept: %s; each run compiles anew", error)
        return None
    for name, value in _EVERYTHING.items():
        if name.upper() not in os.environ:
            jax.config.update(name, value)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return folder


def compiled_folder() -> Path:
    """Where commands keep compiled programs of this kind of machine."""
    return (cache_folder() / "compiled" / _machine()).absolute()


def _machine() -> str:
    """A name for what decides which instructions XLA may use."""
    known = [platform.system(), platform.machine(), platform.processor()]
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:  # not Linux: no better source
        first = ""
    lines = [line for line in first.splitlines() if line.partition(":")[0].strip() in _CPU_KEYS]
    digest = hashlib.sha256("\n".join([*known, *lines]).encode()).hexdigest()
    return f"{platform.machine()}-{digest[:12]}"
