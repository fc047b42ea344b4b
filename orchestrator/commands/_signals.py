"""Signals during a sweep: one, and running lanes stop at the next control point; three, and they stop at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from orchestrator.executors import Executor

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNALS_THAT_KILL = 3
STREAMS = (0, 1, 2)
EXIT_OF_SIGNALS = 128


@dataclass
class Interruption:
    """What the user or the system asked for meanwhile. `exit_code` is None while nothing was asked."""

    signal_number: int | None = None
    count: int = 0
    is_hung_up: bool = False

    @property
    def exit_code(self) -> int | None:
        """130 for Ctrl-C, 143 for SIGTERM, 129 for a terminal that was closed."""
        return None if self.signal_number is None else EXIT_OF_SIGNALS + self.signal_number


@contextlib.contextmanager
def stopping(executor: Executor, tell: Callable[[str], None]) -> Iterator[Interruption]:
    """Turn signals into stop requests while the block runs. Only the main thread may enter it.

    A closed terminal is one request, however often shell and system tell of it, and under `nohup` none.
    """
    interruption, terminals = Interruption(), _terminals()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP and interruption.is_hung_up:
            return
        interruption.is_hung_up |= number == signal.SIGHUP
        interruption.signal_number = interruption.signal_number or number
        interruption.count += 1
        _hang_up(terminals)
        if interruption.count >= SIGNALS_THAT_KILL:
            executor.stop("now")
            tell("stopping at once")
        else:
            executor.stop("checkpoint")
            tell(f"stopping at the next control point; {SIGNALS_THAT_KILL - interruption.count} more to stop at once")

    before = {number: signal.signal(number, on_signal) for number in SIGNALS if not _stays_ignored(number)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stays_ignored(number: signal.Signals) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN


def _terminals() -> list[int]:
    return [descriptor for descriptor in STREAMS if os.isatty(descriptor)]


def _hang_up(terminals: Sequence[int]) -> None:
    """What is still said to a terminal that was closed is heard by nobody, and would fail."""
    for descriptor in terminals:
        if not os.isatty(descriptor):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
