"""Windows of a training set larger than memory: the rows that the next updates need are read from disk, and no others.

Which windows an update sees follows from its key alone (`draw_windows`). So what a run has read is no state of its own:
one that was killed goes on with the same windows, and a run that reads from disk sees what one in memory sees.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.augment import Augmentation
from motion_jax.data.finite import check_clips
from motion_jax.data.packed_clips import PackedClips, clip_table, draw_windows, pack_clips, sample_windows
from motion_jax.data.temp_frame_file import release_pages
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.memory import device_memory, free_memory
from motion_jax.types import Array, Batch, Clip

KeyOf = Callable[[Any, Any], Array]
"""Raw data of a run's key, and the number of an update -> the key that the update's windows are drawn by."""

SHARE = 2  # of free memory, one part in this many may be training frames and their copies
ACCELERATOR_SHARE = 4  # the same of an accelerator's memory, where the network has to lie too
AHEAD = 4  # dispatches that are read ahead, as long as they take no more than _AHEAD_BYTES
_AHEAD_BYTES = 1 << 28
_MARGIN = 2  # rows: where a window begins is computed twice, by two programs whose rounding may differ


class ReadWindows(NamedTuple):
    """What the windows of K updates are made of."""

    packed: PackedClips  # `frames` are the rows [K B R, D] that these windows need
    first: Array | np.ndarray  # [K, B] the row where each window's clip would begin (see `sample_windows`)
    step: Array | np.ndarray  # [] the first of the updates


class WindowStream:
    """Clips that stay where they are, as a rule mapped from a file, and are read window by window."""

    def __init__(
        self,
        clips: Sequence[Clip],
        space: PoseSpace,
        config: DataConfig,
        batch: int,
        windows: str = "clips",
        augmentation: Augmentation | None = None,
        key_of: KeyOf | None = None,
        checked: bool = False,
    ) -> None:
        """Of windows as `sample_windows` draws them from `pack_clips`.

        Args:
            clips: of which windows are drawn; their frames are only read.
            space: whose one-hot code tells the actions.
            config: `source_length`, `target_length`, `stride` and `loader` are read.
            batch: B.
            windows: as for `sample_windows`.
            augmentation: the same.
            key_of: for `feed`, the key that the windows of an update are drawn by.
            checked: whether all numbers are known to be those of motion: looking at them is reading the whole set.

        Raises:
            UserError: as `pack_clips`; or `config.loader` needs a package that is not installed.
        """
        if config.loader == "grain":
            _import_grain()
        if not checked:
            check_clips(clips)
        self._clips = tuple(clips)
        self._table: PackedClips = jax.tree.map(np.asarray, clip_table(self._clips, space, config))
        self._batch, self._config, self._windows, self._augmentation = batch, config, windows, augmentation
        reach = (config.source_length + config.target_length - 1) * config.stride
        if augmentation is not None:
            reach = math.ceil(reach * math.exp(augmentation.speed)) + 2 + 2 * _MARGIN
        self._reach = reach + 1  # R
        self._key_of = key_of
        self._drawn = jax.jit(lambda keys: jax.lax.map(self._draw, keys))

    @property
    def bytes_a_batch(self) -> int:
        """What is read of one batch."""
        return 4 * self._batch * self._reach * self._table.frames.shape[1]

    def read(self, keys: Array, step: int = 0) -> ReadWindows:
        """The rows that the batches drawn by `keys` `[K]` need."""
        with _on_host():
            clip, low = (np.asarray(part) for part in self._drawn(keys))
        count = len(clip)
        frames = np.zeros((count, self._batch, self._reach, self._table.frames.shape[1]), np.float32)
        for at in np.ndindex(clip.shape):
            source = self._clips[clip[at]].frames[low[at] : low[at] + self._reach]
            frames[at][: len(source)] = source
        for mapped in {id(base): base for base in (_base(self._clips[i].frames) for i in np.unique(clip))}.values():
            release_pages(mapped)
        begins = np.arange(count * self._batch, dtype=np.int32).reshape(clip.shape) * self._reach
        packed = self._table._replace(frames=frames.reshape(-1, frames.shape[-1]))
        return ReadWindows(packed, begins - low, np.asarray(step, np.int32))

    def feed(
        self, key: np.ndarray, begin: int, end: int, count: int, sharding: jax.sharding.Sharding
    ) -> closing[Generator[ReadWindows]]:
        """What dispatches of `count` updates from `begin` to `end` read, in order; the next ones are read meanwhile.

        Args:
            key: raw data of the key that `key_of` takes.
            begin: the first update, from 0.
            end: one past the last.
            count: of updates to a dispatch; the last may have fewer.
            sharding: of what is handed out.
        """
        assert self._key_of is not None  # whoever feeds has given one
        keys_of = jax.jit(jax.vmap(functools.partial(self._key_of, key)))
        begins = range(begin, end, count)

        def read(number: int) -> ReadWindows:
            steps = np.arange(begins[number], min(begins[number] + count, end), dtype=np.int32)
            with _on_host():
                keys = keys_of(steps)
            return jax.device_put(self.read(keys, begins[number]), sharding)

        ahead = max(1, min(AHEAD, _AHEAD_BYTES // (count * self.bytes_a_batch)))
        by = _by_grain if self._config.loader == "grain" else _by_threads
        return closing(by(read, len(begins), ahead))

    def sample(self, key: Array, space: PoseSpace) -> Batch:
        """One batch: what `sample_windows` draws from `pack_clips` by the same key."""
        rows = self.read(key[None])
        packed = jax.tree.map(jnp.asarray, rows.packed)
        drawn = (self._batch, space, self._config, self._windows, self._augmentation)
        return sample_windows(packed, key, *drawn, first=jnp.asarray(rows.first[0]))

    def _draw(self, key: Array) -> tuple[Array, Array]:
        """The clips `[B]` of a batch, and the lowest rows `[B]` of them that its windows may read."""
        table: PackedClips = jax.tree.map(jnp.asarray, self._table)
        draw = draw_windows(table, key, self._batch, self._config, self._windows, self._augmentation)
        if self._augmentation is None or not self._augmentation.speed:
            return draw.clip, draw.start
        return draw.clip, jnp.maximum(jnp.floor(draw.begin).astype(jnp.int32) - _MARGIN, 0)


def pack_or_stream(
    clips: tuple[Clip, ...],
    space: PoseSpace,
    config: DataConfig,
    batch: int,
    windows: str = "clips",
    augmentation: Augmentation | None = None,
    key_of: KeyOf | None = None,
    checked: bool = False,
) -> PackedClips | WindowStream:
    """Clips in memory where they fit (`fits`), else read from disk.

    Raises:
        UserError: as either does; or `config.loader` was chosen for updates that nothing has to be read for.
    """
    if fits(clips, config):
        if key_of is not None and config.loader != "threads":
            raise UserError(
                f"data.loader={config.loader!r}: nothing reads it: the training frames fit into memory "
                f"(data.in_memory='no' reads them from disk all the same)"
            )
        return pack_clips(clips, space, config)
    return WindowStream(clips, space, config, batch, windows, augmentation, key_of, checked)


def fits(clips: Sequence[Clip], config: DataConfig) -> bool:
    """Whether clips are to be held in memory.

    "auto": where they, the copy of which they are packed and the copy of each device of a CPU take at most half of
    what memory is free; and of an accelerator, where they take at most a quarter of its memory.
    """
    if config.in_memory != "auto":
        return config.in_memory == "yes"
    size = 4 * sum(clip.frames.size for clip in clips)
    copies = 2 + (jax.local_device_count() if jax.default_backend() == "cpu" else 0)
    free, accelerator = free_memory(), device_memory()
    return (free is None or SHARE * copies * size <= free) and (
        accelerator is None or ACCELERATOR_SHARE * size <= accelerator
    )


def sample_fixed(
    source: PackedClips | WindowStream, key: Array, batch: int, space: PoseSpace, config: DataConfig
) -> Batch:
    """B windows, unaugmented, of either; a stream must have been made for `batch`."""
    if isinstance(source, WindowStream):
        return source.sample(key, space)
    return sample_windows(source, key, batch, space, config)


def _on_host() -> AbstractContextManager[object]:
    """Computes on the CPU, where that is at hand: an accelerator is busy with the updates before."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS names others
        return nullcontext()


