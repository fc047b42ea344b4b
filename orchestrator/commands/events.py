"""What a command tells its listener while it works: the events of its executor, and what frames them."""

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
    """Runs are about to be executed. `recorded` has the statuses of those that are done already, by run id."""

    runs: tuple[RunSpec, ...]
    recorded: Mapping[str, str]


@dataclass(frozen=True)
class TrialsExpected:
    """A search will make so many trials of a system, whichever they are, and compares them at these epochs."""

    system: str
    trials: int
    rungs: tuple[int, ...]


@dataclass(frozen=True)
class RunAdded:
    """A run that was not known when the execution started."""

    run: RunSpec


@dataclass(frozen=True)
class ExecutionEnded:
    """No event of an executor follows, however the execution ended."""


Event = events.Event | Message | ExecutionStarted | TrialsExpected | RunAdded | ExecutionEnded
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listens to nothing."""


class Notifier:
    """Passes events on to listeners. `unwritable`: a record could not be written, which decides an exit code."""

    def __init__(self, listener: Listener) -> None:
        """Nothing has happened yet."""
        self._listeners = [listener]
        self.unwritable = False

    def also(self, listener: Listener) -> None:
        """From now on tell another listener, too, after the others."""
        self._listeners.append(listener)

    def __call__(self, event: Event) -> None:
        """Pass one event on."""
        self.unwritable |= isinstance(event, events.RunFailed) and event.kind == Failure.STORAGE.word
        for listener in self._listeners:
            listener(event)

    def message(self, text: str) -> None:
        """Pass a remark on."""
        self(Message(text))

    @contextlib.contextmanager
    def executing(self, runs: Iterable[RunSpec], recorded: Mapping[str, str]) -> Iterator[None]:
        """Frame an execution of runs."""
        self(ExecutionStarted(tuple(runs), recorded))
        try:
            yield
        finally:
            self(ExecutionEnded())
