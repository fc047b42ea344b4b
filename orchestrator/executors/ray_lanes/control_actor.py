"""The actor between driver, trials and workers: the board behind methods that wait until there is something to say.

Nobody waits inside a collective: each rank, each trial and the driver ask on their own. A wait ends after
`PATIENCE_SECONDS` with nothing, and the caller asks again.
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
    """News for the driver since it last asked. `told`: events, and whether their attempt still has to be recorded."""

    told: tuple[tuple[Event, bool], ...]
    stalled: tuple[tuple[int, tuple[Member, ...]], ...]
    fatal: str | None
    is_over: bool
    open_lanes: int
    lanes_up: int


class ControlActor:
    """An asyncio actor; every method is short but for its wait."""

    def __init__(self, tickets: Sequence[ScheduledRun], lanes: int, limits: Limits, coming: int = 0) -> None:
        self._board = LaneScheduler(tickets, lanes, limits, time.monotonic(), coming)
        self._changed = asyncio.Condition()
        self._read = 0
        self._raised: dict[tuple[str, int], set[int]] = {}
        self._controllers: dict[int, Any] = {}

    async def request(self, run_id: str) -> None:
        """See Board.request."""
        self._board.request(run_id, time.monotonic())
        await self._notify()

    async def follow(self, run_id: str, stint: int, after: int) -> tuple[list[Mapping[str, Any]], bool]:
        """The run's epochs from number `after` on, and whether this stint is over; waits for news."""
        await self._until(lambda: any(self._board.follow(run_id, stint, after, time.monotonic())))
        return self._board.follow(run_id, stint, after, time.monotonic())

    async def order(
        self, tickets: Sequence[ScheduledRun], prune: Sequence[str], pause: Sequence[str], coming: int
    ) -> None:
        """See Board.order."""
        self._board.order(tickets, prune, pause, coming, time.monotonic())
        await self._notify()

    async def join(self, lane: int, gang_id: str, world_size: int, member: Member, problem: str | None) -> None:
        """See Board.join."""
        self._board.join(lane, gang_id, world_size, member, problem, time.monotonic())
        await self._notify()

    async def next(self, lane: int, gang_id: str, rank: int, number: int, leaking: str | None) -> Work | Directive:
        """See Board.next; waits for work."""

        def answer() -> Work | Directive:
            return self._board.next(lane, gang_id, rank, number, leaking, time.monotonic())

        if answer() == "wait":
            await self._notify()
            await self._until(lambda: answer() != "wait")
        found = answer()
        if isinstance(found, Work):
            await self._notify()
        return found

    async def poll(self, lane: int, gang_id: str) -> Ask:
        """See Board.poll."""
        return self._board.poll(lane, gang_id, time.monotonic())

    async def report(self, lane: int, gang_id: str, row: Mapping[str, Any]) -> None:
        """See Board.report."""
        self._board.report(lane, gang_id, row, time.monotonic())
        await self._notify()

    async def finish(self, lane: int, gang_id: str, finished: Finished) -> None:
        """See Board.finish."""
        self._board.finish(lane, gang_id, finished, time.monotonic())
        await self._notify()

    async def raised(self, gang_id: str, rank: int, number: int, world_size: int) -> bool:
        """Whether every rank raised in this work; waits some seconds for the others."""
        ranks = self._raised.setdefault((gang_id, number), set())
        ranks.add(rank)
        await self._notify()
        await self._until(lambda: len(ranks) == world_size, RAISED_TOGETHER_SECONDS)
        return len(ranks) == world_size

    async def committed(self, event: RunFinished) -> None:
        """See Board.committed."""
        self._board.committed(event, time.monotonic())
        await self._notify()

    async def crash(self, lane: int, gang_id: str, error: str) -> None:
        """See Board.crash."""
        self._board.crash(lane, gang_id, error)

    async def lose(self, lane: int, reason: str) -> bool:
        """See Board.lose."""
        again = self._board.lose(lane, reason, time.monotonic())
        await self._notify()
        return again

    async def leave(self, lane: int, reason: str | None) -> bool:
        """See Board.leave. An actor lives as long as somebody keeps its handle, so that it is dropped here."""
        self._controllers.pop(lane, None)
        again = self._board.leave(lane, reason, time.monotonic())
        await self._notify()
        return again

    async def members(self, lane: int | None = None) -> list[Member]:
        """Where the workers of a lane, or of all lanes, are."""
        lanes = self._board.lanes.values() if lane is None else [self._board.lanes[lane]]
        return [member for found in lanes if found.gang is not None for member in found.gang.members.values()]

    async def announce(self, lane: int, controller: Any) -> None:
        """The lane's Train controller is up."""
        self._controllers[lane] = controller

    async def controllers(self) -> list[Any]:
        """The Train controllers that are up."""
        return list(self._controllers.values())

    async def resize(self, room: int, shortage: str) -> list[int]:
        """See Board.resize."""
        grown = self._board.resize(room, shortage, time.monotonic())
        await self._notify()
        return grown

    async def stop(self) -> None:
        """See Board.stop."""
        self._board.stop(time.monotonic())
        await self._notify()

    async def batch(self) -> DriverMessages:
        """What is new for the driver; waits for news, and keeps the watch over lanes that make no progress."""
        await self._until(lambda: len(self._board.book.told) > self._read or self._board.book.is_over)
        stalled = tuple((lane, tuple(members)) for lane, members in self._board.tick(time.monotonic()))
        told = tuple(self._board.book.told[self._read :])
        self._read = len(self._board.book.told)
        board, roster = self._board, self._board.roster
        return DriverMessages(told, stalled, board.fatal, board.book.is_over, roster.open_lanes, roster.up)

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
