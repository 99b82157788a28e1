"""Disks that are full, read-only or missing."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.expmap import write_expmap
from motion_jax.data.formats import in_unit, read_motion, write_motion
from motion_jax.data.prepared import read_prepared, write_dataset
from motion_jax.export.folder import write_export
from motion_jax.inference.calibration import calibrate_run
from motion_jax.inference.predictor import load_predictor
from motion_jax.runtime.files import write_text
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import MetricsLog
from motion_jax.train.status import read_status
from tests.faults.runs import Place, heard, predicted, serve, train
from tests.faults.tally import Tally, compare, untold
from tests.labelled_runs import motion_rows, write_run


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
    count_commands, failed = _commands_on_full_disks(place, 2 if count == 1 else None, dice, folder / "commands")
    failures += failed
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
            with nullcontext() if disk else _limited(8192):
                if wrong := untold(lambda write=write, where=where: write(where)):
                    failures.append(f"{name}: {wrong}")
            if left := [path.name for path in where.glob("*") if path.name in ("text", "data", "export")]:
                failures.append(f"{name}: left {left}")
    for number in range(count):
        with small_disk(folder / f"disk{number}", dice.randrange(40, 300)) as disk:
            workdir = folder / f"run{number}"
            if disk is None:
                failures.append("no file system could be mounted")
                continue
            if wrong := untold(lambda disk=disk: train(place, disk / "run"), must_fail=False):
                failures.append(f"training: {wrong}")
            if (disk / "run").exists():
                shutil.copytree(disk / "run", workdir)
        with heard():
            train(place, workdir)
        if wrong := compare(place, workdir):
            failures.append(f"training: {wrong}")
        shutil.rmtree(workdir)
    note = f"{', '.join(writers)}; {count_commands} commands; {count} trainings that went on later"
    return Tally(len(writers) + count_commands + count, failures, note)


_BEFORE = b"what was there before\n"


class _Writer(NamedTuple):
    """A command that writes."""

    arguments: str  # of it, with @ for the disk
    written: str  # the file or folder there; none of a name with / in it is there before
    room: bool = False  # whether to leave a little, for the first of what it writes


def _writers(inputs: Path) -> list[_Writer]:
    run, labelled, walk = inputs / "run", inputs / "recognition", inputs / "recordings" / "walk.bvh"
    predict = f"predict --workdir={run} --input={inputs / 'rows.txt'} --action=walking --overwrite --output=@/"
    scores = f"evaluate --workdir={run} --mode=free_running --nolatency"
    pictures = f"visualize --workdir={run} --windows=1"
    simple = [
        *[(f"{predict}{name}", name) for name in ("a.txt", "a.npy", "a.npz", "a.bvh", "a.motion.npz", "a.csv.npz")],
        *[(f"convert --input={walk} --overwrite --output=@/{name}", name)
          for name in ("b.txt", "b.bvh", "b.npz", "b.motion.npz", "b.smpl.npz", "b.positions.npz", "b.npy", "b.amc",
                       "b.htr", "b.bva")],
        *[(f"{scores} --{flag}=@/c.{suffix}", f"c.{suffix}")
          for flag, suffix in (("json", "json"), ("csv", "csv"), ("markdown", "md"), ("plot", "png"))],
        (f"evaluate --workdir={run} --index=@/index.json --nolatency", "index.json/"),
        *[(f"recognise --workdir={labelled} --input={inputs / 'rows.txt'} --{flag}=@/d.{flag}", f"d.{flag}")
          for flag in ("csv", "json")],
        (f"watch --workdir={run} --input={walk} --retarget --noopen --output=@/e.html", "e.html"),
        (f"backtest --workdir={run} --input={walk.parent} --action=walking --retarget --json=@/f.json", "f.json"),
        *[(f"{pictures} --{flag}=@/g.{suffix}", f"g.{suffix}")
          for flag, suffix in (("output", "html"), ("gif", "gif"), ("mp4", "mp4"), ("curves", "svg"),
                               ("training", "png"), ("training", "pdf"))],
        ("prepare --dataset=synthetic --actions=walking --text --out=@/tree", "tree/"),
        ("prepare --dataset=synthetic --actions=walking --out=@/data", "data/"),
        (f"pack --workdir={run} --card={inputs / 'card.md'} --output=@/packed", "packed/"),
        (f"export --workdir={run} --platforms=cpu --nocheck --output=@/export", "export/"),
    ]  # fmt: skip
    return [_Writer(*one, room) for one in simple for room in (False, True)]


def _commands_on_full_disks(
    place: Place, count: int | None, dice: random.Random, folder: Path
) -> tuple[int, list[str]]:
    """Some or all commands, each on a disk of its own; how many were tried, and what was wrong."""
    inputs = _make_inputs(place, folder / "inputs")
    known = _writers(inputs)
    failures, tried = [], 0
    with closing(serve(place)) as server:
        for number, writer in enumerate(dice.sample(known, count or len(known))):
            with small_disk(folder / f"disk{number}", 64) as disk:
                if disk is None:
                    break
                tried += 1
                target = disk / writer.written.rstrip("/")
                if not writer.written.endswith("/"):
                    target.write_bytes(_BEFORE)
                _fill(disk, leave=4096 if writer.room else 0)
                command, *arguments = writer.arguments.replace("@", str(disk)).split()
                status = server.start(*arguments, command=command).wait()
                if status == 0 and writer.room:  # it was enough
                    continue
                errors = [line for line in server.said().splitlines() if line.startswith("error:")]
                if status != 2 or len(errors) != 1 or str(target) not in errors[0]:
                    failures.append(f"{writer.arguments}: exit status {status}: {server.said()[-400:]}")
                there = target.read_bytes() if target.is_file() else None
                if there != (None if writer.written.endswith("/") else _BEFORE):
                    failures.append(f"{writer.arguments}: left {there and len(there)} bytes")
                if target.is_dir() and any(target.iterdir()):
                    failures.append(f"{writer.arguments}: left {sorted(path.name for path in target.iterdir())}")
                if odd := [path.name for path in disk.iterdir() if path not in (target, disk / "filling")]:
                    failures.append(f"{writer.arguments}: left {odd}")
    return tried, failures


def _make_inputs(place: Place, folder: Path) -> Path:
    """A calibrated run, a run of recognition, and a recording in two forms."""
    run = shutil.copytree(place.whole, folder / "run")
    calibrate_run(load_predictor(run), dataset=read_prepared(place.data))
    write_run(folder / "recognition", "recognition")
    write_expmap(folder / "rows.txt", motion_rows(60))
    (folder / "recordings").mkdir()
    write_motion(in_unit(read_motion(folder / "rows.txt"), 10.0), folder / "recordings" / "walk.bvh")
    (folder / "card.md").write_text("# A model\n")
    return folder


def _fill(disk: Path, leave: int) -> None:
    """Until so many bytes are left."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filling").write_bytes(b"x" * (free - leave))


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
            if wrong := untold(act):
                failures.append(f"{name}: {wrong}")
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
