"""What a worker makes of a run that raises, above all of one that is asked to stop at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator import worker
from orchestrator.executors.book import end_of
from orchestrator.executors.events import RunStopped
from orchestrator.finished import Finished
from orchestrator.storage import Store
from tests.orchestrator.experiments import resolved
from trainables.engine.control import Progress, Request
from trainables.engine.group import Group
from trainables.engine.loop import Layout
from trainables.engine.warm import Warm


@dataclass
class Interrupting:
    """Raises at the end of the first epoch, as an interrupted compiler does in a step, and then answers `request`."""

    error: Exception
    request: Request
    raised: bool = False

    def poll(self, progress: Progress) -> Request:
        """Go on until the exception was there."""
        return self.request if self.raised else "continue"

    def report(self, row: Mapping[str, Any]) -> None:
        """Raise it."""
        self.raised = True
        raise self.error

    def all_ranks_raised(self) -> bool:
        """The only one did."""
        return True


def attempted(folder: Path, error: Exception, request: Request) -> tuple[Finished, Store]:
    """The first cell of the tiny experiment, of which nothing but the exception is unusual."""
    found, store = resolved(folder, train={"epochs": 2, "batch_size": 8, "learning_rate": 1e-3}), Store.open(folder)
    run = found.run(found.systems[0], 1, None)
    control = Interrupting(error, request)
    finished = worker.execute(
        run, store, group=Group.current(), warm=Warm(), control=control, attempt=1, layout=Layout()
    )
    assert control.raised
    assert store.status(run.run_id) is None
    return finished, store


def test_a_run_that_raises_while_it_is_asked_to_stop_was_stopped_without_a_checkpoint(tmp_path: Path) -> None:
    error = RuntimeError("CppCompileError: C++ compile error")
    finished, store = attempted(tmp_path, error, "stop")
    assert (finished.status, finished.failure, finished.retriable) == ("stopped", None, False)
    assert finished.error == "RuntimeError while the run was to stop"
    attempts = store.attempts(finished.run_id)
    assert [(attempt.status, attempt.kind) for attempt in attempts] == [("stopped", "stopped")]
    assert "CppCompileError" in (attempts[0].traceback or "")


@pytest.mark.parametrize(
    ("error", "request_then", "failure"),
    [
        (RuntimeError("a bug"), "continue", "crashed"),
        (RuntimeError("a bug"), "prune", "crashed"),
        (MemoryError("the host is full"), "stop", "out_of_memory"),
    ],
)
def test_any_other_exception_is_a_failure_of_the_run(
    tmp_path: Path, error: Exception, request_then: Request, failure: str
) -> None:
    finished, _ = attempted(tmp_path, error, request_then)
    assert (finished.status, finished.failure) == ("failed", failure)


def test_the_end_that_is_told_says_whether_there_is_a_checkpoint() -> None:
    assert end_of(Finished("r", 1, "stopped", checkpoint=False), 0, 1) == RunStopped("r", 0, 1, checkpoint=False)
    assert end_of(Finished("r", 1, "stopped"), 0, 1) == RunStopped("r", 0, 1, checkpoint=True)
