"""Exports tried as their users will: in a fresh process, in which this package is never imported."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from motion_jax.errors import UserError
from motion_jax.export.program import Exportable
from motion_jax.export.readme import loading
from motion_jax.runtime.timing import interleave

SECONDS = 1.0  # of timing
LEAST = 10  # calls timed
_LONGEST = 600  # seconds that a fresh process may take
_CLOSE = {"float32": 1e-4, "tf32": 2e-2, "bf16": 2e-2}
"""By `compute.precision`: how far a number may be off, of itself or of 1, whichever is larger."""

_MEASURE = """
import json
import sys
import time

assert not [name for name in sys.modules if name.split(".")[0] == "motion_jax"]
one = [example[name][:1] for name in {inputs}]
alone = np.asarray(predict(*one))
taken = []
while len(taken) < {least} or sum(wall for wall, _ in taken) < {seconds}:
    wall, cpu = time.perf_counter(), time.process_time()
    np.asarray(predict(*one))
    taken.append((time.perf_counter() - wall, time.process_time() - cpu))
expected = np.concatenate([example["{output}"], example["{output}"][:1]])
off = np.abs(np.concatenate([{output}, alone]) - expected)
result = [off.max(), (off / np.maximum(1, np.abs(expected))).max(), *1000 * np.median(taken, axis=0)]
print(json.dumps([float(number) for number in result]))
"""


@dataclasses.dataclass(frozen=True)
class Check:
    """What a fresh process found."""

    difference: float  # the largest from the original's output, in its units, in a batch and alone
    relative: float  # the largest of a number, as a part of itself or of 1, whichever is larger
    milliseconds: float  # median of a call with one sequence
    cpu_milliseconds: float  # of that call, over all threads


def check(model: Exportable, folder: Path, name: str) -> Check:
    """Runs the README's example of the format `name` in `folder`, and times it.

    Raises:
        UserError: it does not run, or its output is not the original's.
    """
    inputs, output = tuple(known.name for known in model.inputs), model.output.name
    measure = _MEASURE.format(inputs=inputs, output=output, least=LEAST, seconds=SECONDS)
    code = loading(name, inputs, output) + measure
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # this process may hold most of a GPU
    command = [sys.executable, "-P", "-c", code]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        raise UserError(f"--format={name}: a fresh process took over {_LONGEST} s; --nocheck starts none") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(f"--format={name}: a fresh process cannot run it: {said}; --nocheck writes it all the same")
    found = Check(*json.loads(done.stdout.splitlines()[-1]))
    _compare(model.experiment.compute.precision, name, found)
    return found


def time_jit(model: Exportable, example: dict[str, np.ndarray]) -> dict[str, float]:
    """The same two figures of the same program, compiled in this process."""
    run: Callable = jax.jit(model.program())
    one = [array[:1] for name, array in example.items() if name != model.output.name]
    samples = interleave({"jit": lambda: np.asarray(run(*one))}, {"jit": 1}, SECONDS, LEAST)["jit"]
    return {"milliseconds": float(np.median(samples.wall_ms)), "cpu_milliseconds": float(np.median(samples.cpu_ms))}


def _compare(precision: str, name: str, found: Check) -> None:
    allowed = _CLOSE[precision]
    if not found.relative <= allowed:  # NaN is not close
        raise UserError(
            f"--format={name}: its output is {found.relative:.1e} away from the original's, and {allowed:.0e} is "
            f"allowed; --nocheck writes it all the same"
        )
