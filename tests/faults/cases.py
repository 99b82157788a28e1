"""The faults, each a function `(place, count, dice, folder) -> Tally`: tried so often, survived so often.

To survive is: the end that the undisturbed run has, bitwise, each row of the log once; or a refusal in one line that
names the file, with everything still there. What a fault does to a file, a reader either does not see (the same values)
or tells of.
"""

from __future__ import annotations

import dataclasses
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.data.prepared import read_prepared, write_dataset
from motion_jax.errors import UserError
from motion_jax.experiments.runs import open_runs
from motion_jax.export.folder import write_export
from motion_jax.export.stablehlo import load_exported
from motion_jax.inference.predictor import load_predictor
from motion_jax.runtime.files import write_text
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.log import MetricsLog, read_metrics
from motion_jax.train.replay import read_batch, replay
from motion_jax.train.status import read_status
from motion_jax.train.workdir import Workdir
from tests.faults.runs import STEPS, Place, Server, ending, heard, predicted, train


class Tally(NamedTuple):
    """What came of a fault."""

    tried: int
    failures: list[str]
    note: str = ""

    @property
    def survived(self) -> int:
        return self.tried - len(self.failures)


Fault = Callable[[Place, int, random.Random, Path], Tally]


def _compare(place: Place, workdir: Path) -> str:
    """How a run's end differs from that of the undisturbed one; empty if it does not."""
    step, digest, rows = ending(workdir)
    expected = ending(place.whole)
    if (step, digest) != expected[:2]:
        return f"ended at step {step} with another state"
    if rows != expected[2]:
        odd = [row for row in rows if row not in expected[2]] or [row for row in expected[2] if row not in rows]
        return f"other rows in the log: {odd[:1] or 'rows twice'}"
    return ""


def _finish(place: Place, server: Server, workdir: Path) -> str:
    status = server.start(workdir).wait()
    if status:
        return f"exit status {status}: {server.said()[-300:]}"
    return _compare(place, workdir)


def _time_whole(server: Server, folder: Path) -> tuple[float, float]:
    """Seconds of an undisturbed process, and of its updates, saves and reports."""
    begun = time.monotonic()
    child = server.start(folder / "timed")
    _wait_for(folder / "timed", "training", child.lives, random.Random(0))
    training = time.monotonic()
    assert child.wait() == 0, server.said()
    return time.monotonic() - begun, time.monotonic() - training


