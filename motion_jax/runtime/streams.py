"""Standard output and error of a command, whose reader may go away before the work is done.

`motion-jax convert ... | head -1` closes the pipe after a line. What is printed after that is for nobody, but files are
still to be written and a run to be finished: the command goes on, in silence.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from motion_jax.errors import UserError
from motion_jax.runtime.names import printable


def survive_closed_pipes() -> None:
    """From here on, printing to a pipe that nobody reads does nothing. To be called once, as a command begins."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Survivor):
            setattr(sys, name, cast(TextIO, _Survivor(stream, name)))


def flush() -> None:
    """Writes what is pending, to be called before the process ends; the interpreter's own flush may fail loudly.

    Raises:
        UserError: standard output cannot be written, on a full disk for instance.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


class _Survivor:
    """A text stream that goes to the null device once writing fails, and prints names from files as they are.

    What a terminal would obey is written as Python writes it: a file may be called anything.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        try:
            return self._stream.write(printable(text))
        except OSError as error:
            return self._give_up(error, len(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError, count: int) -> int:
        """What is still buffered goes to the null device, and so does what child processes print."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)
        if not isinstance(error, BrokenPipeError) and self._name == "stdout":  # who cannot read errors is not told
            raise UserError(f"standard output cannot be written: {error.strerror}") from None
        return count
