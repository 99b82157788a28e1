"""Shared fixtures. Real motion data is at hand on some machines only; tests that want it skip visibly elsewhere."""

from __future__ import annotations

import atexit
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).absolute().parents[1]

# One thread a test process: pytest-xdist fills the cores, and small matmuls gain nothing from a pool. Most of the time
# is XLA compiling, so it optimises little here. Whoever sets XLA_FLAGS chooses: `make test-all` compiles as users do.
_QUICK = ["--xla_cpu_multi_thread_eigen=false", "--xla_backend_optimization_level=0"]
if importlib.metadata.version("jaxlib") < "0.11":  # a compiler that does not know a flag ends the process
    # A program is not cut into 32 pieces that are compiled apart: that costs two thirds more.
    _QUICK += ["--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"]
os.environ.setdefault("XLA_FLAGS", " ".join(_QUICK))

# Commands that tests run keep their compiled programs here, not in the user's cache; xdist's workers share it.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real recordings (`cmu_mocap/`, `formats/`)."""
    root = Path(os.environ.get("MOTION_JAX_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if not root.is_dir():
        pytest.skip("no real motion data at hand: set MOTION_JAX_SHARED to the folder that holds data/cmu_mocap")
    return root


FORKING = """
import contextlib, json, os, sys, tempfile, traceback
import motion_jax.benchmark.ours, motion_jax.inference.stream
from motion_jax.commands import cli, dispatch
from motion_jax.experiments import backtest, sweep
from motion_jax.visualize import curves, page, strip
for line in sys.stdin:
    asked, done = json.loads(line), []
    for arguments in asked["lines"]:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaints:
            child = os.fork()
            if not child:
                status = 1
                try:
                    os.dup2(out.fileno(), 1)
                    os.dup2(complaints.fileno(), 2)
                    os.chdir(asked["cwd"])
                    os.environ.update(asked["environment"])
                    sys.argv = ["program.py", *arguments]
                    exec(compile(asked["code"], "program.py", "exec"), vars(sys.modules["__main__"]))
                    status = 0
                except SystemExit as end:
                    status = end.code or 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    with contextlib.suppress(BaseException):
                        sys.stdout.flush()
                        sys.stderr.flush()
                    os._exit(status)  # taking the interpreter down would take longer than most commands
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0)
            complaints.seek(0)
            done.append([status, out.read(), complaints.read()])
    print(json.dumps(done), flush=True)
"""
"""Runs code in copies of one process that has loaded the libraries: that takes longest."""


class Done(NamedTuple):
    """What a process left."""

    status: int
    out: str
    complaints: str  # stderr


@pytest.fixture(scope="session")
def forked() -> Iterator[Callable[..., list[Done]]]:
    """Runs `code` once a list of arguments, in `cwd`, with the given changes of the environment."""
    usual: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> subprocess.Popen[str]:
        known = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | environment
        call, pipe = [sys.executable, "-c", FORKING], subprocess.PIPE
        return subprocess.Popen(call, cwd=ROOT, env=known, stdin=pipe, stdout=pipe, text=True)

    def run(code: str, lines: Sequence[Sequence[str]], cwd: Path, **environment: str) -> list[Done]:
        asked = {"code": code, "lines": [list(line) for line in lines], "cwd": str(cwd), "environment": environment}
        if any(name.startswith("JAX_") for name in environment):  # read where JAX is loaded
            return [Done(*each) for each in json.loads(start(**environment).communicate(json.dumps(asked))[0])]
        if not usual:
            usual.append(start())
        assert usual[0].stdin
        assert usual[0].stdout
        usual[0].stdin.write(json.dumps(asked) + "\n")
        usual[0].stdin.flush()
        return [Done(*each) for each in json.loads(usual[0].stdout.readline())]

    yield run
    for server in usual:
        server.communicate()
