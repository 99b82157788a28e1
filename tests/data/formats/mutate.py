"""Reads broken motion files by the thousand: each must be refused, or read, in bounded time and memory.

    python -m tests.data.formats.mutate [--count=10000] [--seed=0] [--samples=FOLDER] [--only=SUFFIX,...]

Samples are the small files beside this one, and those below FOLDER (a checkout's ../shared/data/formats). Every input
is read in a process of its own kind that may take 1 GiB beyond what it had when it started, and 2 s of CPU time.
Prints the outcomes by format, the slowest and the largest. Exit status 1 if anything but `UserError` came out.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats import FORMATS, read_markers, read_motion, write_motion
from motion_jax.errors import UserError
from tests.data.formats import c3d_bytes, mutations

CPU_SECONDS = 2.0
MEMORY = 1 << 30
PATIENCE = 60.0  # wall seconds for one input, on a machine that is busy with other things
HERE = Path(__file__).parent / "samples"
TEXT_SUFFIXES = (".bvh", ".amc", ".asf", ".htr", ".bva", ".txt")


class Sample(NamedTuple):
    """A sound file, and what must lie beside it."""

    suffix: str  # of the file that is broken
    data: bytes
    beside: bytes = b""  # the other of .amc and .asf


class Outcome(NamedTuple):
    """What reading one input came to."""

    suffix: str
    verdict: str  # "read", "refused", or a fault
    cpu_seconds: float
    megabytes: float
    detail: str = ""


class _OverTime(BaseException):
    """Not an `Exception`, which readers may catch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=Path, default=Path(__file__).parents[4] / "shared" / "data" / "formats")
    parser.add_argument("--only", default="", help="suffixes, separated by commas")
    options = parser.parse_args()
    samples = collect(options.samples)
    if options.only:
        samples = {suffix: samples[suffix] for suffix in options.only.split(",")}
    print(f"samples: {', '.join(f'{len(own)} {suffix}' for suffix, own in samples.items())}", flush=True)
    outcomes = run(samples, options.count, options.seed)
    sys.exit(report(outcomes))


def collect(folder: Path) -> dict[str, list[Sample]]:
    """Samples by suffix."""
    samples: dict[str, list[Sample]] = {suffix: [] for suffix in TEXT_SUFFIXES}
    for suffix in (".bvh", ".htr", ".bva"):
        files = [*HERE.glob(f"*{suffix}"), *sorted(folder.rglob(f"*{suffix}"))]
        samples[suffix] = [Sample(suffix, file.read_bytes()) for file in files]
    pairs = [(HERE / "small.asf", HERE / "small.amc")]
    pairs += [(file.with_name(f"{file.stem[:2]}.asf"), file) for file in sorted(folder.rglob("*.amc"))]
    for asf, amc in pairs:
        samples[".amc"].append(Sample(".amc", _whole_frames(amc.read_bytes(), 3000), asf.read_bytes()))
        samples[".asf"].append(Sample(".asf", asf.read_bytes(), _whole_frames(amc.read_bytes(), 100)))
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "small.npz"
        write_motion(read_motion(HERE / "small.bvh"), archive)
        samples[".npz"] = [Sample(".npz", archive.read_bytes())]
    rows = np.random.default_rng(0).normal(size=(6, 117)).round(5)
    for columns in (99, 117):
        text = "".join(",".join(map(str, row[:columns])) + "\n" for row in rows)
        samples[".txt"].append(Sample(".txt", text.encode()))
    samples[".c3d"] = [Sample(".c3d", c3d_bytes.build()), Sample(".c3d", c3d_bytes.build(others=4, others_told=2))]
    samples[".c3d"] += [Sample(".c3d", file.read_bytes()) for file in sorted(folder.rglob("*.c3d"))]
    return samples


def _whole_frames(motion: bytes, most: int) -> bytes:
    """The frames of an .amc file that end within its first lines."""
    lines = motion.splitlines(keepends=True)
    if len(lines) > most:
        lines = lines[: max(number for number in range(most) if lines[number].strip().isdigit())]
    return b"".join(lines)


def break_one(samples: dict[str, list[Sample]], seed: int, index: int) -> Sample:
    """The input of a number, always the same."""
    dice = np.random.default_rng([seed, index])
    suffix = list(samples)[index % len(samples)]
    own = samples[suffix]
    sample = own[0] if dice.integers(0, 3) == 0 else own[dice.integers(0, len(own))]
    special = _special(dice, own[0])
    if special:
        return special
    data = sample.data
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        kinds = mutations.TEXT if suffix in TEXT_SUFFIXES else mutations.BINARY
        data = kinds[dice.integers(0, len(kinds))](dice, data or b"\n")
    return sample._replace(data=data)


