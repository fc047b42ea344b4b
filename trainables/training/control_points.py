"""Control points: where a run can be stopped or checkpointed from outside, with all its ranks in step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from trainables.training.distributed import ProcessGroup

Request = Literal["continue", "checkpoint", "stop", "prune"]
URGENCY: tuple[Request, ...] = ("continue", "checkpoint", "stop", "prune")
INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class RunProgress:
    """How far a run is: optimizer steps done and planned, epochs done."""

    step: int
    total_steps: int
    epoch: int


class RunControl(Protocol):
    """What a run asks and tells the outside; only rank 0 does."""

    def poll(self, progress: RunProgress) -> Request:
        """What the outside wants. `stop` leaves a checkpoint and no record; `prune` ends the run as pruned."""

    def report(self, row: Mapping[str, Any]) -> None:
        """One finished epoch: a row of the `epochs` table. Returns at once."""


class NoControl:
    """A run nobody watches: it is never stopped."""

    def poll(self, progress: RunProgress) -> Request:
        """Always go on."""
        return "continue"

    def report(self, row: Mapping[str, Any]) -> None:
        """Nobody listens."""


@dataclass(frozen=True)
class Agreement:
    """What all ranks agreed on at a control point."""

    request: Request
    first_bad_step: int | None


class ControlPoints:
    """Lets all ranks agree about once a second, after a number of steps that every rank computes alike.

    The number of steps between two points follows from the slowest rank's measured time, which is part of what is
    shared; a clock that only one rank sees can therefore never send ranks apart.
    """

    def __init__(self, group: ProcessGroup, control: RunControl, checkpoint_due: Callable[[], bool]) -> None:
        """Agree at the first step, then at the pace that was measured. Only rank 0 asks `checkpoint_due`."""
        self._group = group
        self._control = control
        self._checkpoint_due = checkpoint_due
        self._interval = 1
        self._countdown = 1
        self._since = time.monotonic()

    def due(self) -> bool:
        """Call once a step, on every rank."""
        self._countdown -= 1
        return self._countdown <= 0

    def hasten(self) -> None:
        """Agree at the next step, so that the answer to a report is heard before the next report; on every rank."""
        self._interval = max(1, self._interval - self._countdown + 1)
        self._countdown = 1

    def agree(self, progress: RunProgress, first_bad_step: int | None) -> Agreement:
        """Share the outside's request, the first step with a non-finite value, and the pace."""
        request = self._request(progress)
        elapsed = time.monotonic() - self._since
        urgency, step, seconds = self._group.maximum([float(URGENCY.index(request)), _negated(first_bad_step), elapsed])
        self._pace(seconds)
        return Agreement(URGENCY[int(urgency)], _step(step))

    def shared_bad_step(self, first_bad_step: int | None) -> int | None:
        """The first bad step of any rank."""
        return _step(self._group.maximum([_negated(first_bad_step)])[0])

    def _request(self, progress: RunProgress) -> Request:
        if not self._group.is_main:
            return "continue"
        request = self._control.poll(progress)
        return "checkpoint" if request == "continue" and self._checkpoint_due() else request

    def _pace(self, seconds: float) -> None:
        per_step = max(seconds, 1e-6) / self._interval
        self._interval = max(1, min(10_000, int(INTERVAL_SECONDS / per_step)))
        self._countdown = self._interval
        self._since = time.monotonic()


def _negated(step: int | None) -> float:
    return float("-inf") if step is None else -float(step)


def _step(negated: float) -> int | None:
    return None if negated == float("-inf") else int(-negated)
