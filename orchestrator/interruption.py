"""Ctrl-C and SIGTERM during a sweep: once, running lanes stop at the next control point; three times, at once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from orchestrator.executors import Executor

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNALS_THAT_KILL = 3
EXIT_OF_SIGNALS = 128


@dataclass
class Interruption:
    """What the user or the system asked for meanwhile. `exit_code` is None while nothing was asked."""

    signal_number: int | None = None
    count: int = 0

    @property
    def exit_code(self) -> int | None:
        """130 for Ctrl-C, 143 for SIGTERM."""
        return None if self.signal_number is None else EXIT_OF_SIGNALS + self.signal_number


@contextlib.contextmanager
def stopping(executor: Executor, tell: Callable[[str], None]) -> Iterator[Interruption]:
    """Turn signals into stop requests while the block runs. Only the main thread may enter it."""
    interruption = Interruption()

    def on_signal(number: int, frame: FrameType | None) -> None:
        interruption.signal_number = interruption.signal_number or number
        interruption.count += 1
        if interruption.count >= SIGNALS_THAT_KILL:
            executor.stop("now")
            tell("stopping at once")
        else:
            executor.stop("checkpoint")
            tell(f"stopping at the next control point; {SIGNALS_THAT_KILL - interruption.count} more to stop at once")

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
