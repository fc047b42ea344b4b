"""What a lane's Train controller tells the control actor.

The controller is a process of its own that comes up before the lane's workers do: nothing here may import what only
the workers need.
"""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import RayError
from ray.train.v2.api.callback import UserCallback

from orchestrator.ray_private import ControllerCallback


class LaneGivenUp(Exception):
    """Leaves the controller's callback so that the trainer ends: the lane's failure budget is spent."""


class WorkerGroupWatch(UserCallback):
    """In the Train controller: tells the control actor that the gang is lost as soon as Train knows."""

    def __init__(self, control: Any, lane: int) -> None:
        self._control = control
        self._lane = lane

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raises LaneGivenUp when this was one loss too many, and RayActorError when the control actor is gone."""
        rank = min(worker_exceptions)
        reason = f"rank {rank}: {_cause(worker_exceptions[rank])}"
        if not ray.get(self._control.lose.remote(self._lane, reason)):
            raise LaneGivenUp(reason)


class Announcement(ControllerCallback):
    """In the Train controller: tells the control actor who it is, for `fit` ends early only when its actor dies."""

    def __init__(self, control: Any, lane: int) -> None:
        self._control = control
        self._lane = lane

    def after_controller_start(self, train_run_context: Any) -> None:
        """Raises RayActorError when the control actor is gone: the trainer ends before it starts anything."""
        ray.get(self._control.announce.remote(self._lane, ray.get_runtime_context().current_actor))


def _cause(error: BaseException) -> str:
    """What became of a worker; Train wraps the death of its process."""
    if isinstance(getattr(error, "health_check_failure", error), RayError):
        return "its process or its node is gone"
    return first_line(error)


def first_line(error: BaseException) -> str:
    """Of its message; its type where that is empty."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
