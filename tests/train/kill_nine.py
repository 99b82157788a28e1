"""Kills a training ten times at random moments and compares what it ends with to a run that nothing disturbed.

    python tests/train/kill_nine.py CONFIG FOLDER [--kills=10] [--seed=0] [-- --config.train.steps=400 ...]

Runs `launch.train` in FOLDER/whole, then in FOLDER/killed with `kill -9` after random delays until it ends by itself.
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
from motion_jax.optim import make_optimizer
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.log import read_metrics
from motion_jax.train.state import abstract_state
from motion_jax.train.workdir import Workdir


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    command = [sys.executable, "-m", "launch.train", f"--config={options.config}", *options.overrides]
    whole, killed = options.folder / "whole", options.folder / "killed"
    begun = time.monotonic()
    subprocess.run([*command, f"--workdir={whole}"], check=True, capture_output=True)
    seconds = time.monotonic() - begun
    print(f"undisturbed: {seconds:.1f} s")
    _kill([*command, f"--workdir={killed}"], killed, options.kills, seconds, random.Random(options.seed))
    results = [_summary(whole), _summary(killed)]
    for folder, (step, sha256, rows) in zip((whole, killed), results, strict=True):
        print(f"{folder}: step {step}, {rows.count(',')} rows, state sha256 {sha256}")
    sys.exit(results[0] != results[1])


def _kill(command: list[str], folder: Path, kills: int, seconds: float, dice: random.Random) -> None:
    """Starts the run until it ends by itself; the first `kills` times it is killed within half of its whole time."""
    for number in range(1, kills + 1):
        delay = dice.uniform(0, 0.5) * seconds
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
        status = process.wait()
        rows = read_metrics(folder / "metrics.jsonl")
        print(f"kill {number}: after {delay:.2f} s, exit {status}, log at step {rows[-1]['step'] if rows else 0}")
    subprocess.run(command, check=True, capture_output=True)


def _summary(folder: Path) -> tuple[int, str, str]:
    """Last step, sha256 of the state, and the steps of the log."""
    run = Workdir(folder)
    experiment, space = run.read_experiment(), run.read_space()
    abstract = abstract_state(make(experiment, space), make_optimizer(experiment.optim))
    restored = Checkpoints(run.last).restore(abstract)
    if restored is None:
        sys.exit(f"{folder} holds no checkpoint")
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(restored[1])]
    rows = "".join(f"{row['kind']} {row['step']}," for row in read_metrics(run.metrics))
    return restored[0], hashlib.sha256(b"".join(leaves)).hexdigest(), rows


if __name__ == "__main__":
    main()
