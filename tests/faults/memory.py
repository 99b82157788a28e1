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

EVERY_S = 0.25  # between two samples
SAVE_EVERY = 20_000  # updates, some seconds, if nothing else is asked; a report every other time
WARM_S = 300.0
"""Of a long run, which are not counted; of a shorter one the first third. Until then buffers and caches fill."""
GROWTH_BYTES = 8 << 20
"""What may be more at the end, whatever was done: arenas of the allocator, whose pieces differ by chance. It is less
than a hundred bytes an update."""
STARTING_BYTES = 64 << 20
"""What a run that is shorter than the warming up may take besides."""
SAVE_BYTES = 24 << 10
"""What a checkpoint may leave behind. TensorStore (0.1.86) loses some 10 kB with each: the Python objects that it
makes of the specification of where an array lies, one a leaf of the state, are never freed."""


def flat_memory(place: Place, count: int, dice: random.Random, folder: Path, save_every: int = SAVE_EVERY) -> Tally:
    """Trains for `count` seconds at full speed, with reports and checkpoints: the resident memory stays as it is.

    What counts is the median of the last tenth of the samples over that of the first tenth after warming up.
    """
    del dice
    flags = [
        "--config.train.steps=1000000000",
        f"--config.train.report_every={2 * save_every}",
        f"--config.train.checkpoint_every={save_every}",
    ]
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
    saves = {row["step"] // save_every for row in rows}
    allowed = GROWTH_BYTES + SAVE_BYTES * len(saves) + STARTING_BYTES * (count <= WARM_S)
    note = (f"{count} s, {rows[-1]['step']} updates, {len(saves)} checkpoints: {before / 1e6:.1f} MB after warming up, "
            f"{after / 1e6:.1f} MB at the end, at most {max(warm) / 1e6:.1f} MB")  # fmt: skip
    return Tally(1, [f"{note}: grew by more than {allowed / 1e6:.1f} MB"] if after - before > allowed else [], note)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
