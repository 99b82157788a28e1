"""Checkpoints of the whole state: Orbax writes them, this file makes sure that what comes back is what was saved.

Orbax carries no checksum over array data: a flipped bit restores silently. So every checkpoint also holds a SHA-256 of
each leaf, checked on restore, and one of each file, checked before Orbax reads any; a checkpoint that fails is set
aside (renamed, not deleted) and the one before it is tried. With `AtomicityMode.COMMIT_FILE` Orbax writes
`commit_success.txt` last. Where that mark is missing, the save was killed halfway or the folder is a copy without it:
the checksums tell which, and nothing is deleted. Everything is on disk (fsync) before the older checkpoint that it
replaces is removed, so that a machine may lose its power at any time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from motion_jax.errors import UserError
from motion_jax.runtime.distributed import joined
from motion_jax.runtime.files import read_file, sealed, sync_folder, sync_tree, unsealed

COMMIT_MARK = "commit_success.txt"
ATOMICITY = ocp.options.AtomicityOptions(mode=ocp.options.AtomicityMode.COMMIT_FILE)
FILES = "files.json"  # sha256 of the others, by path; written last
_REMOVING = "removing-"  # how the name of a folder begins that is being removed
_ATTEMPTS, _PAUSE_S = 8, 0.1  # of a reader whose checkpoint is replaced as it reads


class _Moved(Exception):
    """What was being read has just been replaced by a newer checkpoint."""


class Checkpoints:
    """The checkpoints of one folder, the newest `keep` of them; with `run` (`Workdir.run_key`) of that run alone."""

    def __init__(self, folder: Path, keep: int = 1, run: str = "") -> None:
        self._keep = keep
        self._run = run
        self._folder = folder.resolve()
        # to save alone: where a folder vanishes that it has listed, it fails
        self._manager: ocp.CheckpointManager | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self._folder}: checkpoints cannot be kept there: {error.strerror}") from None

    @property
    def steps(self) -> list[int]:
        """Of the finished checkpoints, ascending."""
        return [step for step in steps_in(self._folder) if (self._folder / str(step) / COMMIT_MARK).exists()]

    def save(self, step: int, state: Any, host: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Writes `state` under `step` and returns when it is on disk, with all names that lead there.

        `host` are plain values of the loop's that belong to the state; `host_of` reads them.

        Raises `UserError` when it cannot be written.
        """
        if step in self.steps:
            return  # a resumed run is bitwise the same run: what lies there is what would be written
        # of several processes Orbax writes no array that one of them has alone; and with each save of JAX's arrays,
        # not of NumPy's, it asks TensorStore (0.1.86) for statistics whose Python objects are never freed
        state = jax.device_get(state)
        values = {"step": step, "leaves": _digest(state), "host": dict(host), "run": self._run}
        record = json.loads(sealed(values))
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), digest=ocp.args.JsonSave(record))
        try:
            saved = self._opened().save(step, args=items, force=True)
            folder = self._folder / str(step)
            (folder / FILES).write_text(sealed(_file_digests(folder)), "utf-8")
            sync_tree(folder)
        except (OSError, ValueError) as error:  # of a full disk, TensorStore tells by ValueError
            reason = _first_line(error)
            raise UserError(f"{self._folder}: checkpoint of step {step} could not be written: {reason}") from None
        if not saved:
            raise UserError(f"{self._folder}: checkpoint of step {step} was not written")
        for older in self.steps[: -self._keep]:
            self._remove(self._folder / str(older))

    def restore(self, abstract: Any, sharding: jax.sharding.Sharding | None = None) -> tuple[int, Any] | None:
        """The newest checkpoint that verifies, as `(step, state)`; None if the folder holds none. Writes nothing.

        Whoever reads while a run saves gets one of the two checkpoints.

        Args:
            abstract: shapes and dtypes of the state.
            sharding: where every leaf goes; the default device if None. Where it was saved does not matter.

        Raises:
            UserError: checkpoints exist, but each of them is damaged or of another shape.
        """
        target = _target(abstract, sharding)
        for attempt in range(_ATTEMPTS):
            try:
                return self._newest(target, last_attempt=attempt == _ATTEMPTS - 1)
            except _Moved:
                time.sleep(_PAUSE_S)
        raise AssertionError("the last attempt returns or raises")

    def host_of(self, step: int) -> dict[str, Any]:
        """The `host` of `save`, of a step that `restore` returned."""
        return _record(self._folder / str(step))["host"]

    def recover_unmarked(self, abstract: Any, sharding: jax.sharding.Sharding | None = None) -> list[int]:
        """Marks the unmarked checkpoints that verify as finished and renames the others to `unfinished-STEP`.

        For the one who holds the folder's lock: what another process is still writing has no mark either. Killed saves
        leave such folders, and so does a copy that leaves out `*.txt`.

        Returns:
            The steps that were set aside.
        """
        for path in self._folder.glob(f"{_REMOVING}*"):  # a killed removal
            shutil.rmtree(path, ignore_errors=True)
        target, aside = _target(abstract, sharding), []
        for step in sorted(self._unmarked()):
            try:
                self._read(step, target)
            except Exception:  # Orbax raises whatever the missing file provokes
                name = self._set_aside(step, "unfinished")
                logging.warning("checkpoint %s/%d was never finished: kept as %s", self._folder, step, name)
                aside.append(step)
            else:
                (self._folder / str(step) / COMMIT_MARK).touch()
                logging.warning("checkpoint %s/%d had lost its %s; its checksums are right, so it is used",
                                self._folder, step, COMMIT_MARK)  # fmt: skip
        return aside

    def set_aside_after(self, step: int) -> None:
        """Renames every checkpoint newer than `step` to `damaged-STEP`: they did not verify, and must not be kept."""
        for newer in [other for other in self.steps if other > step]:
            name = self._set_aside(newer, "damaged")
            logging.warning("checkpoint %s/%d: kept as %s", self._folder, newer, name)

    def close(self) -> None:
        """Releases Orbax's threads."""
        if self._manager:
            self._manager.close()

    def _opened(self) -> ocp.CheckpointManager:
        """Orbax's manager, which knows what lies in the folder now."""
        if self._manager:
            self._manager.reload()
        else:
            options = ocp.CheckpointManagerOptions(
                max_to_keep=None,
                create=False,
                atomicity_options=ATOMICITY,
                enable_async_checkpointing=False,
                multiprocessing_options=_on_its_own(),
            )
            self._manager = ocp.CheckpointManager(self._folder, options=options)
            _pass_over_late_answers()
        return self._manager

    def _unmarked(self) -> set[int]:
        """Steps whose folder has no commit mark."""
        return set(steps_in(self._folder)) - set(self.steps)

    def _newest(self, target: Any, last_attempt: bool) -> tuple[int, Any] | None:
        finished = set(self.steps)
        failed: dict[int, str] = {}
        for step in sorted(finished | self._unmarked(), reverse=True):
            try:
                found = step, self._read(step, target)
            except Exception as error:  # Orbax raises whatever the damaged byte provokes
                if not last_attempt and self._has_moved(step, step in finished):
                    raise _Moved from None
                failed[step] = _first_line(error)
                continue
            for other, reason in failed.items():
                self._say_failed(other, reason, other in finished, step)
            return found
        if damaged := [step for step in failed if step in finished]:
            raise UserError(
                f"{self._folder}: no usable checkpoint; steps {', '.join(map(str, damaged))} are damaged or of another "
                f"run or model ({failed[damaged[0]]}). They were left as they are; to begin anew, choose another "
                f"workdir."
            )
        return None

    def _has_moved(self, step: int, finished: bool) -> bool:
        """Whether the checkpoint was removed, or was finished, since the steps were listed."""
        folder = self._folder / str(step)
        return not folder.exists() or (not finished and (folder / COMMIT_MARK).exists())

    def _say_failed(self, step: int, reason: str, finished: bool, used: int) -> None:
        if finished:
            logging.error("checkpoint %s/%d is damaged (%s): step %d is used", self._folder, step, reason, used)
        else:
            logging.warning("checkpoint %s/%d is unfinished: step %d is used", self._folder, step, used)

    def _remove(self, path: Path) -> None:
        """The folder vanishes at once, so that nobody reads half of it."""
        removed = path.with_name(f"{_REMOVING}{path.name}")
        shutil.rmtree(removed, ignore_errors=True)
        path.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)

    def _set_aside(self, step: int, why: str) -> str:
        """Renames a checkpoint to the first free of `WHY-STEP`, `WHY-STEP-1`, ..."""
        name = _unused(self._folder, f"{why}-{step}")
        (self._folder / str(step)).rename(name)
        sync_folder(self._folder)
        return name.name

    def _read(self, step: int, target: Any) -> Any:
        """The state under `step`. The handler reads what the manager would refuse to, a folder without its mark."""
        folder = self._folder / str(step)
        record = _record(folder)
        expected = record["leaves"]
        if record.get("step", step) != step:
            raise ValueError(f"it is the checkpoint of step {record['step']}")
        if self._run and record.get("run", "") not in ("", self._run):
            raise ValueError("it is a checkpoint of another run")
        if wrong := _damaged_files(folder):
            raise ValueError(f"{', '.join(wrong[:3])}: not what was written")
        with closing(ocp.StandardCheckpointHandler(multiprocessing_options=_on_its_own())) as handler:
            state = handler.restore(folder / "state", args=ocp.args.StandardRestore(target))  # pyright: ignore[reportArgumentType]
        found = _digest(state)
        if expected != found:
            wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            raise ValueError(f"checksum of {', '.join(wrong[:3])} differs")
        return state