def kill_nine(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Killed at a random moment, then run to the end: in turn while updates are done, and of the whole process."""
    failures, moments = [], []
    with closing(Server(place)) as server:
        whole, training = _time_whole(server, folder)
        for number in range(count):
            workdir = folder / str(number)
            child = server.start(workdir)
            if number % 2 == 0:  # starting takes longer than these updates
                _wait_for(workdir, "training", child.lives, dice)
            child.kill_after(dice.uniform(0, whole if number % 2 else training), signal.SIGKILL)
            child.wait()
            rows = read_quietly(workdir)
            moments.append(rows[-1]["step"] if rows else 0)
            if wrong := _finish(place, server, workdir):
                failures.append(f"killed at step {moments[-1]}: {wrong}")
            shutil.rmtree(workdir)
    return Tally(count, failures, f"log at steps {' '.join(map(str, sorted(moments)))}")


def read_quietly(workdir: Path) -> list[dict[str, Any]]:
    with heard():
        return read_metrics(Workdir(workdir).metrics)


PHASES = ("compiling", "training", "measuring", "saving")


def signals(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """SIGTERM, SIGINT, SIGHUP and SIGUSR1, each `count` times: in the compile, the steps, a report, a save in turn."""
    failures, slowest = [], dict.fromkeys(PHASES, 0.0)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    cases = [(number, PHASES[(turn + at) % len(PHASES)]) for at, number in enumerate(numbers) for turn in range(count)]
    with closing(Server(place)) as server:
        for case, (number, phase) in enumerate(cases):
            workdir = folder / str(case)
            child = server.start(workdir)
            _wait_for(workdir, phase, child.lives, dice)
            begun = time.monotonic()
            child.kill(number)
            status = child.wait()
            slowest[phase] = max(slowest[phase], time.monotonic() - begun)
            said = server.said()
            stopped = re.search(r"stopped at step (\d+), ", said)
            rows = read_quietly(workdir)
            logged = rows[-1]["step"] if rows else 0
            if status != 128 + number and not (status == 0 and logged == STEPS):  # or it was over before
                failures.append(f"{number.name} while {phase}: exit status {status}: {said[-300:]}")
                continue
            saved = [int(path.name) for path in Workdir(workdir).last.glob("[0-9]*")]
            if max(saved, default=0) < logged or (stopped and int(stopped[1]) != logged):
                failures.append(f"{number.name} while {phase}: logged up to {logged}, saved {saved}")
            elif wrong := _finish(place, server, workdir):
                failures.append(f"{number.name} while {phase}: {wrong}")
            shutil.rmtree(workdir)
    note = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in slowest.items())
    return Tally(len(cases), failures, f"slowest from the signal to the end: {note}")


def _wait_for(workdir: Path, phase: str, lives: Callable[[], bool], dice: random.Random) -> None:
    """Until the run says that it is in this phase."""
    path, word = Workdir(workdir).status, f'"phase": "{phase}"'
    while lives():
        try:
            if word in path.read_text():
                break
        except OSError:
            pass
        time.sleep(0.0005)
    time.sleep(dice.uniform(0, 0.01))


def _flip(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    bit = dice.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def _cut(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def _empty(path: Path, dice: random.Random) -> None:
    del dice
    path.write_bytes(b"")


def _delete(path: Path, dice: random.Random) -> None:
    del dice
    path.unlink()


def _empty_folder(path: Path, dice: random.Random) -> None:
    del dice
    shutil.rmtree(path.parent)
    path.parent.mkdir()


DAMAGE = {"cut short": _cut, "emptied": _empty, "deleted": _delete, "its folder emptied": _empty_folder}


class Kind(NamedTuple):
    """A kind of file, and who reads it."""

    files: list[str]  # in the folder
    read: Callable[[Path], Any]  # of the folder: what is equal where nothing was changed


def _all(folder: Path, below: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / below).rglob("*")
                  if path.is_file() and path.stat().st_size)  # fmt: skip


def _kinds(place: Place, folder: Path) -> list[tuple[str, Path, Kind]]:
    """Every kind of a run, of a prepared set and of an export; the sound folder of each."""
    run, exported = place.whole, folder / "export"
    if not exported.exists():
        write_export(load_predictor(run), exported, platforms=("cpu",), checked=False)
    best = Workdir(run).best / str(load_predictor(run).step)

    def data(path: Path) -> Any:
        dataset = read_prepared(path)
        return dataset.key, dataset.fps, [(clip.name, clip.split, clip.frames.tobytes()) for clip in dataset.clips]

    def export(path: Path) -> Any:
        opened = load_exported(path)
        return opened.card, opened.card.read(path / "example.npz")

    return [
        ("config.json", run, Kind(["config.json"], lambda path: Workdir(path).read_experiment())),
        ("space.json", run, Kind(["space.json"], lambda path: Workdir(path).read_space().to_json())),
        ("metrics.jsonl", run, Kind(["metrics.jsonl"], lambda path: read_metrics(Workdir(path).metrics))),
        ("status.json", run, Kind(["status.json"], lambda path: read_status(path, verify=False).status)),
        ("a checkpoint", run, Kind(_all(run, str(best.relative_to(run))), predicted)),
        ("a run, by status", run, Kind(_all(run, str(best.relative_to(run))), _soundness)),
        ("prepared manifest.json", place.data, Kind(["manifest.json"], data)),
        ("prepared frames.npy", place.data, Kind(["frames.npy"], data)),
        ("export model.json", exported, Kind(["model.json"], export)),
        ("export program", exported, Kind(["model.stablehlo", "example.npz"], export)),
    ]


def _soundness(path: Path) -> Any:
    """The status of a run; a checkpoint that it calls unsound is told of, and counts as a refusal."""
    watched = read_status(path)
    if bad := [saved for saved in watched.checkpoints if not saved.sound]:
        raise UserError(f"{path}: {bad[0]}")
    return predicted(path)


def _read(kind: Kind, copy: Path, sound: Any) -> str:
    """What is wrong with how a damaged folder is read; empty if it is told of, or the values are the same."""
    with heard() as said:
        try:
            found = kind.read(copy)
        except UserError as error:
            told = str(error)
            return "" if str(copy) in told and "\n" not in told else f"tells no file, or several lines: {told[:200]}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    if found == sound:
        return ""
    return "" if any(str(copy) in line for line in said) else "silently read as something else"


def bit_flips(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """`count` flipped bits in each kind of file, one at a time."""
    failures, kinds = [], _kinds(place, folder)
    for name, sound_folder, kind in kinds:
        copy = folder / "copy"
        shutil.copytree(sound_folder, copy)
        sound = kind.read(copy)
        for _ in range(count):
            path = copy / dice.choice(kind.files)
            before = path.read_bytes()
            _flip(path, dice)
            if wrong := _read(kind, copy, sound):
                failures.append(f"{name} ({path.relative_to(copy)}): {wrong}")
            path.write_bytes(before)
        shutil.rmtree(copy)
    return Tally(count * len(kinds), failures, f"{len(kinds)} kinds of files")


def other_damage(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Files cut short, emptied and deleted, folders emptied: `count` files of each kind (all where it has fewer)."""
    failures, tried = [], 0
    for name, sound_folder, kind in _kinds(place, folder):
        for file in dice.sample(kind.files, min(count, len(kind.files))):
            for damage, act in DAMAGE.items():
                copy = folder / "copy"
                shutil.copytree(sound_folder, copy)
                sound = kind.read(copy)
                act(copy / file, dice)
                tried += 1
                wrong = _read(kind, copy, sound)
                # a log cut at the end of a line is a shorter log, and none is the log of a run that has not begun;
                # whoever goes on with the run knows how many rows there were; without status.json the log tells
                free = name in ("metrics.jsonl", "status.json")
                if wrong and not (free and wrong.startswith("silently")):
                    failures.append(f"{name} ({file}) {damage}: {wrong}")
                shutil.rmtree(copy)
    return Tally(tried, failures, ", ".join(DAMAGE))


def training_on(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """A run of which half is done goes on after damage to any of its files: the same end, or a refusal in one line."""
    half = folder / "half"
    train(place, half, **{"train.steps": STEPS // 2})
    failures = []
    files = [name for name in _all(half, ".") if not name.endswith(".lock")]
    acts = {"flipped": _flip, **DAMAGE}
    refused = 0
    for _ in range(count):
        file, (damage, act) = dice.choice(files), dice.choice(list(acts.items()))
        copy = folder / "copy"
        shutil.copytree(half, copy)
        if not (copy / file).stat().st_size or (damage == "its folder emptied" and "/" not in file):
            damage, act = "deleted", _delete
        act(copy / file, dice)
        with heard():
            try:
                train(place, copy)
                rows = [(row["kind"], row["step"]) for row in read_metrics(Workdir(copy).metrics)]
                step, digest, _ = ending(copy)
                if (step, digest) != ending(place.whole)[:2]:
                    failures.append(f"{file} {damage}: another end")
                elif len(set(rows)) < len(rows):
                    failures.append(f"{file} {damage}: rows twice")
            except UserError as error:
                refused += 1
                if "\n" in str(error) or str(copy) not in str(error):
                    failures.append(f"{file} {damage}: {error}")
            except Exception as error:
                failures.append(f"{file} {damage}: {type(error).__name__}: {error}")
        shutil.rmtree(copy)
    return Tally(count, failures, f"{refused} refused in one line, the others ended bitwise equal")


def one_bad_of_several(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """A damaged record among several runs: the others are opened, and a line tells of it."""
    failures = []
    for name in ("a", "b", "c"):
        shutil.copytree(place.whole, folder / name)
    for _ in range(count):
        path = folder / "b" / "config.json"
        before = path.read_bytes()
        dice.choice([_flip, _cut, _empty])(path, dice)
        with heard() as said:
            try:
                found = len(open_runs([folder]))
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
        if found != 3 and not (found == 2 and any(str(folder / "b") in line for line in said)):
            failures.append(f"{found} of 3 opened")
        path.write_bytes(before)
    return Tally(count, failures)


@contextmanager
def _small_disk(folder: Path, kib: int) -> Iterator[Path | None]:
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
        with _small_disk(folder / f"disk-{name}".replace(" ", "-"), 16) as disk:
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
        with _small_disk(folder / f"disk{number}", dice.randrange(40, 300)) as disk:
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
        if wrong := _compare(place, workdir):
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
    with _small_disk(folder / "disk", 4096) as disk:
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


def two_runs(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """A second training on the folder of one that goes on: refused; the first ends as if nothing had been."""
    del dice
    failures = []
    with closing(Server(place)) as first, closing(Server(place._replace(root=_beside(place)))) as second:
        for number in range(count):
            workdir = folder / str(number)
            child = first.start(workdir)
            _wait_for(workdir, "compiling", child.lives, random.Random(0))
            status = second.start(workdir).wait()
            if status != 2 or "another run is writing there" not in second.said():
                failures.append(f"the second: exit status {status}: {second.said()[-200:]}")
            if status := child.wait():
                failures.append(f"the first: exit status {status}: {first.said()[-200:]}")
            elif wrong := _compare(place, workdir):
                failures.append(f"the first: {wrong}")
    return Tally(count, failures)


def _beside(place: Place) -> Path:
    """A place of its own for the second server's log, with the same config."""
    root = place.root / "second"
    root.mkdir(exist_ok=True)
    shutil.copy(place.config, root / "config.py")
    return root


def other_runs(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Another config, other data, shapes and settings of JAX on the folder of a run: refused, nothing is changed."""
    del count, dice
    copy = shutil.copytree(place.whole, folder / "copy")
    before = {name: (copy / name).read_bytes() for name in _all(copy, ".")}
    other = dataclasses.replace(place.task, data_key="other")
    failures = []

    def in_x64() -> None:
        jax.config.update("jax_enable_x64", True)
        try:
            train(place, copy)
        finally:
            jax.config.update("jax_enable_x64", False)

    def with_other_draws() -> None:
        jax.config.update("jax_default_prng_impl", "rbg")
        try:
            train(place, copy)
        finally:
            jax.config.update("jax_default_prng_impl", "threefry2x32")

    cases: dict[str, Callable[[], object]] = {
        "learning rate": lambda: train(place, copy, **{"optim.learning_rate": 0.1}),
        "seed": lambda: train(place, copy, **{"train.seed": 1}),
        "width": lambda: train(place, copy, **{"model.hidden": 5}),
        "optimiser": lambda: train(place, copy, **{"optim.name": "sgd"}),
        "precision": lambda: train(place, copy, **{"compute.precision": "bf16"}),
        "data": lambda: train(place, copy, task=other),
        "x64": in_x64,
        "PRNG": with_other_draws,
    }
    for name, act in cases.items():
        try:
            with heard():
                act()
            failures.append(f"{name}: nothing was said")
        except UserError as error:
            if "\n" in str(error):
                failures.append(f"{name}: several lines: {error}")
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    after = {name: (copy / name).read_bytes() for name in _all(copy, ".")}
    if before != after:
        failures.append(f"changed: {[name for name in after if before.get(name) != after[name]]}")
    return Tally(len(cases), failures)


def wrong_numbers(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """NaN frames are refused; `count` times NaN gradients at random steps are skipped and counted; all NaN ends it."""
    failures = []
    dataset = read_prepared(place.data)
    frames = dataset.clips[0].frames.copy()
    frames[dice.randrange(len(frames)), dice.randrange(99)] = np.nan
    spoilt = dataclasses.replace(dataset.clips[0], frames=frames) if dataclasses.is_dataclass(dataset.clips[0]) else (
        dataset.clips[0]._replace(frames=frames))  # fmt: skip
    clips = (spoilt, *dataset.clips[1:])
    broken = dataclasses.replace(dataset, clips=clips) if dataclasses.is_dataclass(dataset) else (
        dataset._replace(clips=clips))  # fmt: skip
    for name, act in {
        "prepare": lambda: write_dataset(broken, folder / "data", {}, ()),
        "train": lambda: Forecasting.of(place.experiment, broken),
    }.items():
        try:
            act()
            failures.append(f"NaN frames, {name}: nothing was said")
        except UserError:
            pass
        except Exception as error:
            failures.append(f"NaN frames, {name}: {type(error).__name__}: {error}")

    for number in range(count):
        bad = sorted(dice.sample(range(STEPS), 6))
        workdir = folder / str(number)
        train(place, workdir, task=_Spoilt.of(place.task, bad))
        rows = read_metrics(Workdir(workdir).metrics)
        skipped = [row for row in rows if row["kind"] == "train"][-1].get("skipped")
        if skipped != len(bad):
            failures.append(f"{skipped} skipped of {len(bad)}")
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(load_predictor(workdir, "last").params)):
            failures.append("parameters are not finite")
    try:
        train(place, folder / "all", task=_Spoilt.of(place.task, list(range(7, STEPS))))
        failures.append("all NaN: nothing was said")
    except UserError as error:
        found = re.search(r"--replay=(\S+) ", str(error))
        if not found or "\n" in str(error):
            failures.append(f"all NaN: {error}")
        elif not replay(read_batch(Path(found[1]), place.task), place.task, debug_nans=False):
            failures.append("the batch tells nothing")
    return Tally(3 + count, failures)


class _Spoilt:
    """A task whose gradient is NaN at some steps."""

    def __init__(self, task: Forecasting, bad: list[int]) -> None:
        self._task, self._bad = task, jnp.asarray(bad)

    @classmethod
    def of(cls, task: Forecasting, bad: list[int]) -> _Spoilt:
        return cls(task, bad)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def loss_and_grad(self, params: Any, batch: Any, key: Any, step: Any) -> Any:
        loss, grad = self._task.loss_and_grad(params, batch, key, step)
        wrong = (step == self._bad).any()
        return loss, jax.tree.map(lambda leaf: jnp.where(wrong, jnp.nan, leaf), grad)


SAVER = """
import sys
from pathlib import Path
import numpy as np
from motion_jax.train.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), keep=1)
for step in range(100_000):
    checkpoints.save(step, {"w": np.arange(5000, dtype=np.float32) + step})
"""


def readers_during_saves(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """`count` readings while another process saves without a pause: each gets one of the checkpoints."""
    del place, dice
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, "-c", SAVER, str(folder / "last")], env=environment)
    failures, abstract = [], {"w": jax.ShapeDtypeStruct((5000,), jnp.float32)}
    try:
        while child.poll() is None and not list((folder / "last").glob("*/commit_success.txt")):
            time.sleep(0.01)
        for _ in range(count):
            try:
                with closing(Checkpoints(folder / "last")) as checkpoints:
                    found = checkpoints.restore(abstract)
                if found is None or float(found[1]["w"][1]) != found[0] + 1:
                    failures.append(f"found {found and found[0]}")
            except UserError as error:
                failures.append(str(error))
        if child.poll() is not None:
            failures.append(f"the saver ended with exit status {child.returncode}")
    finally:
        child.kill()
        child.wait()
    return Tally(count, failures)


class Case(NamedTuple):
    """A row of the table."""

    title: str
    fault: Fault
    short: int
    long: int


CASES = {
    "kill": Case("kill -9 at a random moment", kill_nine, 1, 50),
    "signals": Case("SIGTERM, SIGINT, SIGHUP, SIGUSR1 (compile, steps, report, save)", signals, 1, 10),
    "flips": Case("a flipped bit, by kind of file", bit_flips, 2, 20),
    "damage": Case("files cut short, emptied, deleted; folders emptied: readers", other_damage, 1, 20),
    "resumed": Case("the same, and flipped bits: training goes on", training_on, 4, 60),
    "several": Case("one damaged run among three", one_bad_of_several, 2, 20),
    "disk": Case("full disk", full_disk, 1, 10),
    "folders": Case("read-only and missing folders", forbidden_folders, 1, 1),
    "two": Case("two trainings on one folder", two_runs, 1, 5),
    "others": Case("another config, data, shape, precision, x64, PRNG", other_runs, 1, 1),
    "numbers": Case("NaN frames, NaN gradients", wrong_numbers, 1, 10),
    "readers": Case("readers while another process saves", readers_during_saves, 10, 200),
}
