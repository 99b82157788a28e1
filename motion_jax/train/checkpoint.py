"""Checkpoints of the whole state: Orbax writes them, this file makes sure that what comes back is what was saved.

Orbax carries no checksum over array data: a flipped bit restores silently. So every checkpoint also holds a SHA-256 of
each leaf, checked on restore; a checkpoint that fails is set aside (renamed, not deleted) and the one before it is
tried. With `AtomicityMode.COMMIT_FILE` Orbax writes `commit_success.txt` last. Where that mark is missing, the save was
killed halfway or the folder is a copy without it: the checksums tell which, and nothing is deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from motion_jax.errors import UserError
from motion_jax.runtime.distributed import joined

COMMIT_MARK = "commit_success.txt"
ATOMICITY = ocp.options.AtomicityOptions(mode=ocp.options.AtomicityMode.COMMIT_FILE)


class Checkpoints:
    """The checkpoints of one folder, the newest `keep` of them."""

    def __init__(self, folder: Path, keep: int = 1) -> None:
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=False,
            atomicity_options=ATOMICITY,
            enable_async_checkpointing=False,
            multiprocessing_options=_on_its_own(),
        )
        self._folder = folder.resolve()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(self._folder, options=options)
        except OSError as error:
            raise UserError(f"{self._folder}: checkpoints cannot be kept there: {error.strerror}") from None

    def save(self, step: int, state: Any) -> None:
        """Writes `state` under `step` and returns when it is on disk. Raises `UserError` when it cannot be written."""
        if step in self._manager.all_steps():
            return  # a resumed run is bitwise the same run: what lies there is what would be written
        if joined():
            state = jax.device_get(state)  # of several processes Orbax writes no array that one of them has alone
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), digest=ocp.args.JsonSave(_digest(state)))
        try:
            saved = self._manager.save(step, args=items, force=True)
        except (OSError, ValueError) as error:  # of a full disk, TensorStore tells by ValueError
            reason = _first_line(error)
            raise UserError(f"{self._folder}: checkpoint of step {step} could not be written: {reason}") from None
        if not saved:
            raise UserError(f"{self._folder}: checkpoint of step {step} was not written")

    def restore(self, abstract: Any, sharding: jax.sharding.Sharding | None = None) -> tuple[int, Any] | None:
        """The newest checkpoint that verifies, as `(step, state)`; None if the folder holds none. Writes nothing.

        Args:
            abstract: shapes and dtypes of the state.
            sharding: where every leaf goes; the default device if None. Where it was saved does not matter.

        Raises:
            UserError: checkpoints exist, but each of them is damaged or of another shape.
        """
        target = _target(abstract, sharding)
        finished = set(self._manager.all_steps())
        damaged = []
        for step in sorted(finished | self._unmarked(), reverse=True):
            try:
                return step, self._read(step, target)
            except Exception as error:  # Orbax raises whatever the damaged byte provokes
                if step not in finished:
                    continue  # a save that was killed halfway
                reason = _first_line(error)
                logging.error("checkpoint %s/%d is damaged (%s); trying the one before it", self._folder, step, reason)
                damaged.append(step)
        if damaged:
            raise UserError(
                f"{self._folder}: no usable checkpoint; steps {', '.join(map(str, damaged))} are damaged or belong to "
                f"another model. They were left as they are; to begin anew, choose another workdir."
            )
        return None

    def recover_unmarked(self, abstract: Any, sharding: jax.sharding.Sharding | None = None) -> list[int]:
        """Marks the unmarked checkpoints that verify as finished and renames the others to `unfinished-STEP`.

        For the one who holds the folder's lock: what another process is still writing has no mark either. Killed saves
        and killed removals leave such folders, and so does a copy that leaves out `*.txt`.

        Returns:
            The steps that were set aside.
        """
        target, aside = _target(abstract, sharding), []
        for step in sorted(self._unmarked()):
            try:
                self._read(step, target)
            except Exception:  # Orbax raises whatever the missing file provokes
                name = _unused(self._folder, f"unfinished-{step}")
                (self._folder / str(step)).rename(name)
                logging.warning("checkpoint %s/%d was never finished: kept as %s", self._folder, step, name.name)
                aside.append(step)
            else:
                (self._folder / str(step) / COMMIT_MARK).touch()
                logging.warning("checkpoint %s/%d had lost its %s; its checksums are right, so it is used",
                                self._folder, step, COMMIT_MARK)  # fmt: skip
        self._manager.reload()
        return aside

    def set_aside_after(self, step: int) -> None:
        """Renames every checkpoint newer than `step` to `damaged-STEP`: they did not verify, and must not be kept."""
        for newer in [other for other in self._manager.all_steps() if other > step]:
            (self._folder / str(newer)).rename(_unused(self._folder, f"damaged-{newer}"))
        self._manager.reload()

    def close(self) -> None:
        """Releases Orbax's threads."""
        self._manager.close()

    def _unmarked(self) -> set[int]:
        """Steps whose folder has no commit mark."""
        folders = {int(path.name) for path in self._folder.iterdir() if path.name.isdigit() and path.is_dir()}
        return folders - set(self._manager.all_steps())

    def _read(self, step: int, target: Any) -> Any:
        """The state under `step`. The handler reads what the manager would refuse to, a folder without its mark."""
        folder = self._folder / str(step)
        expected = json.loads((folder / "digest" / "metadata").read_text())
        with closing(ocp.StandardCheckpointHandler(multiprocessing_options=_on_its_own())) as handler:
            state = handler.restore(folder / "state", args=ocp.args.StandardRestore(target))  # pyright: ignore[reportArgumentType]
        found = _digest(state)
        if expected != found:
            wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            raise ValueError(f"checksum of {', '.join(wrong[:3])} differs")
        return state


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
