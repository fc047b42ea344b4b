"""The one interface to the cluster: an executor takes runs and reports events; in this process or on Ray lanes.

Start with `in_process.py`, the whole contract without Ray. `lanes/` decides which lane executes which run, `ray_lanes/`
carries it out; `events.py` has what a caller learns, and how a search starts and ends runs. May import `worker`,
`storage`, `config`, `ray_private`, `errors`, `units`, `analysis.tables.folder` and `trainables`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from orchestrator.executors.events import Event, RunSource, Scale

if TYPE_CHECKING:
    from orchestrator.config.experiment import RunSpec

StopMode = Literal["checkpoint", "now"]


class Executor(Protocol):
    """Executes runs; the worker writes records and attempts through the store, the caller never does."""

    def execute(
        self,
        runs: Sequence[RunSpec],
        on_event: Callable[[Event], None],
        run_source: RunSource | None = None,
        scale: Scale | None = None,
    ) -> None:
        """Execute the runs; return when each has a record, has used up its attempts, or was stopped.

        `scale` is the scale of the whole experiment, of which `runs` may be only the rest; None: `runs` are all of it.

        After each event `run_source` may decide to start further runs and to end others early. It is not asked if
        `runs` is empty.

        `on_event` is called in the caller's thread, one event at a time, in order; an exception that it raises ends
        the execution and is raised again. A failed run is an event, not an exception. Raises ClusterLost,
        ClusterTooSmall, StorageNotShared or RemoteClient (errors.py).
        """

    def stop(self, mode: StopMode) -> None:
        """Ask a running `execute` to end. Safe in a signal handler and from any thread; "now" may follow "checkpoint".

        "checkpoint": runs stop at their next control point, write a checkpoint and stay pending.
        "now": workers are killed.
        """
