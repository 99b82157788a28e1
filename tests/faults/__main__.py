"""Disturbs small runs in every way that `cases.py` knows, and prints a table: so often tried, so often survived.

    python -m tests.faults [--only=kill,flips] [--kills=50] [--minutes=30] [--save_every=20000]
        [--scale=1.0] [--seed=0]

Exit status 1 if anything was not survived; each such case is printed. As root it also mounts small file systems.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "1")

import jax

from tests.faults.cases import CASES
from tests.faults.memory import SAVE_EVERY, flat_memory
from tests.faults.runs import make_place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--kills", type=int, default=0, help="how many kill -9")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long memory is watched")
    parser.add_argument("--save_every", type=int, default=SAVE_EVERY, help="updates to a checkpoint meanwhile")
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="faults-"))
    jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compiled")
    for name, value in (("jax_persistent_cache_min_compile_time_secs", 0.0),
                        ("jax_persistent_cache_min_entry_size_bytes", -1)):  # fmt: skip
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)
    place, failed = make_place(folder / "place"), 0
    print("| fault | tried | survived | s | |\n| --- | ---: | ---: | ---: | --- |", flush=True)
    for name in options.only.split(","):
        case = CASES[name]
        given = {"kill": options.kills, "memory": round(60 * options.minutes)}.get(name)
        count = given or max(1, round(options.scale * case.long))
        where, begun = folder / name, time.monotonic()
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir()
        fault = partial(flat_memory, save_every=options.save_every) if name == "memory" else case.fault
        tally = fault(place, count, random.Random(options.seed), where)
        seconds = time.monotonic() - begun
        print(f"| {case.title} | {tally.tried} | {tally.survived} | {seconds:.0f} | {tally.note} |", flush=True)
        for failure in tally.failures:
            print(f"not survived: {name}: {failure}", file=sys.stderr, flush=True)
        failed += len(tally.failures)
    if not options.folder:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
