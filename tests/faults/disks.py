"""Disks that are full, read-only or missing."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from motion_jax.data.prepared import read_prepared, write_dataset
from motion_jax.errors import UserError
from motion_jax.export.folder import write_export
from motion_jax.inference.predictor import load_predictor
from motion_jax.runtime.files import write_text
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import MetricsLog
from motion_jax.train.status import read_status
from tests.faults.runs import Place, heard, predicted, train
from tests.faults.tally import Tally, compare


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path | None]:
    """A file system of that size; None where this process may not mount one."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], capture_output=True)
    try:
        yield folder if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def _limited(bytes_: int) -> Iterator[None]:
    """No file may grow beyond that, as where a quota is used up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def full_disk(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Every writer, on a disk that is full: one line, and under the final name nothing, or what was there before.

    And `count` trainings on disks of random sizes: one line, and with room again the end of the undisturbed run.
    """
    failures = []
    predictor, dataset = load_predictor(place.whole), read_prepared(place.data)
    writers: dict[str, Callable[[Path], object]] = {
        "text": lambda path: write_text(path / "text", "x" * 100_000),
        "prepared data": lambda path: write_dataset(dataset, path / "data", {}, ()),
        "export": lambda path: write_export(predictor, path / "export", platforms=("cpu",), checked=False),
        "log": _fill_log,
        "checkpoint": lambda path: Checkpoints(path / "last").save(1, {"w": np.ones(100_000, np.float32)}),
        "run": lambda path: train(place, path / "run"),
    }
    for name, write in writers.items():
        with small_disk(folder / f"disk-{name}".replace(" ", "-"), 16) as disk:
            where = disk or folder / f"plain-{name}"
            where.mkdir(exist_ok=True)
            try:
                with heard():
                    if disk:
                        write(where)
                    else:
                        with _limited(8192):
                            write(where)
                failures.append(f"{name}: nothing was said")
            except UserError as error:
                if "\n" in str(error):
                    failures.append(f"{name}: several lines: {error}")
            except Exception as error:
                failures.append(f"{name}: {type(error).__name__}: {error}")
            if left := [path.name for path in where.glob("*") if path.name in ("text", "data", "export")]:
                failures.append(f"{name}: left {left}")
    for number in range(count):
        with small_disk(folder / f"disk{number}", dice.randrange(40, 300)) as disk:
            workdir = folder / f"run{number}"
            if disk is None:
                failures.append("no file system could be mounted")
                continue
            try:
                with heard():
                    train(place, disk / "run")
            except UserError as error:
                if "\n" in str(error):
                    failures.append(f"training: several lines: {error}")
            except Exception as error:
                failures.append(f"training: {type(error).__name__}: {error}")
            if (disk / "run").exists():
                shutil.copytree(disk / "run", workdir)
        with heard():
            train(place, workdir)
        if wrong := compare(place, workdir):
            failures.append(f"training: {wrong}")
        shutil.rmtree(workdir)
    return Tally(len(writers) + count, failures, f"{', '.join(writers)}; {count} trainings that went on later")


def _fill_log(path: Path) -> None:
    with closing(MetricsLog(path / "metrics.jsonl", 0)) as log:
        for step in range(10_000):
            log.write("train", step, {"loss": 0.5})


def forbidden_folders(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Read-only and missing folders: readers read, writers say so in one line."""
    del count, dice
    failures = []
    with small_disk(folder / "disk", 4096) as disk:
        if disk is None:
            return Tally(0, [], "no file system could be mounted")
        shutil.copytree(place.whole, disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        writers: dict[str, Callable[[], object]] = {
            "train": lambda: train(place, disk / "new"),
            "train there": lambda: train(place, disk / "run"),
            "text": lambda: write_text(disk / "text", "x"),
            "prepared data": lambda: write_dataset(read_prepared(place.data), disk / "data", {}, ()),
            "missing run": lambda: load_predictor(disk / "none"),
            "missing data": lambda: read_prepared(disk / "none"),
        }
        for name, act in writers.items():
            try:
                act()
                failures.append(f"{name}: nothing was said")
            except UserError as error:
                if "\n" in str(error):
                    failures.append(f"{name}: several lines")
            except Exception as error:
                failures.append(f"{name}: {type(error).__name__}: {error}")
        readers: dict[str, Callable[[], object]] = {
            "predictor": lambda: predicted(disk / "run") == predicted(place.whole),
            "status": lambda: read_status(disk / "run").phase == "ended",
        }
        for name, read in readers.items():
            try:
                if not read():
                    failures.append(f"{name}: other values")
            except Exception as error:
                failures.append(f"{name}: {type(error).__name__}: {error}")
    return Tally(len(writers) + len(readers), failures)
