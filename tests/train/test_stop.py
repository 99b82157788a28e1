"""Signals stop a run where nothing is lost, and warnings do not count as the first of two."""

from __future__ import annotations

import os
import signal
import time

import pytest

from motion_jax.train.stop import Interrupted, stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_block_that_loses_nothing_is_left_at_once(number: int):
    said: list[int] = []

    def wait() -> None:
        with stop.at_once(lambda: said.append(number)):
            os.kill(os.getpid(), number)
            time.sleep(30)  # no longer: the signal ends it

    ignored = signal.signal(number, signal.SIG_DFL)  # under nohup SIGHUP is, and would stay so
    try:
        with stop_on_signal() as stop, pytest.raises(Interrupted) as end:
            wait()
        assert (end.value.code, said, stop.signal) == (128 + number, [number], number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, ignored)


def test_a_signal_that_came_before_the_block_leaves_it_too():
    with stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.signal == signal.SIGUSR1
        with pytest.raises(Interrupted), stop.at_once(lambda: None):
            pytest.fail("the block was entered")


def test_warnings_do_not_count_as_the_first_signal():
    with stop_on_signal() as stop:
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):  # the last would end the process
            os.kill(os.getpid(), number)
        assert stop.signal == signal.SIGUSR1


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)
