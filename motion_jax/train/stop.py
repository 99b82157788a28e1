"""Signals that ask a run to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(SystemExit):
    """The run was asked to stop, saved its state and did; the exit status is 128 + the signal's number."""


class Stop:
    """Set by a signal, read between dispatches."""

    signal: int | None = None


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """The first SIGTERM or SIGINT asks the loop to save and stop; the second of either ends the process at once.

    Outside the main thread, where Python delivers no signals, nothing is changed.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        stop.signal = number
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    # getsignal returns None for a handler that was not set from Python; that one cannot be put back
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
