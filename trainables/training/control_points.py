"""Control points: where a run can be stopped or checkpointed from outside, on all ranks at the same step."""

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
    """A run's connection to the outside; only rank 0 uses it."""

    def poll(self, progress: RunProgress) -> Request:
        """Return the outside's request: `stop` leaves a checkpoint and no record, `prune` ends the run as pruned."""

    def report(self, row: Mapping[str, Any]) -> None:
        """Report a finished epoch as a row of the `epochs` table. Must return at once."""


class NoControl:
    """A control for runs that are never stopped from outside."""

    def poll(self, progress: RunProgress) -> Request:
        """Always continue."""
        return "continue"

    def report(self, row: Mapping[str, Any]) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Agreement:
    """What all ranks agreed on at a control point."""

    request: Request
    first_bad_step: int | None


class ControlPoints:
    """Lets all ranks agree about once a second, after a number of steps that is the same on every rank.

    That number follows from the slowest rank's measured time, which the ranks share: so no rank's own clock can make
    them diverge.
    """

    def __init__(self, group: ProcessGroup, control: RunControl, checkpoint_due: Callable[[], bool]) -> None:
        """Agree at the first step, then at the measured pace. Only rank 0 calls `checkpoint_due`."""
        self._group = group
        self._control = control
        self._checkpoint_due = checkpoint_due
        self._interval = 1
        self._countdown = 1
        self._since = time.monotonic()

    def due(self) -> bool:
        """Count a step and return whether the ranks must agree now. Call once per step, on every rank."""
        self._countdown -= 1
        return self._countdown <= 0

    def hasten(self) -> None:
        """Agree at the next step, so that a report is acted on before the next one. Call on every rank."""
        self._interval = max(1, self._interval - self._countdown + 1)
        self._countdown = 1

    def agree(self, progress: RunProgress, first_bad_step: int | None) -> Agreement:
        """Share the outside's request, the first step with a non-finite value, and the measured pace."""
        request = self._request(progress)
        elapsed = time.monotonic() - self._since
        urgency, step, seconds = self._group.maximum([float(URGENCY.index(request)), _negated(first_bad_step), elapsed])
        self._pace(seconds)
        return Agreement(URGENCY[int(urgency)], _step(step))

    def shared_bad_step(self, first_bad_step: int | None) -> int | None:
        """Return the first bad step of any rank."""
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