@functools.cache  # once a process
def _pass_over_late_answers() -> None:
    """After a write that a full disk refused, TensorStore's threads still answer for the others: nobody waits for them.

    Each would be printed as a traceback beside the line that tells what happened.
    """
    before = sys.unraisablehook

    def show(unraisable: Any) -> None:
        late = isinstance(unraisable.exc_value, RuntimeError) and str(unraisable.exc_value) == "Event loop is closed"
        if not late:
            before(unraisable)

    sys.unraisablehook = show


def steps_in(folder: Path) -> list[int]:
    """Of the checkpoints in `folder`, finished or not, ascending."""
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal() and name == str(int(name)))


def is_sound(folder: Path) -> bool:
    """Whether every array of the checkpoint in `folder` (`checkpoints/last/STEP`) is what was saved.

    Needs no model: each file has a checksum, and each array.
    """
    wrong = _damaged_files(folder)
    try:
        record = _record(folder)
        if wrong or str(record.get("step", folder.name)) != folder.name:
            return False
        if wrong is not None:
            return True
        with closing(ocp.PyTreeCheckpointHandler()) as handler:
            tree = handler.metadata(folder / "state").tree  # pyright: ignore[reportArgumentType]
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree, is_leaf=_has_shape)
            asked = ocp.args.PyTreeRestore(restore_args=as_numpy)  # pyright: ignore[reportCallIssue]
            state = handler.restore(folder / "state", args=asked)  # pyright: ignore[reportArgumentType]
        return sorted(_digest(state).values()) == sorted(record["leaves"].values())
    except Exception:  # Orbax raises whatever the damaged byte provokes
        return False