def _special(dice: mutations.Dice, first: Sample) -> Sample | None:
    """Once in a while an input that is made to hurt one format."""
    if first.suffix == ".npz" and (way := dice.integers(0, 3)) < 2:
        return first._replace(data=mutations.bomb(dice) if way else mutations.change_array(dice, first.data))
    if dice.integers(0, 25):
        return None
    depth = int(dice.choice([300, 900, 5000, 8000]))
    frames = int(dice.choice([1, 1000, 300000]))
    makers = {
        ".bvh": lambda: Sample(".bvh", mutations.deep_bvh(depth, frames)),
        ".asf": lambda: Sample(".asf", mutations.deep_asf(depth), mutations.long_amc(frames)),
        ".htr": lambda: Sample(".htr", mutations.deep_htr(depth, first.data)),
    }
    return makers[first.suffix]() if first.suffix in makers else None


def run(samples: dict[str, list[Sample]], count: int, seed: int) -> list[Outcome]:
    """Reads the inputs 0 to `count`, in a process that is started anew where one dies or hangs."""
    outcomes: list[Outcome] = []
    context = multiprocessing.get_context("fork")
    while len(outcomes) < count:
        ours, theirs = context.Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jax warns of forks; it has not begun to work here
            worker = context.Process(target=_work, args=(theirs, samples, seed, len(outcomes), count))
            worker.start()
        theirs.close()
        try:
            while len(outcomes) < count and ours.poll(PATIENCE):
                outcomes.append(ours.recv())
                if len(outcomes) % 1000 == 0:
                    print(f"{len(outcomes)} of {count}", flush=True)
            late = "hang" if len(outcomes) < count else ""
        except EOFError:
            late = "crash"
        if late and len(outcomes) < count:
            suffix = list(samples)[len(outcomes) % len(samples)]
            outcomes.append(Outcome(suffix, late, 0, 0, f"input {len(outcomes)}"))
        worker.kill()
        worker.join()
    return outcomes


def _work(pipe: Connection, samples: dict[str, list[Sample]], seed: int, first: int, count: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    signal.signal(signal.SIGPROF, _raise_over_time)
    with tempfile.TemporaryDirectory() as scratch:
        for index in range(first, count):
            sample = break_one(samples, seed, index)
            path = _place(Path(scratch), sample)
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            outcome = _read(path, sample.suffix, index)
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            pipe.send(outcome)


def _raise_over_time(*_: object) -> None:
    raise _OverTime


def _place(folder: Path, sample: Sample) -> Path:
    """Writes an input; returns the file to be read."""
    if sample.suffix in (".amc", ".asf"):
        other = {".amc": ".asf", ".asf": ".amc"}[sample.suffix]
        (folder / f"pair{other}").write_bytes(sample.beside)
        (folder / f"pair{sample.suffix}").write_bytes(sample.data)
        return folder / "pair.amc"
    path = folder / f"input{sample.suffix}"
    path.write_bytes(sample.data)
    return path


def _read(path: Path, suffix: str, index: int) -> Outcome:
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
    before, begun = _megabytes("VmRSS"), time.process_time()
    verdict, detail = "read", ""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        (read_markers if suffix == ".c3d" else read_motion)(path)
    except UserError as error:
        verdict, detail = "refused", str(error)
    except _OverTime:
        verdict, detail = "over time", f"input {index}: {traceback.format_exc(limit=-3)}"
    except BaseException as error:
        verdict, detail = type(error).__name__, f"input {index}: {traceback.format_exc(limit=-3)}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if verdict == "refused" and (path.stem not in detail or len(detail) > 1000):
        verdict, detail = "bad message", f"input {index}: {detail[:500]}"
    taken = _megabytes("VmHWM") - before
    if taken > MEMORY / (1 << 20):
        verdict, detail = "over memory", f"input {index}: {taken:.0f} MB"
    return Outcome(suffix, verdict, time.process_time() - begun, taken, detail)


def _megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def report(outcomes: list[Outcome]) -> int:
    """Prints what came out; returns the exit status."""
    counts = collections.Counter((outcome.suffix, outcome.verdict) for outcome in outcomes)
    for (suffix, verdict), count in sorted(counts.items()):
        print(f"{suffix:5} {verdict:12} {count}")
    slowest = max(outcomes, key=lambda outcome: outcome.cpu_seconds)
    largest = max(outcomes, key=lambda outcome: outcome.megabytes)
    print(f"slowest: {slowest.cpu_seconds:.2f} s of CPU ({slowest.suffix}); ", end="")
    print(f"largest: {largest.megabytes:.0f} MB ({largest.suffix})")
    faults = [outcome for outcome in outcomes if outcome.verdict not in ("read", "refused")]
    for fault in faults[:20]:
        print(f"FAULT {fault.suffix} {fault.verdict}: {fault.detail}")
    refused = sum(outcome.verdict == "refused" for outcome in outcomes)
    print(
        f"{len(outcomes)} inputs: {refused} refused, {len(outcomes) - refused - len(faults)} read, {len(faults)} faults"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    assert ".bvh" in FORMATS
    main()
