"""Compiled programs that outlive the process: JAX's persistent compilation cache, in a folder of the user's own.

Entries lie in `compiled/MACHINE` beside the cached data sets: $XDG_CACHE_HOME/motion_jax or ~/.cache/motion_jax. JAX
keys an entry by the program, the flags, its own version and the device. XLA only warns of code that was compiled for
another kind of CPU and then runs it, which can end in an illegal instruction; where a home is shared by several kinds,
each has its own folder. Where XLA says at every load that `prefer-no-gather` is not supported, that is a preference of
its compiler, not an instruction, and the code is sound (jax issue 38445).

What cannot be read (another process is writing it, it was cut short) is compiled again, with a warning of JAX's.
Whoever may write there may run code as you, so the folder is made for its owner alone, and one that others may write to
is not used.

Each start removes from `compiled` what no command has used for 30 days, then what was used longest ago until 512 MB
are left. JAX's own limit (`jax_compilation_cache_max_size`) takes a lock at every reading, which not every file system
has, and fails on entries that were written without it; where the environment sets it, JAX prunes and this does not.
Removing needs no lock: an open file stays readable, a missing one is compiled again, and what was used within the hour
stays, because a command that started then may be reading it. The folder may be deleted at any time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import stat
import time
from pathlib import Path

import jax
from absl import logging

from motion_jax.errors import UserError
from motion_jax.runtime.cache_folder import cache_folder
from motion_jax.runtime.files import user_path

MAX_BYTES = 512 * 10**6
MAX_AGE_S = 30 * 24 * 3600.0

_EVERYTHING = {  # the smallest programs cost more to compile than to read, and together are some 2 MB a run
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
_NO_LIMIT = -1
_IN_USE_S = 3600.0  # how long after its last use an entry is kept whatever the size
_CPU_KEYS = ("vendor_id", "model name", "flags", "Features", "CPU implementer", "CPU part")  # x86 and Arm


def keep_compiled(folder: str | Path | None = None) -> Path | None:
    """Keeps every program that is compiled from here on, and takes what was kept before. Every command does this.

    A place that was chosen by JAX's own means, JAX_COMPILATION_CACHE_DIR or `jax.config`, stays as it is, and so does
    a limit that the environment sets. Only `compiled_folder()` is pruned. JAX_ENABLE_COMPILATION_CACHE=false turns
    everything off.

    Args:
        folder: where; None for `compiled_folder()`.

    Returns:
        Where programs are kept; None where that cannot be written or is not trusted, which is warned of.
    """
    if chosen := jax.config.values["jax_compilation_cache_dir"]:
        return Path(chosen)
    try:
        ours = not folder
        folder = user_path(folder).absolute() if folder else _made_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        _check_private(folder)
    except (OSError, UserError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        logging.warning("compiled programs cannot be kept: %s; each run compiles anew", reason)
        return None
    for name, value in _EVERYTHING.items():
        if name.upper() not in os.environ:
            jax.config.update(name, value)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if ours and jax.config.values["jax_compilation_cache_max_size"] == _NO_LIMIT:
        prune(folder.parent)
    return folder


def prune(folder: Path, max_bytes: int = MAX_BYTES, max_age_s: float = MAX_AGE_S) -> int:
    """Removes entries that were not used for `max_age_s`, then the longest unused until `max_bytes` are left.

    `folder` holds a folder for each kind of machine. An entry's last use is the later of its file's times of access
    and of writing. Several processes may do this at once.

    Returns:
        How many entries this call removed.
    """
    now = time.time()
    entries = sorted(_entries(folder))  # the longest unused first
    total = sum(size for _, size, _ in entries)
    removed = 0
    for used, size, path in entries:
        if now - used < _IN_USE_S or (now - used < max_age_s and total <= max_bytes):
            break
        try:
            path.unlink()
            removed += 1
        except FileNotFoundError:  # another process removed it
            pass
        except OSError as error:
            logging.warning("compiled programs that are no longer used cannot be removed: %s", error)
            break
        total -= size
    return removed


def _entries(folder: Path) -> list[tuple[float, int, Path]]:
    """Last use (s since the epoch), size in bytes and path of each entry."""
    found = []
    for path in folder.glob("*/*-cache"):
        try:
            facts = path.stat()
        except OSError:  # another process removed it
            continue
        found.append((max(facts.st_atime, facts.st_mtime), facts.st_size, path))
    return found


def _made_folder() -> Path:
    """`compiled_folder()`; what of the path is missing is made for its owner alone, whatever the umask."""
    folder = compiled_folder()
    for part in (folder.parents[1], folder.parent):
        part.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir(mode=0o700, exist_ok=True)
        _check_private(part)
    return folder


def _check_private(folder: Path) -> None:
    """Raises `UserError` when someone else can put files there."""
    facts = folder.stat()
    if facts.st_uid != os.geteuid():
        raise UserError(f"{folder} belongs to another user (number {facts.st_uid}), who could run code as you")
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UserError(f"{folder} may be written by others, who could run code as you (chmod go-w {folder})")


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
