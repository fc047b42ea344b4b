"""Executes runs one after another in this process, without Ray: for debugging, tests, `run` and torchrun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from orchestrator import worker
from orchestrator.executors import StopMode
from orchestrator.executors.book import Book, end_of
from orchestrator.executors.events import (
    EpochReported,
    Event,
    LanesPlanned,
    LaneStarted,
    RunFailed,
    RunStarted,
    RunStopped,
)
from orchestrator.executors.policy import Limits
from orchestrator.executors.steering import Steering, Unsteered
from orchestrator.executors.tickets import Ticket, tickets
from orchestrator.spec.run_spec import RunSpec
from orchestrator.storage import Store
from trainables.engine.control import Progress, Request
from trainables.engine.group import Group
from trainables.engine.loop import Layout as RunLayout
from trainables.engine.warm import Warm

LANE = 0
ALONE = "this process"


class StoppedNow(BaseException):
    """Leaves a run at once; no handler of ordinary exceptions may take it for a failure of the run."""


class InProcess:
    """The Executor without Ray. Under torchrun every rank makes one, and only rank 0's events are told.

    `threads` is what torch may use; None leaves it as it is.
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits | None = None,
        run_layout: RunLayout | None = None,
        threads: int | None = None,
        group: Group | None = None,
    ) -> None:
        self._store = store
        self._limits = limits or Limits()
        self._run_layout = run_layout or RunLayout()
        self._threads = threads
        self._group = group
        self._mode: StopMode | None = None

    def stop(self, mode: StopMode) -> None:
        """See Executor.stop. A run that is not training yet ends at its first control point even when asked for now."""
        self._mode = mode

    def execute(
        self, runs: Sequence[RunSpec], on_event: Callable[[Event], None], steering: Steering | None = None
    ) -> None:
        """See Executor.execute. Only a process that is alone can be steered."""
        if not runs:
            return
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        group = self._group or Group.current()
        assert steering is None or group.world_size == 1, "what one rank decides is not known to the others"
        book = Book(tickets(runs, self._store), self._limits)
        for run in runs:
            book.want(run.run_id)
        tell = _Teller(on_event if group.is_main else _nobody, steering or Unsteered(), self._store, book)
        tell(LanesPlanned(1, group.world_size, float(torch.get_num_threads()), float(group.device.type == "cuda")))
        tell(LaneStarted(LANE, 1, (ALONE,) * group.world_size, 0.0))
        warm = Warm()
        while (found := book.take()) is not None:
            while found not in book.ended:
                if group.shared(self._mode) is not None:
                    return
                self._attempt(book.tickets[found], book, group, warm, tell)

    def _attempt(self, ticket: Ticket, book: Book, group: Group, warm: Warm, tell: _Teller) -> None:
        run, attempt = ticket.run, book.attempt(ticket.run.run_id)
        tell(RunStarted(run.run_id, LANE, attempt))
        control = _Control(lambda: self._mode, tell, run.run_id)
        try:
            finished = worker.execute(
                run, self._store, group=group, warm=warm, control=control, attempt=attempt, layout=self._run_layout
            )
        except StoppedNow:
            book.end(RunStopped(run.run_id, LANE, attempt, checkpoint=False))
        else:
            end = end_of(finished, LANE, attempt)
            if isinstance(end, RunFailed):
                book.fail(end, retriable=finished.retriable and self._mode is None, recorded=True)
            elif isinstance(end, RunStopped):
                book.end(replace(end, paused=self._mode is None and run.run_id in tell.paused))
            else:
                book.end(end)
            if finished.recycle:
                warm.clear()
        told = [event for event, _ in book.told]
        book.told.clear()
        for event in told:
            tell(event)


@dataclass
class _Teller:
    """Passes events on, and remembers what the steering wants because of them."""

    on_event: Callable[[Event], None]
    steering: Steering
    store: Store
    book: Book
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
    """What the engine asks and tells while a run is on."""

    mode: Callable[[], StopMode | None]
    tell: _Teller
    run_id: str

    def poll(self, progress: Progress) -> Request:
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
        """Without a place to ask outside the process group, a rank that raised takes the others down (torchrun)."""
        return False


def _nobody(event: Event) -> None:
    """Only rank 0 has a listener."""
