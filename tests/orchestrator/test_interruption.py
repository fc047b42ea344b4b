"""Signals become stop requests: gently once and twice, at once the third time, and the exit code of the first."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

import pytest

from orchestrator.executors import StopMode
from orchestrator.executors.events import Event
from orchestrator.interruption import stopping
from orchestrator.spec.run_spec import RunSpec


class Listener:
    """An executor that only remembers how it was asked to stop."""

    def __init__(self) -> None:
        """Nobody asked yet."""
        self.modes: list[str] = []

    def execute(self, runs: Sequence[RunSpec], on_event: Callable[[Event], None]) -> None:
        """There is nothing to run."""

    def stop(self, mode: StopMode) -> None:
        """Remember."""
        self.modes.append(mode)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_asks_for_a_checkpoint_and_decides_the_exit_code(number: int, code: int) -> None:
    listener, told = Listener(), list[str]()
    with stopping(listener, told.append) as interruption:
        os.kill(os.getpid(), number)
    assert listener.modes == ["checkpoint"]
    assert interruption.exit_code == code
    assert "2 more to stop at once" in told[0]


def test_the_third_signal_stops_at_once() -> None:
    listener, told = Listener(), list[str]()
    with stopping(listener, told.append) as interruption:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
    assert listener.modes == ["checkpoint", "checkpoint", "now"]
    assert interruption.exit_code == 130


def test_without_a_signal_there_is_no_exit_code_and_handlers_are_put_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with stopping(Listener(), print) as interruption:
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    assert interruption.exit_code is None
    assert {number: signal.getsignal(number) for number in before} == before
