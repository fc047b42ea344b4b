"""What commands tell their listener: everything in order, framed, and what decides the exit code is remembered."""

from __future__ import annotations

import pytest

from orchestrator.commands.events import Event, ExecutionEnded, ExecutionStarted, Message, Notifier, ignore
from orchestrator.executors.events import RunFailed
from tests.orchestrator.storage.stores import make_run


def failed(kind: str) -> RunFailed:
    """A run that failed for good."""
    return RunFailed("0" * 16, 0, 1, kind, "why", will_retry=False, seconds=1.0)


def test_a_record_that_cannot_be_written_is_remembered_and_other_failures_are_not() -> None:
    notify = Notifier(ignore)
    notify(failed("crashed"))
    assert not notify.unwritable
    notify(failed("storage"))
    notify(failed("crashed"))
    assert notify.unwritable


def test_an_execution_is_framed_also_where_it_raises() -> None:
    heard: list[Event] = []
    notify, run = Notifier(heard.append), make_run(1)

    def fail() -> None:
        with notify.executing([run], {run.run_id: "completed"}):
            notify.message("one thing")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert heard == [ExecutionStarted((run,), {run.run_id: "completed"}), Message("one thing"), ExecutionEnded()]
