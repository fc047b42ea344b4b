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
from orchestrator.executors.lanes.state import RunQueue, ScheduledRun, end_of, tickets
from orchestrator.executors.torchrun import Order, Parted, Ranks
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
    """Leaves a run at once; no handler of ordinary exceptions may take it for a failure of the run."""


class InProcess:
    """The Executor without Ray. Under torchrun every rank makes one, and only rank 0's events are told.

    `threads` is what torch may use; None leaves it as it is. `ranks` are the processes to compute with; those but rank
    0 execute what its executor orders.
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
        """See Executor.stop. A run that is not training yet ends at its first control point even when asked for now."""
        self._mode = mode

    def execute(
        self,
        runs: Sequence[RunSpec],
        on_event: Callable[[Event], None],
        steering: RunSource | None = None,
        scale: Scale | None = None,
    ) -> None:
        """See Executor.execute. Only a process that is alone can be steered; nothing here depends on the scale."""
        if not runs:
            return
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        group = self._group or ProcessGroup.current()
        assert steering is None or group.world_size == 1, "what one rank decides is not known to the others"
        book = RunQueue(tickets(runs, self._store), self._limits)
        for run in runs:
            book.want(run.run_id)
        tell = _Teller(on_event if group.is_main else _nobody, steering or FixedGrid(), self._store, book)
        tell(LanesPlanned(1, group.world_size, float(torch.get_num_threads()), float(group.device.type == "cuda")))
        tell(LaneStarted(LANE, 1, (ALONE,) * group.world_size, 0.0))
        out, owner = self._store.address, self._store.owner
        order = Order(runs, out, owner, self._limits, self._run_layout, self._provenance)
        with contextlib.nullcontext() if self._ranks is None else self._ranks.working(order):
            self._work_off(book, group, tell)

    def _work_off(self, book: RunQueue, group: ProcessGroup, tell: _Teller) -> None:
        warm = RunCache()
        while (found := book.take()) is not None:
            while found not in book.ended:
                if group.shared(self._mode) is not None:
                    return
                self._attempt(book.tickets[found], book, group, warm, tell)

    def _attempt(
        self, ticket: ScheduledRun, book: RunQueue, group: ProcessGroup, warm: RunCache, tell: _Teller
    ) -> None:
        run, attempt = ticket.run, book.attempt(ticket.run.run_id)
        tell(RunStarted(run.run_id, LANE, attempt))
        control = _Control(lambda: self._mode, tell, run.run_id, self._ranks, f"{run.run_id} attempt {attempt}")
        finished = self._executed(run, attempt, group, warm, control)
        if finished is None:
            book.end(RunStopped(run.run_id, LANE, attempt, checkpoint=False))
        else:
            self._enter(finished, attempt, book, tell)
        if finished is not None and finished.recycle:
            warm.clear()
        told = [event for event, _ in book.told]
        book.told.clear()
        for event in told:
            tell(event)

    def _executed(
        self, run: RunSpec, attempt: int, group: ProcessGroup, warm: RunCache, control: _Control
    ) -> Finished | None:
        """What the worker made of it; None where it was left at once."""
        try:
            return execute_run(
                run,
                self._store,
                group=group,
                warm=warm,
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
            raise self._parted(self._ranks, run, attempt, error) from error

    def _enter(self, finished: Finished, attempt: int, book: RunQueue, tell: _Teller) -> None:
        end = end_of(finished, LANE, attempt)
        if isinstance(end, RunFailed):
            book.fail(end, retriable=finished.retriable and self._mode is None, recorded=True)
        elif isinstance(end, RunStopped):
            book.end(replace(end, paused=self._mode is None and finished.run_id in tell.paused))
        else:
            book.end(end)

    def _parted(self, ranks: Ranks, run: RunSpec, attempt: int, error: Exception) -> Parted:
        """What the ranks that raised end with; the first of them knows the reason, and writes the attempt down."""
        message = f"rank {ranks.group.rank}: {type(error).__name__}: {error}"
        if ranks.is_first(f"{run.run_id} attempt {attempt}"):
            trace = "".join(traceback.format_exception(error))
            self._store.record_attempt(run, Attempt(attempt, "failed", classify(error).word, message, trace))
        return Parted(f"{message}; the other ranks cannot go on without it: the same command tries again")


@dataclass
class _Teller:
    """Passes events on, and remembers what the steering wants because of them."""

    on_event: Callable[[Event], None]
    steering: RunSource
    store: Store
    book: RunQueue
    unwanted: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        self.on_event(event)
        orders = self.steering.react(event)
        for ticket in tickets(orders.start, self.store):
            self.paused.discard(ticket.run.run_id)
            self.book.add(ticket)
            self.book.want(ticket.run.run_id)
        self.unwanted.update(orders.prune)
        self.paused.update(orders.pause)


@dataclass(frozen=True)
class _Control:
    """What a training asks and tells while a run is on."""

    mode: Callable[[], StopMode | None]
    tell: _Teller
    run_id: str
    ranks: Ranks | None
    work: str

    def poll(self, progress: RunProgress) -> Request:
        """Go on, stop with a checkpoint, or end as pruned. Raises StoppedNow."""
        mode = self.mode()
        if mode == "now":
            raise StoppedNow
        if self.run_id in self.tell.unwanted:
            return "prune"
        return "continue" if mode is None and self.run_id not in self.tell.paused else "stop"

    def report(self, row: Mapping[str, Any]) -> None:
        """Pass the epoch on."""
        self.tell(EpochReported(self.run_id, LANE, row))

    def all_ranks_raised(self) -> bool:
        """Ask outside the process group, where the others may be waiting."""
        return self.ranks is not None and self.ranks.all_raised(self.work)


def _nobody(event: Event) -> None:
    """Only rank 0 has a listener."""
