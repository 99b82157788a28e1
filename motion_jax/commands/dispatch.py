"""Dispatch of `motion-jax NAME --flag=value ...`: finds the command, loads it alone and runs it.

Nothing heavy is imported before the command is known, so that help appears at once.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from motion_jax import __version__
from motion_jax.commands import COMMANDS
from motion_jax.errors import UserError
from motion_jax.runtime import streams

PROGRAM = "motion-jax"

_HELP = ("--help", "-h", "-help", "help")
_MISTAKE = 2
_INTERRUPTED = 128 + signal.SIGINT


def main() -> NoReturn:
    """Runs the command that the first argument names, with the others as its flags."""
    streams.survive_closed_pipes()
    name, *arguments = sys.argv[1:] or ["--help"]
    if name == "help" and arguments:  # motion-jax help train
        name, arguments = arguments[0], ["--help"]
    if name in _HELP:
        _print(overview())
    if name == "--version":
        _print(f"{PROGRAM} {__version__}")
    if name not in COMMANDS:
        print(f"error: {_unknown(name)}", file=sys.stderr)
        sys.exit(_MISTAKE)
    run(name, arguments)


def run(name: str, arguments: list[str] | None = None) -> NoReturn:
    """Loads the command `name`, runs it with the given arguments or those of the process, and exits."""
    streams.survive_closed_pipes()
    sys.argv = [f"{PROGRAM} {name}", *(sys.argv[1:] if arguments is None else arguments)]  # absl's flags read it
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else whoever started the process wants it deaf
        signal.signal(signal.SIGINT, _leave)
    module = importlib.import_module(f"motion_jax.commands.{name}")
    from motion_jax.commands import cli

    signal.signal(signal.SIGINT, before)
    command = COMMANDS[name]
    cli.run(module.main, keep=command.keeps_compiled, device=command.checks_device)


def overview() -> str:
    """What `motion-jax --help` prints."""
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    return (
        f"{PROGRAM} {__version__}: human motion prediction in JAX\n\n"
        f"usage: {PROGRAM} COMMAND --flag=value ...\n\n{rows}\n\n"
        f"{PROGRAM} COMMAND --help shows the flags of a command. A first result in about a minute: "
        f"{PROGRAM} quickstart"
    )


def _print(text: str) -> NoReturn:
    try:
        print(text)
        streams.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(_MISTAKE)
    sys.exit(0)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    if name.startswith("-"):
        return f"{name!r} stands where a command must: {PROGRAM} COMMAND --flag=value ..., see {PROGRAM} --help"
    meant = f"; did you mean {near[0]!r}?" if near else ";"
    return f"unknown command {name!r}{meant} {PROGRAM} --help lists the commands"


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """While modules are loaded nothing has been done that would be lost, and an exception could end anywhere."""
    print("interrupted", file=sys.stderr, flush=True)
    os._exit(_INTERRUPTED)
