"""What a worker makes of a run that raises, above all of one that is asked to stop at that moment."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from analysis.tables.folder import Folder
from orchestrator.errors import UserError
from orchestrator.executors.events import RunStopped
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.state import end_of
from orchestrator.storage import StorageFull, Store
from orchestrator.worker.execute import execute_run
from orchestrator.worker.failure import Failure, Finished, classify
from orchestrator.worker.versions import Provenance
from tests.orchestrator.experiments import resolved
from trainables.training.control_points import Request, RunProgress
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions
from trainables.training.token_cache import RunCache


@dataclass
class Interrupting:
    """Raises at the end of the first epoch, as an interrupted compiler does in a step, and then answers `request`."""

    error: Exception
    request: Request
    raised: bool = False

    def poll(self, progress: RunProgress) -> Request:
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
    finished = execute_run(
        run,
        store,
        group=ProcessGroup.current(),
        cache=RunCache(),
        control=control,
        attempt=1,
        layout=ComputeOptions(),
        provenance=Provenance(),
    )
    assert control.raised
    assert store.status(run.run_id) is None
    return finished, store


def test_a_run_that_raises_while_it_is_asked_to_stop_was_stopped_without_a_checkpoint(tmp_path: Path) -> None:
    error = RuntimeError("CppCompileError: C++ compile error")
    finished, store = attempted(tmp_path, error, "stop")
    assert (finished.status, finished.failure, finished.retriable) == ("stopped", None, False)
    assert finished.error == "RuntimeError after the run was asked to stop"
    attempts = store.attempts(finished.run_id)
    assert [(attempt.status, attempt.kind) for attempt in attempts] == [("stopped", "stopped")]
    assert "CppCompileError" in (attempts[0].traceback or "")


@pytest.mark.parametrize(
    ("error", "request_then", "failure"),
    [
        (RuntimeError("a bug"), "continue", "crashed"),
        (RuntimeError("a bug"), "prune", "crashed"),
        (MemoryError("the host is full"), "stop", "out_of_memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "continue", "out_of_memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "continue", "device"),
        (UserError("nothing that another attempt could mend"), "continue", "data"),
    ],
)
def test_any_other_exception_is_a_failure_of_the_run(
    tmp_path: Path, error: Exception, request_then: Request, failure: str
) -> None:
    finished, _ = attempted(tmp_path, error, request_then)
    assert (finished.status, finished.failure) == ("failed", failure)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("timed out"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/part-3"),
        PermissionError(errno.EACCES, "Permission denied", "/somewhere/cache"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_system_refuses_to_a_run_is_no_failure_of_storage_and_is_tried_again(error: OSError) -> None:
    assert classify(error) is Failure.CRASHED
    assert policy.may_retry(1, Limits(), classify(error).word, retriable=True)
    assert classify(error, recording=True) is Failure.STORAGE
    assert classify(StorageFull("no space left")) is Failure.STORAGE


@dataclass(frozen=True)
class Failing(Folder):
    """A folder in an object store that goes away: what is written to names in `lost` is not, and nothing is removed."""

    lost: tuple[str, ...] = ()

    def write(self, name: str, data: bytes) -> None:
        """Raise without an error number, as pyarrow does."""
        if name.startswith(self.lost):
            raise OSError("AWS Error NETWORK_CONNECTION during PutObject")
        super().write(name, data)

    def create(self, name: str, data: bytes) -> bool:
        """The same."""
        if name.startswith(self.lost):
            raise OSError("AWS Error NETWORK_CONNECTION during PutObject")
        return super().create(name, data)

    def delete(self, name: str) -> None:
        """Nothing is."""
        raise OSError(errno.EBUSY, "Device or resource busy")


@dataclass
class Calm:
    """Nothing is asked."""

    def poll(self, progress: RunProgress) -> Request:
        """Go on."""
        return "continue"

    def report(self, row: Mapping[str, Any]) -> None:
        """Nobody listens."""

    def all_ranks_raised(self) -> bool:
        """The only one did."""
        return True


@pytest.mark.parametrize(
    ("lost", "ended", "attempts"),
    [
        ((), ("completed", None), []),
        (("run.parquet",), ("failed", "storage"), ["storage"]),
        (("run.parquet", "attempts/"), ("failed", "storage"), []),
    ],
    ids=["nothing", "the record", "the record and the attempt"],
)
def test_results_that_cannot_be_written_are_a_failure_of_storage_and_checkpoints_that_stay_are_none(
    tmp_path: Path, lost: tuple[str, ...], ended: tuple[str, str | None], attempts: list[str]
) -> None:
    found = resolved(tmp_path, train={"epochs": 1, "batch_size": 8})
    run, store = found.run(found.systems[0], 1, None), Store.open(tmp_path / "out")
    broken = replace(store, root=Failing(store.root.filesystem, store.root.path, lost=lost))
    finished = execute_run(
        run,
        broken,
        group=ProcessGroup.current(),
        cache=RunCache(),
        control=Calm(),
        attempt=1,
        layout=ComputeOptions(1, 0.0),
        provenance=Provenance(),
    )
    assert (finished.status.replace("collapsed", "completed"), finished.failure) == ended
    assert not finished.retriable
    assert [attempt.kind for attempt in store.attempts(run.run_id)] == attempts
    assert list(store.recorded()) == ([run.run_id] if finished.status != "failed" else [])


def test_the_end_that_is_told_says_whether_there_is_a_checkpoint() -> None:
    assert end_of(Finished("r", 1, "stopped", checkpoint=False), 0, 1) == RunStopped("r", 0, 1, checkpoint=False)
    assert end_of(Finished("r", 1, "stopped"), 0, 1) == RunStopped("r", 0, 1, checkpoint=True)
