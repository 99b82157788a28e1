"""Times training steps and predictions, beside a PyTorch twin in the same interleaved run if asked.

python -m launch.benchmark --work=train,infer --batch=16,128 --hidden=256 --json=bench.json
taskset -c 0 env OMP_NUM_THREADS=1 python -m launch.benchmark --peer=torch      (one thread on either side)
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from absl import flags

from motion_jax import cli, report, timing
from motion_jax.benchmark import torch_twin
from motion_jax.benchmark.case import Case
from motion_jax.benchmark.run import markdown, measure
from motion_jax.errors import UserError

_WORK = flags.DEFINE_multi_enum("work", ["train", "infer"], ["train", "infer", "train,infer"], "What is timed.")
_BATCH = flags.DEFINE_string("batch", "16", "Batch sizes, separated by commas.")
_HIDDEN = flags.DEFINE_string("hidden", "256", "Hidden widths, separated by commas.")
_BIDIRECTIONAL = flags.DEFINE_bool("bidirectional", False, "A bidirectional encoder.")
_PER_DISPATCH = flags.DEFINE_integer("per_dispatch", 10, "K, updates to a dispatch in training.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "Time for each implementation of each case.", lower_bound=0.0)
_PEER = flags.DEFINE_enum("peer", None, ["torch"], "Also time this peer.")
_JSON = flags.DEFINE_string("json", "", "Write machine and rows here.")


def main(_: list[str]) -> None:
    """Measures every combination."""
    works = ",".join(_WORK.value).split(",")
    batches, widths = _numbers(_BATCH), _numbers(_HIDDEN)
    if _PEER.value:
        torch_twin.check_available()
    if _JSON.value:
        report.check_writable(_JSON.value)
    rows = []
    for work, hidden, batch in itertools.product(works, widths, batches):
        case = Case(work, batch, hidden, _BIDIRECTIONAL.value, _PER_DISPATCH.value)
        rows += measure(case, [_PEER.value] if _PEER.value else [], _SECONDS.value)
    result = {"machine": timing.machine(), "rows": rows}
    print(json.dumps(result["machine"], indent=2))
    print(markdown(rows))
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(result, indent=2))
        print(f"wrote {_JSON.value}")


def _numbers(flag: flags.FlagHolder[str]) -> list[int]:
    numbers = [part.strip() for part in flag.value.split(",")]
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise UserError(f"--{flag.name}={flag.value}: positive whole numbers separated by commas, like 16,128")
    return [int(number) for number in numbers]


if __name__ == "__main__":
    cli.run(main)
