"""Reader processes: files read in parallel, handed on in order, in the memory of one file a process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, TypeVar

from motion_jax.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

BYTES_A_READER = 1 << 25  # of files; starting a process for fewer takes longer than reading them
_PRELOADED = "motion_jax.data.folder"  # once, in the process that the readers are forked from


def usual_readers(size: int) -> int:
    """How many processes read `size` bytes of files: one for each 32 MB, at most one for each core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, size // BYTES_A_READER))


class Readers:
    """`count` processes, which start when they are first needed; one: this process reads itself.

    They are no copies of this process, whose threads would not survive that, and compute nothing with JAX.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """`function` of each item, in their order; at most two items a process are begun and not yet handed on.

        Raises:
            UserError: the system has ended a process.
        """
        if self.count == 1:
            yield from map(function, items)
            return
        pool, pending = self._started(), deque[Future[Any]]()
        try:
            for item in items:
                if len(pending) == 2 * self.count:
                    yield pending.popleft().result()
                pending.append(pool.submit(function, item))
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                f"--workers={self.count}: the system has ended a reading process, for lack of memory as a rule: "
                f"--workers=1 reads one file after the other"
            ) from None
        finally:
            for future in pending:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
            if "forkserver" in methods:
                context.set_forkserver_preload([_PRELOADED])
            self._pool = ProcessPoolExecutor(self.count, context, _leave_interrupts_to_parent)
        return self._pool


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
