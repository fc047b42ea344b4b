"""What decides while runs execute: which come next, and which need not go on. A sweep knows all of it beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.config.run_spec import RunSpec
    from orchestrator.executors.events import Event


@dataclass(frozen=True)
class Orders:
    """What is to be done because of an event. A run that was paused may be started again, with its checkpoint.

    `prune`: these end at their next control point with a record; `pause`: these stop there with a checkpoint.
    `coming`: at most so many starts are still to be ordered after these; at 0 the execution ends with its last run.
    """

    start: tuple[RunSpec, ...] = ()
    prune: tuple[str, ...] = ()
    pause: tuple[str, ...] = ()
    coming: int = 0


class Steering(Protocol):
    """Decides in the caller's thread. Only as many runs as there are lanes should be under way at a time."""

    def react(self, event: Event) -> Orders:
        """What follows from an event, after the caller's own listener has heard it."""


class Unsteered:
    """A grid that is known beforehand: nothing is added and nothing ends early."""

    def react(self, event: Event) -> Orders:
        """Nothing follows."""
        return Orders()