def _record(folder: Path) -> dict[str, Any]:
    """What was written beside the state: step, a digest of each leaf, what the loop remembered, the run's name."""
    path = folder / "digest" / "metadata"
    return unsealed(read_file(path).decode(), str(path), "the checksums of a checkpoint")


def _file_digests(folder: Path) -> dict[str, str]:
    """Of all files but commit marks, which copies may lose."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (COMMIT_MARK, FILES))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _damaged_files(folder: Path) -> list[str] | None:
    """Paths of files that are missing or not what was written; None where that is not known: arrays have checksums."""
    try:
        expected = unsealed(read_file(folder / FILES).decode(), str(folder / FILES), "checksums")
    except (OSError, UnicodeDecodeError, UserError):
        return None
    found = _file_digests(folder)
    return [name for name, digest in expected.items() if found.get(name) != digest]


def _has_shape(node: Any) -> bool:
    return hasattr(node, "shape")


def _on_its_own() -> ocp.options.MultiprocessingOptions:
    """Of several processes, each reads and writes without waiting for the others."""
    if not joined():
        return ocp.options.MultiprocessingOptions()
    index = jax.process_index()
    return ocp.options.MultiprocessingOptions(index, {index}, f"process{index}")


def _target(abstract: Any, sharding: jax.sharding.Sharding | None) -> Any:
    """`abstract` with the place of each leaf."""
    place = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), abstract)


def params_hash(params: Any) -> str:
    """A SHA-256 of parameters, the same wherever they lie: of the paths, types, shapes and bytes of all leaves."""
    return hashlib.sha256(json.dumps(_digest(params), sort_keys=True).encode()).hexdigest()


def _digest(tree: Any) -> dict[str, str]:
    """Path of each leaf to a SHA-256 over its dtype, shape and bytes."""
    return dict(_leaf_digests(tree))


def _leaf_digests(tree: Any) -> Iterator[tuple[str, str]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
        yield jax.tree_util.keystr(path), digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _unused(folder: Path, name: str) -> Path:
    candidates = (folder / (f"{name}-{i}" if i else name) for i in range(1000))
    return next(candidate for candidate in candidates if not candidate.exists())
