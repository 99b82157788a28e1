"""Windows that are read from disk are those that are drawn in memory, bit for bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from motion_jax.config import DataConfig
from motion_jax.data import window_stream
from motion_jax.data.augment import make_augmentation
from motion_jax.data.normalize import pose_space
from motion_jax.data.packed_clips import pack_clips, sample_windows
from motion_jax.data.positions import represented
from motion_jax.data.prepared import read_prepared, write_dataset
from motion_jax.data.window_stream import ReadWindows, WindowStream, fits, pack_or_stream
from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset

CONFIG = DataConfig(source_length=8, target_length=4, in_memory="no")
BATCH, STEPS = 6, 7
SHARDING = jax.sharding.SingleDeviceSharding(jax.devices()[0])


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Clips of 400, 90, 25 and 24 rows: in the last two, windows lie anywhere."""
    rng = np.random.default_rng(0)
    clips = tuple(
        Clip(np.cumsum(rng.normal(size=(rows, 99)) * 0.05, axis=0).astype(np.float32), f"S{rows}", "walking", 1,
             "train", f"{rows}")
        for rows in (400, 90, 25, 24)
    )  # fmt: skip
    root = tmp_path_factory.mktemp("mapped") / "set"
    write_dataset(Dataset("h36m", clips, ("walking",), H36M, 50.0, "made"), root, {}, ())
    return read_prepared(root)


def key_of(key, step):
    return jax.random.fold_in(jax.random.wrap_key_data(key), step)


@pytest.mark.parametrize(
    ("windows", "names"), [("clips", ""), ("frames", ""), ("clips", "speed,reverse,mirror"), ("frames", "reverse")]
)
def test_every_batch_is_the_one_in_memory(mapped: Dataset, windows: str, names: str):
    """Whichever update is the first: what a run has read is no state of its own."""
    config = dataclasses.replace(CONFIG, augmentation=names)
    space = pose_space(mapped, mapped.clips, config)
    augmentation = make_augmentation(space, mapped.clips, config)
    packed = pack_clips(mapped.clips, space, config)
    stream = pack_or_stream(mapped.clips, space, config, BATCH, windows, augmentation, key_of)
    assert isinstance(stream, WindowStream)

    @jax.jit
    def batch(data, key, step):
        read = isinstance(data, ReadWindows)
        rows, first = (data.packed, data.first[step - data.step]) if read else (data, None)
        return sample_windows(rows, key_of(key, step), BATCH, space, config, windows, augmentation, first)

    key = jax.random.key_data(jax.random.key(3))
    for begin in (0, 2):
        with stream.feed(np.asarray(key), begin, STEPS, 3, SHARDING) as feed:
            parts = list(feed)
        assert [int(part.step) for part in parts] == list(range(begin, STEPS, 3))
        for step in range(begin, STEPS):
            from_disk = batch(parts[(step - begin) // 3], key, step)
            for one, other in zip(from_disk, batch(packed, key, step), strict=True):
                np.testing.assert_array_equal(one, other)


def test_grain_reads_the_same(mapped: Dataset):
    pytest.importorskip("grain")
    space, key = pose_space(mapped, mapped.clips, CONFIG), np.array([0, 3], np.uint32)
    fed = []
    for loader in ("threads", "grain"):
        config = dataclasses.replace(CONFIG, loader=loader)
        with WindowStream(mapped.clips, space, config, BATCH, key_of=key_of).feed(key, 2, 30, 3, SHARDING) as feed:
            fed.append(list(feed))
    assert [int(part.step) for part in fed[1]] == list(range(2, 30, 3))
    for one, other in zip(*map(jax.tree.leaves, fed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_batch_by_itself_is_the_one_in_memory(mapped: Dataset):
    space = pose_space(mapped, mapped.clips, CONFIG)
    expected = sample_windows(pack_clips(mapped.clips, space, CONFIG), jax.random.key(1), 5, space, CONFIG)
    drawn = WindowStream(mapped.clips, space, CONFIG, 5).sample(jax.random.key(1), space)
    np.testing.assert_array_equal(drawn.history, expected.history)
    np.testing.assert_array_equal(drawn.future, expected.future)


def test_positions_on_disk_are_those_in_memory(mapped: Dataset, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("motion_jax.data.positions._AT_ONCE", 64)
    monkeypatch.setattr("motion_jax.data.positions._BLOCK", 128)
    config = dataclasses.replace(CONFIG, representation="positions")
    here = represented(mapped, dataclasses.replace(config, in_memory="yes"))
    there = represented(mapped, config)
    assert isinstance(there.clips[0].frames, np.memmap) > isinstance(here.clips[0].frames, np.memmap)
    for one, other in zip(here.clips, there.clips, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)


def test_memory_decides(mapped: Dataset, monkeypatch: pytest.MonkeyPatch):
    auto = dataclasses.replace(CONFIG, in_memory="auto")
    size = sum(clip.frames.nbytes for clip in mapped.clips)
    copies = 2 + jax.local_device_count()
    for free, fit in ((2 * copies * size, True), (2 * copies * size - 1, False), (None, True)):
        monkeypatch.setattr(window_stream, "free_memory", lambda free=free: free)
        assert fits(mapped.clips, auto) == fit
        assert not fits(mapped.clips, CONFIG)
    monkeypatch.setattr(window_stream, "device_memory", lambda: 4 * size - 1)
    assert not fits(mapped.clips, auto)
    assert fits(mapped.clips, dataclasses.replace(CONFIG, in_memory="yes"))


def test_a_reader_that_nothing_needs_or_that_is_not_installed_is_refused(
    mapped: Dataset, monkeypatch: pytest.MonkeyPatch
):
    space = pose_space(mapped, mapped.clips, CONFIG)
    grain = dataclasses.replace(CONFIG, loader="grain")
    with pytest.raises(UserError, match="the training frames fit into memory"):
        pack_or_stream(mapped.clips, space, dataclasses.replace(grain, in_memory="auto"), BATCH, key_of=key_of)
    monkeypatch.setitem(__import__("sys").modules, "grain", None)
    with pytest.raises(UserError, match=r"pip install 'motion-jax\[large\]'"):
        pack_or_stream(mapped.clips, space, grain, BATCH, key_of=key_of)
    with pytest.raises(UserError, match=r"nothing reads it where data\.in_memory='yes'"):
        dataclasses.replace(grain, in_memory="yes")


def test_a_read_that_fails_is_told_and_ends_the_feed(mapped: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    space = pose_space(mapped, mapped.clips, CONFIG)
    stream = WindowStream(mapped.clips, space, CONFIG, BATCH, key_of=key_of)
    monkeypatch.setattr(stream, "read", lambda *_: (tmp_path / "gone").read_bytes())
    with stream.feed(np.zeros(2, np.uint32), 0, 9, 3, SHARDING) as feed, pytest.raises(FileNotFoundError):
        next(feed)
