"""The one seam to the cluster: an executor takes runs and says what happens to them; in process or on Ray lanes.

Start with `in_process.py`, the whole contract without Ray. `lanes/` decides who executes which run, `ray_lanes/` acts
on it; `events.py` is what a caller hears, and how a search begins and ends runs. May import `worker`,
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
    """Executes runs; records and attempts are written by the worker through the store, never by the caller."""

    def execute(
        self,
        runs: Sequence[RunSpec],
        on_event: Callable[[Event], None],
        steering: RunSource | None = None,
        scale: Scale | None = None,
    ) -> None:
        """Return when every run has a record, has used up its attempts, or was stopped.

        `scale` is that of the whole experiment, of which `runs` may be what is left; None: `runs` are all there is.

        With `steering` further runs are begun, and others ended early, as it orders after each event; it can order
        nothing where `runs` is empty.

        `on_event` is called in the caller's thread, one event at a time, in order; what it raises ends the execution
        and is raised again. A run that fails is an event and not an exception. Raises ClusterLost, ClusterTooSmall,
        StorageNotShared or RemoteClient (errors.py).
        """

    def stop(self, mode: StopMode) -> None:
        """Ask a running `execute` to end; safe in a signal handler and from any thread; a harder mode may follow.

        "checkpoint": runs stop at their next control point, write a checkpoint and stay pending.
        "now": workers are killed.
        """
