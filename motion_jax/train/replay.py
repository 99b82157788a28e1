"""Replays of an update whose numbers went wrong: written out by the run, computed once more on request.

The file, `nonfinite-STEP.npz`, holds the parameters before the update, its batch, the key of its loss and its number,
as plain arrays: nothing in it is unpickled.
"""

from __future__ import annotations

import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import motion_jax
from motion_jax.errors import UserError
from motion_jax.runtime.files import open_file, written_atomically
from motion_jax.train.step import TrainState, draw
from motion_jax.train.task import Stream, Task
from motion_jax.train.workdir import Workdir
from motion_jax.types import Array, Params

RUN = "run"  # the array that names the run


class Update(NamedTuple):
    """All that a loss and its gradient are computed from."""

    params: Params
    batch: Any
    key: Array  # raw, of the loss
    step: Array  # [] int32, from 0


def write_batch(folder: Workdir, task: Task, state: TrainState, step: int) -> Path:
    """Writes update `step` (from 0) of a run whose parameters are those of `state`. Raises `UserError`."""
    params, key = jax.device_get((state.params, state.key))  # wherever they lie: this process draws by itself
    update = _drawn(task, params, key, _data_of(task, key, step), jnp.asarray(step, jnp.int32))
    path = folder.path / f"nonfinite-{step + 1}.npz"
    with written_atomically(path) as draft, draft.open("wb") as file:
        arrays: dict[str, Any] = {name: np.asarray(leaf) for name, leaf in _named(update)}
        arrays[RUN] = np.array(folder.run_key())
        np.savez(file, **arrays)
    return path


def read_batch(path: Path, task: Task, run: str = "") -> Update:
    """What `write_batch` wrote.

    Raises `UserError` where it is damaged or of another run: than `run` (`Workdir.run_key`), where that is told.
    """
    raw_key = np.asarray(jax.random.key_data(jax.random.key(0)))
    step = jax.ShapeDtypeStruct((), jnp.int32)
    params = jax.eval_shape(task.init, jax.random.key(0))
    data = _data_of(task, raw_key, 0)  # in shape, that of any update
    abstract = jax.eval_shape(lambda *values: _drawn(task, *values), params, raw_key, data, step)
    try:
        with open_file(path) as opened:
            file = np.load(opened, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("one array without a name")
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise UserError(f"--replay={path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, MemoryError) as error:
        raise UserError(f"--replay={path}: damaged: not the batch of a run: {error}") from None
    if run and str(arrays.get(RUN)) != run:
        raise UserError(f"--replay={path}: of another run than --workdir's")
    leaves = []
    for name, known in _named(abstract):
        found = arrays.get(name)
        if found is None or found.shape != known.shape or found.dtype != known.dtype:
            what = "nothing" if found is None else f"{found.dtype} {found.shape}"
            raise UserError(f"--replay={path}: of another run: {name} must be {known.dtype} {known.shape}, not {what}")
        leaves.append(jnp.asarray(found))
    return jax.tree.unflatten(jax.tree.structure(abstract), leaves)


def replay(update: Update, task: Task, debug_nans: bool) -> list[str]:
    """Computes loss and gradient once more; tells in lines what of the update and of these is not finite.

    With `debug_nans` operation by operation, up to the first that makes a number which is not finite: its place in the
    source is told.
    """
    found = [f"update {int(update.step) + 1}, its batch, parameters before it and random key:"]
    found += _described("batch", update.batch) + _described("parameters", update.params)
    key = jax.random.wrap_key_data(update.key)
    compute = (update.params, update.batch, key, update.step)
    if debug_nans:
        try:
            with jax.debug_nans(True), jax.debug_infs(True), jax.disable_jit():
                task.loss_and_grad(*compute)
        except FloatingPointError as error:
            found.append(f"{str(error).splitlines()[0]}, first in {_place(error)}")
    loss, grad = jax.jit(task.loss_and_grad)(*compute)
    found.append(f"loss {float(loss)}")
    return found + _described("gradient", grad)


def _data_of(task: Task, key: np.ndarray, step: int) -> Any:
    """What `Task.sample_batch` draws update `step` (from 0) from; of a stream, what has to be read for it."""
    if not isinstance(task.data, Stream):
        return task.data
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    with task.data.feed(key, step, step + 1, 1, here) as read:
        return next(read)


def _drawn(task: Task, params: Params, key: Array, data: Any, step: Array) -> Update:
    batch, loss_key = _draw(task)(key, data, step)
    return Update(params, batch, jax.random.key_data(loss_key), step)


def _draw(task: Task) -> Callable[[Array, Any, Array], tuple[Any, Array]]:
    return jax.jit(lambda key, data, step: draw(task, key, data, step))


def _named(tree: Any) -> Iterator[tuple[str, Any]]:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield jax.tree_util.keystr(path), leaf


def _described(what: str, tree: Any) -> list[str]:
    """Of real numbers: the largest, and where they are not finite."""
    largest, bad = 0.0, []
    for name, leaf in _named(tree):
        array = np.asarray(leaf)
        if array.dtype.kind != "f" or not array.size:
            continue
        finite = np.isfinite(array)
        largest = max(largest, float(np.abs(array[finite]).max(initial=0)))
        if count := int((~finite).sum()):
            place = ", ".join(map(str, np.argwhere(~finite)[0]))
            bad.append(f"  {what}{name}: {count} of {array.size} numbers are not finite, the first at [{place}]")
    return [f"  {what}: finite numbers are at most {largest:.4g}", *bad]


def _place(error: FloatingPointError) -> str:
    """The last line of this package that led to the error."""
    root = str(Path(motion_jax.__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root)]
    frame = frames[-1]
    return f"{frame.filename}:{frame.lineno}: {frame.line}"
