"""Kills a training ten times at random moments and compares what it ends with to a run that nothing disturbed.

    python -m tests.train.kill_nine CONFIG FOLDER [--kills=10] [--seed=0] [-- --config.train.steps=400 ...]

Runs `launch.train` in FOLDER/whole, then in FOLDER/killed, there with `kill -9` at random moments after the first row
of its log, so that each attempt gets some way and none has a whole run's time; the last one ends by itself.
Prints every kill, and the sha256 over the state (parameters, optimiser, key) that each run ended with. Exit status 1
if they differ, or if the logs do not hold the same steps, each once.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

from motion_jax.models import make
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import read_metrics
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import abstract_state
from motion_jax.train.workdir import Workdir


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options, overrides = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1 :]
    command = [sys.executable, "-m", "launch.train", f"--config={options.config}", *overrides]
    whole, killed = options.folder / "whole", options.folder / "killed"
    process = _start([*command, f"--workdir={whole}"], whole)
    begun = time.monotonic()
    if process.wait():
        sys.exit(f"the undisturbed run failed with exit status {process.returncode}")
    seconds = time.monotonic() - begun
    print(f"undisturbed: {seconds:.1f} s from the first row of the log to the end", flush=True)
    dice = random.Random(options.seed)
    for number in range(1, options.kills + 1):
        _kill([*command, f"--workdir={killed}"], killed, number, dice.uniform(0, 2 * seconds / options.kills))
    subprocess.run([*command, f"--workdir={killed}"], check=True, capture_output=True)
    results = [_summary(whole), _summary(killed)]
    for folder, (step, sha256, rows) in zip((whole, killed), results, strict=True):
        print(f"{folder}: step {step}, {rows.count(',')} rows, state sha256 {sha256}")
    sys.exit(results[0] != results[1])


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Starts a run and returns when it has written a row, or is over."""
    log, begun, opened = folder / "metrics.jsonl", time.time_ns(), None
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if log.exists() and log.stat().st_mtime_ns > begun:  # opened by this run, which writes what it keeps first
            size = log.stat().st_size
            opened = size if opened is None else opened
            if size > opened:
                break
        time.sleep(0.01)
    return process


def _kill(command: list[str], folder: Path, number: int, delay: float) -> None:
    process = _start(command, folder)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.kill()
    status = process.wait()
    rows = read_metrics(folder / "metrics.jsonl")
    saved = sorted(int(path.name) for path in Workdir(folder).last.iterdir() if path.name.isdigit())
    step = rows[-1]["step"] if rows else 0
    print(f"kill {number}: {delay:.2f} s later, exit {status}, log at step {step}, checkpoints {saved}", flush=True)


def _summary(folder: Path) -> tuple[int, str, str]:
    """Last step, sha256 of the state, and the steps of the log."""
    run = Workdir(folder)
    experiment, space = run.read_experiment(), run.read_space()
    abstract = abstract_state(make(experiment, space), make_optimizer(experiment))
    restored = Checkpoints(run.last).restore(abstract)
    if restored is None:
        sys.exit(f"{folder} holds no checkpoint")
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(restored[1])]
    rows = "".join(f"{row['kind']} {row['step']}," for row in read_metrics(run.metrics))
    return restored[0], hashlib.sha256(b"".join(leaves)).hexdigest(), rows


if __name__ == "__main__":
    main()
