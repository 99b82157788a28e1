"""The faults, each a function `(place, count, dice, folder) -> Tally`: tried so often, survived so often.

To survive is: the end that the undisturbed run has, bitwise, each row of the log once; or a refusal in one line that
names the file, with everything still there. What a fault does to a file, a reader either does not see (the same values)
or tells of.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.faults.damage import bit_flips, one_bad_of_several, other_damage, training_on
from tests.faults.disks import forbidden_folders, full_disk
from tests.faults.memory import flat_memory
from tests.faults.others import other_runs, readers_during_saves, two_runs, wrong_numbers
from tests.faults.stops import kill_nine, signals
from tests.faults.tally import Fault


class Case(NamedTuple):
    """A row of the table."""

    title: str
    fault: Fault
    short: int  # how often, in the tests
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
    "memory": Case("memory of a training process, seconds", flat_memory, 6, 40),
}
