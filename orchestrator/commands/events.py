"""The events that a command passes to its listener: those of its executor, and its own before and after."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.config.run_spec import RunSpec
from orchestrator.executors import events
from orchestrator.worker.failure import Failure


@dataclass(frozen=True)
class Message:
    """A remark in words."""

    text: str


@dataclass(frozen=True)
class ExecutionStarted:
    """Runs are about to be executed. `recorded` has the statuses of runs that are already done, by run id."""

    runs: tuple[RunSpec, ...]
    recorded: Mapping[str, str]


@dataclass(frozen=True)
class TrialsExpected:
    """A search will make this many trials of a system, and compares them at the epochs in `rungs`."""

    system: str
    trials: int
    rungs: tuple[int, ...]


@dataclass(frozen=True)
class RunAdded:
    """A run that was not known when the execution started."""

    run: RunSpec


@dataclass(frozen=True)
class ExecutionEnded:
    """The executor is done and sends no more events, whether it succeeded or not."""


Event = events.Event | Message | ExecutionStarted | TrialsExpected | RunAdded | ExecutionEnded
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Do nothing with an event."""


class Notifier:
    """Passes events on to listeners. `unwritable`: a record could not be written, which sets the exit code."""

    def __init__(self, listener: Listener) -> None:
        """Start with one listener."""
        self._listeners = [listener]
        self.unwritable = False

    def also(self, listener: Listener) -> None:
        """Add a listener; it gets every event after the others."""
        self._listeners.append(listener)

    def __call__(self, event: Event) -> None:
        """Pass on one event."""
        self.unwritable |= isinstance(event, events.RunFailed) and event.kind == Failure.STORAGE.word
        for listener in self._listeners:
            listener(event)

    def message(self, text: str) -> None:
        """Pass on a message."""
        self(Message(text))

    @contextlib.contextmanager
    def executing(self, runs: Iterable[RunSpec], recorded: Mapping[str, str]) -> Iterator[None]:
        """Send ExecutionStarted before the block and ExecutionEnded after it."""
        self(ExecutionStarted(tuple(runs), recorded))
        try:
            yield
        finally:
            self(ExecutionEnded())
