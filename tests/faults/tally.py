"""What came of a fault, and how an end is compared with that of the undisturbed run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from motion_jax.errors import UserError
from tests.faults.runs import Place, ending, heard
from tests.training_server import Server


class Tally(NamedTuple):
    """What came of a fault."""

    tried: int
    failures: list[str]
    note: str = ""

    @property
    def survived(self) -> int:
        return self.tried - len(self.failures)


Fault = Callable[[Place, int, random.Random, Path], Tally]


def compare(place: Place, workdir: Path) -> str:
    """How a run's end differs from that of the undisturbed one; empty if it does not."""
    step, digest, rows = ending(workdir)
    expected = ending(place.whole)
    if (step, digest) != expected[:2]:
        return f"ended at step {step} with another state"
    if rows != expected[2]:
        odd = [row for row in rows if row not in expected[2]] or [row for row in expected[2] if row not in rows]
        return f"other rows in the log: {odd[:1] or 'rows twice'}"
    return ""


def untold(act: Callable[[], object], must_fail: bool = True) -> str:
    """How a mistake was told otherwise than by a `UserError` of one line; empty if it was not."""
    try:
        with heard():
            act()
    except UserError as error:
        return f"several lines: {error}" if "\n" in str(error) else ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was said" if must_fail else ""


def finish(place: Place, server: Server, workdir: Path) -> str:
    status = server.start(*place.flags(workdir)).wait()
    if status:
        return f"exit status {status}: {server.said()[-300:]}"
    return compare(place, workdir)
