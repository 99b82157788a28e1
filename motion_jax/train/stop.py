"""Signals that ask a run to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_END_ON_SECOND = (signal.SIGTERM, signal.SIGINT)
_WARNINGS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGUSR1") if hasattr(signal, name))
"""Of a terminal that is closed, and of a scheduler before the time is over (SLURM's --signal=USR1@120)."""
_GRACE_S = 0.3  # for Python to leave a block by itself

_process_is_ours = False


def own_process() -> None:
    """Lets a run end the whole process where Python cannot leave by itself: compiling. For commands, not notebooks."""
    global _process_is_ours
    _process_is_ours = True


class Interrupted(SystemExit):
    """The run was asked to stop, saved its state and did; the exit status is 128 + the signal's number."""


class Stop:
    """Set by a signal, read between dispatches."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._saying: Callable[[], None] | None = None  # inside of `at_once`
        self._leaving = threading.Lock()

    @contextmanager
    def at_once(self, saying: Callable[[], None]) -> Iterator[None]:
        """A block in which a signal need not wait, for all that would be lost is on disk: it raises `Interrupted`,
        after it has called `saying`.

        Python runs no handler while XLA compiles. Where the process is ours, it is then ended from another thread.
        """
        self._saying = saying
        try:
            if self.signal:
                raise Interrupted(128 + self.signal)
            yield
        except Interrupted:
            self._outside()
            saying()
            raise
        finally:
            self._outside()

    def on_signal(self, number: int) -> None:
        """Remembers the first signal, or leaves `at_once`."""
        self.signal = self.signal or number
        if self._saying is not None:
            raise Interrupted(128 + number)

    def watch(self, numbers: socket.socket) -> None:
        """Ends the process where a block of `at_once` does not; until the socket is closed.

        It does not while XLA compiles, nor where what the handler raised came up in a callback, which loses it.
        """
        done = threading.Event()
        while received := numbers.recv(1):
            done.wait(_GRACE_S)
            with self._leaving:
                if self._saying is not None and _process_is_ours and received[0] in (*_END_ON_SECOND, *_WARNINGS):
                    with contextlib.suppress(Exception):  # of a closed terminal
                        self._saying()
                        sys.stdout.flush()
                    os._exit(128 + received[0])

    def _outside(self) -> None:
        with self._leaving:  # else the process ends here
            self._saying = None


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """The first SIGTERM, SIGINT, SIGHUP or SIGUSR1 asks the loop to save and stop.

    A second SIGTERM or SIGINT ends the process at once. SIGHUP and SIGUSR1 are warnings, after which the others come:
    they do not count as the first. SIGHUP and SIGUSR1 that are ignored, as nohup has it, stay ignored. Outside the main
    thread, where Python delivers no signals, nothing is changed.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        if number in _END_ON_SECOND:
            for each in _END_ON_SECOND:
                signal.signal(each, signal.SIG_DFL)
        stop.on_signal(number)

    # getsignal returns None for a handler that was not set from Python; that one cannot be put back
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in (*_END_ON_SECOND, *_WARNINGS)}
    before = {n: handler for n, handler in before.items() if n in _END_ON_SECOND or handler != signal.SIG_IGN}
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    watcher = threading.Thread(target=stop.watch, args=(reading,), daemon=True)
    watcher.start()
    waking = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(waking)
        writing.close()
        watcher.join()
        reading.close()
