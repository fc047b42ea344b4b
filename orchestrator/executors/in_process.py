"""Executes runs one after another in this process, without Ray: for debugging, tests, `run` and torchrun."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from orchestrator.config.run_spec import RunSpec
from orchestrator.executors import StopMode
from orchestrator.executors.events import (
    EpochReported,
    Event,
    FixedGrid,
    LanesPlanned,
    LaneStarted,
    RunFailed,
    RunSource,
    RunStarted,
    RunStopped,
    Scale,
)
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.state import RunQueue, ScheduledRun, end_of, scheduled_runs
from orchestrator.executors.torchrun import PartialFailure, Ranks, RankWork
from orchestrator.storage import Attempt, Store
from orchestrator.worker.execute import execute_run
from orchestrator.worker.failure import Finished, classify
from orchestrator.worker.versions import Provenance
from trainables.training.control_points import Request, RunProgress
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions as RunLayout
from trainables.training.token_cache import RunCache

LANE = 0
ALONE = "this process"


class StoppedNow(BaseException):
    """Leaves a run at once; a BaseException, so that nothing takes it for a failure of the run."""


class InProcess:
    """The Executor without Ray. Under torchrun every rank has one, and only rank 0 passes events on.

    `threads` is the number torch may use; None leaves it unchanged. `ranks` are the processes that compute together;
    rank 0 leads, and the others execute the same runs.
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits | None = None,
        run_layout: RunLayout | None = None,
        provenance: Provenance | None = None,
        threads: int | None = None,
        group: ProcessGroup | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self._store = store
        self._limits = limits or Limits()
        self._run_layout = run_layout or RunLayout()
        self._provenance = provenance or Provenance()
        self._threads = threads
        self._group = group if ranks is None else ranks.group
        self._ranks = ranks
        self._mode: StopMode | None = None

    def stop(self, mode: StopMode) -> None:
        """See Executor.stop. A run that is not training yet ends at its first control point, even with "now"."""
        self._mode = mode

    def execute(
        self,
        runs: Sequence[RunSpec],
        on_event: Callable[[Event], None],
        run_source: RunSource | None = None,
        scale: Scale | None = None,
    ) -> None:
        """See Executor.execute. Needs a single process for a `run_source`; ignores `scale`."""
        if not runs:
            return
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        group = self._group or ProcessGroup.current()
        assert run_source is None or group.world_size == 1, "the other ranks would not know what one rank decides"
        queue = RunQueue(scheduled_runs(runs, self._store), self._limits)
        for run in runs:
            queue.put(run.run_id)
        handler = _EventHandler(on_event if group.is_main else _ignore, run_source or FixedGrid(), self._store, queue)
        handler(LanesPlanned(1, group.world_size, float(torch.get_num_threads()), float(group.device.type == "cuda")))
        handler(LaneStarted(LANE, 1, (ALONE,) * group.world_size, 0.0))
        out, owner = self._store.address, self._store.owner
        work = RankWork(runs, out, owner, self._limits, self._run_layout, self._provenance)
        with contextlib.nullcontext() if self._ranks is None else self._ranks.working(work):
            self._execute_all(queue, group, handler)

    def _execute_all(self, queue: RunQueue, group: ProcessGroup, handler: _EventHandler) -> None:
        cache = RunCache()
        while (run_id := queue.take()) is not None:
            while run_id not in queue.ended:
                if group.shared(self._mode) is not None:
                    return
                self._attempt(queue.runs[run_id], queue, group, cache, handler)

    def _attempt(
        self, scheduled: ScheduledRun, queue: RunQueue, group: ProcessGroup, cache: RunCache, handler: _EventHandler
    ) -> None:
        run, attempt = scheduled.run, queue.attempt(scheduled.run.run_id)
        handler(RunStarted(run.run_id, LANE, attempt))
        control = _Control(lambda: self._mode, handler, run.run_id, self._ranks, f"{run.run_id} attempt {attempt}")
        finished = self._execute_attempt(run, attempt, group, cache, control)
        if finished is None:
            queue.end(RunStopped(run.run_id, LANE, attempt, checkpoint=False))
        else:
            self._note_end(finished, attempt, queue, handler)
        if finished is not None and finished.recycle:
            cache.clear()
        events = [event for event, _ in queue.events]
        queue.events.clear()
        for event in events:
            handler(event)

    def _execute_attempt(
        self, run: RunSpec, attempt: int, group: ProcessGroup, cache: RunCache, control: _Control
    ) -> Finished | None:
        """Execute one attempt; return its result, or None if it was left at once."""
        try:
            return execute_run(
                run,
                self._store,
                group=group,
                cache=cache,
                control=control,
                attempt=attempt,
                layout=self._run_layout,
                provenance=self._provenance,
            )
        except StoppedNow:
            return None
        except Exception as error:
            if self._ranks is None:
                raise
            raise self._partial_failure(self._ranks, run, attempt, error) from error

    def _note_end(self, finished: Finished, attempt: int, queue: RunQueue, handler: _EventHandler) -> None:
        end = end_of(finished, LANE, attempt)
        if isinstance(end, RunFailed):
            queue.fail(end, retriable=finished.retriable and self._mode is None, recorded=True)
        elif isinstance(end, RunStopped):
            queue.end(replace(end, paused=self._mode is None and finished.run_id in handler.paused))
        else:
            queue.end(end)

    def _partial_failure(self, ranks: Ranks, run: RunSpec, attempt: int, error: Exception) -> PartialFailure:
        """Return the error for the ranks that raised; the first of them also records the attempt, with its reason."""
        message = f"rank {ranks.group.rank}: {type(error).__name__}: {error}"
        if ranks.is_first(f"{run.run_id} attempt {attempt}"):
            trace = "".join(traceback.format_exception(error))
            self._store.record_attempt(run, Attempt(attempt, "failed", classify(error).word, message, trace))
        return PartialFailure(f"{message}; the other ranks cannot go on without it: the same command tries again")


@dataclass
class _EventHandler:
    """Passes events on, and carries out what the run source decides after them."""

    on_event: Callable[[Event], None]
    run_source: RunSource
    store: Store
    queue: RunQueue
    unwanted: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        self.on_event(event)
        decision = self.run_source.react(event)
        for scheduled in scheduled_runs(decision.start, self.store):
            self.paused.discard(scheduled.run.run_id)
            self.queue.add(scheduled)
            self.queue.put(scheduled.run.run_id)
        self.unwanted.update(decision.prune)
        self.paused.update(decision.pause)


@dataclass(frozen=True)
class _Control:
    """What a training uses to ask for requests and to report epochs."""

    mode: Callable[[], StopMode | None]
    handler: _EventHandler
    run_id: str
    ranks: Ranks | None
    work: str

    def poll(self, progress: RunProgress) -> Request:
        """Return whether to continue, stop with a checkpoint, or end as pruned. Raises StoppedNow."""
        mode = self.mode()
        if mode == "now":
            raise StoppedNow
        if self.run_id in self.handler.unwanted:
            return "prune"
        return "continue" if mode is None and self.run_id not in self.handler.paused else "stop"

    def report(self, row: Mapping[str, Any]) -> None:
        """Pass an epoch on."""
        self.handler(EpochReported(self.run_id, LANE, row))

    def all_ranks_raised(self) -> bool:
        """Ask outside the process group, where the others may be waiting."""
        return self.ranks is not None and self.ranks.all_raised(self.work)


def _ignore(event: Event) -> None:
    """Drop the event: only rank 0 passes events on."""
