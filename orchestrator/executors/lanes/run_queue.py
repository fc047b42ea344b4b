"""The runs of one session: which trials want them, how often they failed, how they ended, and what there is to tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from orchestrator.executors.events import EpochReported, Event, RecordStatus, RunFailed, RunFinished, RunStopped
from orchestrator.executors.lanes import policy
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.state import Ticket
from orchestrator.worker.failure import Failure

if TYPE_CHECKING:
    from orchestrator.worker.failure import Finished

End = RunFinished | RunFailed | RunStopped


class Book:
    """`told` holds (event, whether its attempt still has to be recorded); `ended` has None for runs never begun.

    `coming`: so many runs may still be added.
    """

    def __init__(self, tickets: Iterable[Ticket], limits: Limits, coming: int = 0) -> None:
        self.tickets = {ticket.run.run_id: ticket for ticket in tickets}
        self.ended: dict[str, End | None] = {}
        self.told: list[tuple[Event, bool]] = []
        self.coming = coming
        self._limits = limits
        self._wanted: dict[str, None] = {}
        self._failures: dict[str, int] = {}
        self._holders: dict[str, float] = {}
        self._rows: dict[str, list[Mapping[str, Any]]] = {}

    def tell(self, event: Event, *, unrecorded: bool = False) -> None:
        """Something happened."""
        self.told.append((event, unrecorded))

    def add(self, ticket: Ticket) -> None:
        """Another run, or one that was paused and is to go on; its attempts are counted anew."""
        run_id = ticket.run.run_id
        self.tickets[run_id] = ticket
        self.ended.pop(run_id, None)
        self._failures.pop(run_id, None)

    def is_over_for(self, run_id: str, stint: int) -> bool:
        """Whether the trial that began a run for the `stint`-th time has nothing more to wait for."""
        return run_id in self.ended or self.tickets[run_id].stint > stint

    def want(self, run_id: str) -> None:
        """A run that no lane holds is to be done."""
        if run_id not in self.ended:
            self._wanted.setdefault(run_id)

    def take(self) -> str | None:
        """The run that has waited longest, which now belongs to the caller."""
        while self._wanted:
            run_id = next(iter(self._wanted))
            del self._wanted[run_id]
            if run_id not in self.ended:
                return run_id
        return None

    def hold(self, run_id: str, now: float) -> None:
        """The run's trial gives a sign of life."""
        self._holders[run_id] = now

    def is_orphan(self, run_id: str, now: float) -> bool:
        """Whether the run's trial has been silent for too long."""
        return now - self._holders.get(run_id, now) > self._limits.holder_seconds

    def report(self, run_id: str, lane: int, row: Mapping[str, Any]) -> None:
        """One epoch of a run."""
        self._rows.setdefault(run_id, []).append(row)
        self.tell(EpochReported(run_id, lane, row))

    def rows(self, run_id: str, after: int) -> list[Mapping[str, Any]]:
        """The run's epochs from number `after` on, over all its attempts."""
        return self._rows.get(run_id, [])[after:]

    def attempt(self, run_id: str) -> int:
        """The number of the run's current or next attempt."""
        return self.tickets[run_id].previous_attempts + self._failures.get(run_id, 0) + 1

    def fail(self, event: RunFailed, *, retriable: bool, recorded: bool) -> bool:
        """An attempt failed; whether the run gets another one."""
        failures = self._failures[event.run_id] = self._failures.get(event.run_id, 0) + 1
        again = policy.may_retry(failures, self._limits, event.kind, retriable)
        event = replace(event, will_retry=again)
        if not again:
            self.ended[event.run_id] = event
        self.tell(event, unrecorded=not recorded)
        return again

    def end(self, event: RunFinished | RunStopped) -> None:
        """A run came to its end in this session."""
        self.ended[event.run_id] = event
        self.tell(event)

    def drop(self, held: Iterable[str]) -> None:
        """End every run that was not begun, silently; those in `held` are still being worked on."""
        self._wanted.clear()
        self.coming = 0
        for run_id in self.tickets.keys() - set(held) - self.ended.keys():
            self.ended[run_id] = None

    def unassigned(self, held: Iterable[str]) -> int:
        """How many runs, those that are still to be added included, are neither over nor held by a lane."""
        return len(self.tickets.keys() - set(held) - self.ended.keys()) + self.coming

    @property
    def is_over(self) -> bool:
        """Whether every run ended, and no other one will be added."""
        return self.coming == 0 and len(self.ended) == len(self.tickets)


def end_of(finished: Finished, lane: int, attempt: int) -> End:
    """What a worker's answer means; of a failure, `will_retry` is decided by `Book.fail`."""
    if finished.status == "failed":
        kind, error = finished.failure or Failure.CRASHED.word, finished.error or "no message"
        return RunFailed(finished.run_id, lane, attempt, kind, error, will_retry=False, seconds=finished.seconds)
    if finished.status == "stopped":
        return RunStopped(finished.run_id, lane, attempt, checkpoint=finished.checkpoint)
    status = cast("RecordStatus", finished.status)
    return RunFinished(finished.run_id, lane, attempt, status, finished.score, finished.error, finished.seconds)
