"""The actor between driver, trials and workers: the lane scheduler behind methods that wait until there is news.

No caller waits inside a collective: each rank, each trial and the driver ask on their own. After `PATIENCE_SECONDS`
without news a wait ends, and the caller asks again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.executors.events import Event, RunFinished
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.scheduler import LaneScheduler
from orchestrator.executors.lanes.state import Ask, Directive, Member, ScheduledRun, Work

if TYPE_CHECKING:
    from orchestrator.worker.failure import Finished

PATIENCE_SECONDS = 1.0
RAISED_TOGETHER_SECONDS = 5.0


@dataclass(frozen=True)
class DriverMessages:
    """News for the driver. `events` holds pairs: an event, and whether its attempt still has to be recorded."""

    events: tuple[tuple[Event, bool], ...]
    stalled: tuple[tuple[int, tuple[Member, ...]], ...]
    fatal: str | None
    is_over: bool
    open_lanes: int
    lanes_up: int


class ControlActor:
    """An asyncio actor; its methods take no time except to wait."""

    def __init__(self, runs: Sequence[ScheduledRun], lanes: int, limits: Limits, coming: int = 0) -> None:
        self._scheduler = LaneScheduler(runs, lanes, limits, time.monotonic(), coming)
        self._changed = asyncio.Condition()
        self._read = 0
        self._raised: dict[tuple[str, int], set[int]] = {}
        self._controllers: dict[int, Any] = {}

    async def request(self, run_id: str) -> None:
        """See LaneScheduler.request."""
        self._scheduler.request(run_id, time.monotonic())
        await self._notify()

    async def follow(self, run_id: str, resumes: int, after: int) -> tuple[list[Mapping[str, Any]], bool]:
        """See LaneScheduler.follow; waits for news."""
        await self._until(lambda: any(self._scheduler.follow(run_id, resumes, after, time.monotonic())))
        return self._scheduler.follow(run_id, resumes, after, time.monotonic())

    async def apply_decision(
        self, runs: Sequence[ScheduledRun], prune: Sequence[str], pause: Sequence[str], coming: int
    ) -> None:
        """See LaneScheduler.apply_decision."""
        self._scheduler.apply_decision(runs, prune, pause, coming, time.monotonic())
        await self._notify()

    async def join(self, lane: int, group_id: str, world_size: int, member: Member, problem: str | None) -> None:
        """See LaneScheduler.join."""
        self._scheduler.join(lane, group_id, world_size, member, problem, time.monotonic())
        await self._notify()

    async def next(self, lane: int, group_id: str, rank: int, number: int, leaking: str | None) -> Work | Directive:
        """See LaneScheduler.next; waits for work."""

        def ask() -> Work | Directive:
            return self._scheduler.next(lane, group_id, rank, number, leaking, time.monotonic())

        if ask() == "wait":
            await self._notify()
            await self._until(lambda: ask() != "wait")
        work = ask()
        if isinstance(work, Work):
            await self._notify()
        return work

    async def poll(self, lane: int, group_id: str) -> Ask:
        """See LaneScheduler.poll."""
        return self._scheduler.poll(lane, group_id, time.monotonic())

    async def report(self, lane: int, group_id: str, row: Mapping[str, Any]) -> None:
        """See LaneScheduler.report."""
        self._scheduler.report(lane, group_id, row, time.monotonic())
        await self._notify()

    async def finish(self, lane: int, group_id: str, finished: Finished) -> None:
        """See LaneScheduler.finish."""
        self._scheduler.finish(lane, group_id, finished, time.monotonic())
        await self._notify()

    async def raised(self, group_id: str, rank: int, number: int, world_size: int) -> bool:
        """Return whether every rank raised in this work; wait some seconds for the others."""
        ranks = self._raised.setdefault((group_id, number), set())
        ranks.add(rank)
        await self._notify()
        await self._until(lambda: len(ranks) == world_size, RAISED_TOGETHER_SECONDS)
        return len(ranks) == world_size

    async def committed(self, event: RunFinished) -> None:
        """See LaneScheduler.committed."""
        self._scheduler.committed(event, time.monotonic())
        await self._notify()

    async def crash(self, lane: int, group_id: str, error: str) -> None:
        """See LaneScheduler.crash."""
        self._scheduler.crash(lane, group_id, error)

    async def lose(self, lane: int, reason: str) -> bool:
        """See LaneScheduler.lose."""
        again = self._scheduler.lose(lane, reason, time.monotonic())
        await self._notify()
        return again

    async def leave(self, lane: int, reason: str | None) -> bool:
        """See LaneScheduler.leave. Drop the handle that keeps the lane's Train controller alive."""
        self._controllers.pop(lane, None)
        again = self._scheduler.leave(lane, reason, time.monotonic())
        await self._notify()
        return again

    async def members(self, lane: int | None = None) -> list[Member]:
        """Return the processes of one lane's workers, or of all lanes'."""
        lanes = self._scheduler.lanes.values() if lane is None else [self._scheduler.lanes[lane]]
        groups = [one.group for one in lanes if one.group is not None]
        return [member for group in groups for member in group.members.values()]

    async def announce(self, lane: int, controller: Any) -> None:
        """Note that the lane's Train controller is up."""
        self._controllers[lane] = controller

    async def controllers(self) -> list[Any]:
        """Return the Train controllers that are up."""
        return list(self._controllers.values())

    async def resize(self, room: int, shortage: str) -> list[int]:
        """See LaneScheduler.resize."""
        grown = self._scheduler.resize(room, shortage, time.monotonic())
        await self._notify()
        return grown

    async def stop(self) -> None:
        """See LaneScheduler.stop."""
        self._scheduler.stop(time.monotonic())
        await self._notify()

    async def driver_messages(self) -> DriverMessages:
        """Wait for news and return it to the driver; also notice lanes that make no progress."""
        await self._until(lambda: len(self._scheduler.queue.events) > self._read or self._scheduler.queue.is_over)
        stalled = tuple((lane, tuple(members)) for lane, members in self._scheduler.tick(time.monotonic()))
        events = tuple(self._scheduler.queue.events[self._read :])
        self._read = len(self._scheduler.queue.events)
        scheduler, state = self._scheduler, self._scheduler.state
        return DriverMessages(events, stalled, scheduler.fatal, scheduler.queue.is_over, state.open_lanes, state.up)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _until(self, holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        async def wait() -> None:
            async with self._changed:
                await self._changed.wait_for(holds)

        try:
            await asyncio.wait_for(wait(), seconds)
        except TimeoutError:
            return
