"""The memory of a process that trains for long."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from tests.faults.runs import Place, serve
from tests.faults.stops import read_quietly, wait_for
from tests.faults.tally import Tally

EVERY_S = 0.25
WARM_S = 300.0
"""Of a long run, which are not counted; of a shorter one the first third. Until then buffers and caches fill."""
GROWTH_BYTES = 8 << 20
"""What may be more at the end, whatever was done: arenas of the allocator, whose pieces differ by chance. A long run
saves and reports some ten thousand times, so that one kilobyte that each of them leaves behind is more than this."""


def flat_memory(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Trains for `count` seconds at full speed, with reports and checkpoints: the resident memory stays as it is.

    What counts is the median of the last tenth of the samples over that of the first tenth after warming up.
    """
    del dice
    flags = ["--config.train.steps=1000000000", "--config.train.report_every=100", "--config.train.checkpoint_every=50"]
    samples: list[tuple[float, int]] = []
    with closing(serve(place)) as server:
        child = server.start(*place.flags(folder / "run"), *flags)
        wait_for(folder / "run", "training", child.lives, random.Random(0))
        begun = time.monotonic()
        while child.lives() and (at := time.monotonic() - begun) < count:
            samples.append((at, _resident(child.pid)))
            time.sleep(EVERY_S)
        child.kill(signal.SIGTERM)
        status, said = child.wait(), server.said()
    rows = read_quietly(folder / "run")
    (folder / "memory.csv").write_text("".join(f"{at:.2f},{size}\n" for at, size in samples))
    if status != 128 + signal.SIGTERM:
        return Tally(1, [f"exit status {status}: {said[-300:]}"])
    warm = [size for at, size in samples if at >= min(WARM_S, count / 3)]
    tenth = max(1, len(warm) // 10)
    before, after = median(warm[:tenth]), median(warm[-tenth:])
    grown = after - before
    reports = sum(row["kind"] == "report" for row in rows)
    note = (f"{count} s, {rows[-1]['step']} updates, {reports} reports: {before / 1e6:.1f} MB after warming up, "
            f"{after / 1e6:.1f} MB at the end, at most {max(warm) / 1e6:.1f} MB")  # fmt: skip
    return Tally(1, [f"{note}: grew by more than {GROWTH_BYTES / 1e6:.1f} MB"] if grown > GROWTH_BYTES else [], note)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
