"""Processes that are killed, or told to stop, at any moment."""

from __future__ import annotations

import random
import re
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from motion_jax.train.log import read_metrics
from motion_jax.train.workdir import Workdir
from tests.faults.runs import STEPS, Place, heard, serve
from tests.faults.tally import Tally, finish
from tests.training_server import Server


def _time_whole(place: Place, server: Server, folder: Path) -> tuple[float, float]:
    """Seconds of an undisturbed process, and of its updates, saves and reports."""
    begun = time.monotonic()
    child = server.start(*place.flags(folder / "timed"))
    wait_for(folder / "timed", "training", child.lives, random.Random(0))
    training = time.monotonic()
    assert child.wait() == 0, server.said()
    return time.monotonic() - begun, time.monotonic() - training


def kill_nine(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Killed at a random moment, then run to the end: in turn while updates are done, and of the whole process."""
    failures, moments = [], []
    with closing(serve(place)) as server:
        whole, training = _time_whole(place, server, folder)
        for number in range(count):
            workdir = folder / str(number)
            child = server.start(*place.flags(workdir))
            if number % 2 == 0:  # starting takes longer than these updates
                wait_for(workdir, "training", child.lives, dice)
            child.kill_after(dice.uniform(0, whole if number % 2 else training), signal.SIGKILL)
            child.wait()
            rows = read_quietly(workdir)
            moments.append(rows[-1]["step"] if rows else 0)
            if wrong := finish(place, server, workdir):
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
    with closing(serve(place)) as server:
        for case, (number, phase) in enumerate(cases):
            workdir = folder / str(case)
            child = server.start(*place.flags(workdir))
            wait_for(workdir, phase, child.lives, dice)
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
            elif wrong := finish(place, server, workdir):
                failures.append(f"{number.name} while {phase}: {wrong}")
            shutil.rmtree(workdir)
    note = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in slowest.items())
    return Tally(len(cases), failures, f"slowest from the signal to the end: {note}")


def wait_for(workdir: Path, phase: str, lives: Callable[[], bool], dice: random.Random) -> None:
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
