"""Commands, `motion-jax train` as a rule, in processes that can be killed, without the seconds that loading takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

SERVER = """
import os, sys
from motion_jax.commands import cli, dispatch
from motion_jax.experiments import backtest, sweep
from motion_jax.inference import anticipator, pretrained, recogniser
from motion_jax.train import anticipation, forecasting, recognition
from motion_jax.visualize import curves, page, strip
for line in sys.stdin:
    log, command, *arguments = line.split()
    if child := os.fork():
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    dispatch.run(command, arguments)
"""
"""A command a line, each in a copy of one process: loading it takes longest."""


class Server:
    """Starts commands, one at a time, each in a process of its own."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        """`log`: what the command says; `environment`: variables beside this process's."""
        self.log = log
        pipe = subprocess.PIPE
        call = [sys.executable, "-c", SERVER]
        self._process = subprocess.Popen(call, stdin=pipe, stdout=pipe, text=True, env=os.environ | environment)

    def start(self, *arguments: str, command: str = "train") -> Child:
        """`motion-jax COMMAND` with these arguments, which have no spaces."""
        assert self._process.stdin
        self.log.write_text("")
        self._process.stdin.write(" ".join([str(self.log), command, *arguments]) + "\n")
        self._process.stdin.flush()
        return Child(self._read_number(), self)

    def ended(self) -> int:
        """Waits for the command, and returns its exit status, minus the signal's number where one killed it."""
        return self._read_number()

    def said(self) -> str:
        return self.log.read_text()

    def close(self) -> None:
        self._process.communicate()

    def _read_number(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


class Child(NamedTuple):
    """A command that was started."""

    pid: int
    server: Server

    def wait(self) -> int:
        """As `Server.ended`."""
        return self.server.ended()

    def kill_after(self, seconds: float, number: int) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.lives():
            time.sleep(0.002)
        self.kill(number)

    def kill(self, number: int) -> None:
        if self.lives():
            os.kill(self.pid, number)

    def lives(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
