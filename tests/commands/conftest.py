"""Commands in processes of their own, which are copies of one that has loaded the libraries: that takes longest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).absolute().parents[2]

FORKING = """
import json, os, sys, tempfile, traceback
from motion_jax.commands import cli, dispatch
from motion_jax.experiments import sweep
from motion_jax.visualize import curves, page, strip
asked = json.load(sys.stdin)
done = []
for arguments in asked["lines"]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaints:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(complaints.fileno(), 2)
            sys.argv = ["program.py", *arguments]
            try:
                exec(compile(asked["code"], "program.py", "exec"), vars(sys.modules["__main__"]))
                status = 0
            except SystemExit as end:
                status = end.code or 0
            except BaseException:
                traceback.print_exc()
                status = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        complaints.seek(0)
        done.append([status, out.read(), complaints.read()])
json.dump(done, sys.stdout)
"""


class Done(NamedTuple):
    """What a process left."""

    status: int
    out: str
    complaints: str  # stderr


@pytest.fixture(scope="session")
def forked() -> Callable[..., list[Done]]:
    """Runs `code` once a list of arguments, in `cwd`, with the given changes of the environment."""

    def run(code: str, lines: Sequence[Sequence[str]], cwd: Path, **environment: str) -> list[Done]:
        done = subprocess.run(
            [sys.executable, "-c", FORKING],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | environment,
            input=json.dumps({"code": code, "lines": [list(line) for line in lines]}),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return [Done(*each) for each in json.loads(done.stdout)]

    return run