def _base(frames: np.ndarray) -> np.ndarray:
    """The whole mapped array that a view is of."""
    while isinstance(frames.base, np.ndarray):
        frames = frames.base
    return frames


def _by_threads(read: Callable[[int], Any], count: int, ahead: int) -> Generator[Any]:
    """`read(0)`, `read(1)`, ... in order, each begun while those before it are used."""
    with ThreadPoolExecutor(min(ahead, count), "windows") as pool:
        pending = deque(pool.submit(read, number) for number in range(min(ahead, count)))
        try:
            for number in range(count):
                yield pending.popleft().result()
                if number + ahead < count:
                    pending.append(pool.submit(read, number + ahead))
        finally:
            for future in pending:
                future.cancel()


class _Dispatches:
    """What Grain calls a source of random access."""

    def __init__(self, read: Callable[[int], Any], count: int) -> None:
        self._read, self._count = read, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Any:
        return self._read(int(number))


def _by_grain(read: Callable[[int], Any], count: int, ahead: int) -> Generator[Any]:
    """The same by Grain's threads."""
    grain = _import_grain()
    options = grain.ReadOptions(num_threads=ahead, prefetch_buffer_size=ahead)
    yield from grain.MapDataset.source(_Dispatches(read, count)).to_iter_dataset(options)


def _import_grain() -> Any:
    try:
        import grain  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError(
            "data.loader='grain': needs the package grain: pip install 'motion-jax[large]'; data.loader='threads' "
            "reads the same windows without it"
        ) from None
    return grain
