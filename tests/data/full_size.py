"""Prepares and opens a tree as large as Human3.6M's, and says what that takes.

    python -m tests.data.full_size FOLDER [--subjects=7] [--rows=2000] [--keep]

Writes 7 subjects x 15 actions x 2 trials = 210 made-up files of 99 columns, some 435 MB of text, below FOLDER; runs
`launch.prepare` on them; then opens the prepared folder, and reads all of its frames, each in a process of its own.
Prints seconds, CPU seconds, the highest resident memory of each, and MB of text a second. Memory must not grow with
--subjects. What was written is deleted at the end, unless --keep is given.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from motion_jax.data.datasets import h36m

OPEN = """
import sys
from motion_jax.config import DataConfig
from motion_jax.data.cache import open_dataset
dataset = open_dataset(DataConfig(name="h36m", root=sys.argv[1]))
if sys.argv[2] == "read":
    print(sum(float(clip.frames.sum()) for clip in dataset.clips))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subjects", type=int, default=len(h36m.LAYOUT.groups))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    tree, prepared = options.folder / "text" / "dataset", options.folder / "prepared"
    size = _write_tree(tree, options.subjects, options.rows)
    print(f"{size / 1e6:.0f} MB of text, {options.subjects} of {len(h36m.LAYOUT.groups)} subjects", flush=True)
    module = [sys.executable, "-m"]
    _measure("import alone", [sys.executable, "-c", "import motion_jax"])
    arguments = ["--dataset=h36m", f"--source={tree}", f"--out={prepared}", "--overwrite"]
    seconds = _measure("launch.prepare", [*module, "launch.prepare", *arguments])
    print(f"  {size / 1e6 / seconds:.0f} MB of text a second; {_size(prepared) / 1e6:.0f} MB prepared")
    _measure("open", [sys.executable, "-c", OPEN, str(prepared), "open"])
    _measure("open and read", [sys.executable, "-c", OPEN, str(prepared), "read"])
    if not options.keep:
        shutil.rmtree(tree.parent)
        shutil.rmtree(prepared)


def _write_tree(tree: Path, subjects: int, rows: int) -> int:
    """One closed movement of sines, which every file begins at another of its rows; returns the bytes written."""
    rng = np.random.default_rng(0)
    phase, turns = rng.uniform(0, 2 * np.pi, h36m.LAYOUT.columns), rng.integers(1, 20, h36m.LAYOUT.columns)
    frames = 0.3 * np.sin(2 * np.pi * np.arange(rows)[:, None] / rows * turns + phase)
    lines = [",".join(f"{value:.7f}" for value in row) + "\n" for row in frames]
    folders = {group.folder for group in h36m.LAYOUT.groups[:subjects]}
    paths = [trial.path for trial in h36m.LAYOUT.trials(h36m.LAYOUT.actions) if Path(trial.path).parent.name in folders]
    for number, path in enumerate(paths):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        begin = number * rows // len(paths)
        (tree / path).write_text("".join(lines[begin:] + lines[:begin]))
    return _size(tree)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _measure(name: str, command: list[str]) -> float:
    """Runs a command to its end, prints what it took and returns its seconds."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        sys.exit(f"{name} failed with exit status {os.waitstatus_to_exitcode(status)}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6
    print(f"{name}: {seconds:.2f} s, {cpu:.2f} s of CPU, peak {peak:.0f} MB resident", flush=True)
    return seconds


if __name__ == "__main__":
    main()
