"""Callbacks by which a lane's Train controller notifies the control actor.

The controller is a process of its own that starts before the lane's workers, so nothing here may import what only the
workers need.
"""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import RayError
from ray.train.v2.api.callback import UserCallback

from orchestrator.ray_private import ControllerCallback


class LaneGivenUp(Exception):
    """Ends the trainer from a callback of its controller: the lane's failure budget is spent."""


class WorkerGroupWatch(UserCallback):
    """In the Train controller: reports a lost worker group to the control actor as soon as Train knows."""

    def __init__(self, control: Any, lane: int) -> None:
        self._control = control
        self._lane = lane

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Report the loss. Raises LaneGivenUp after one loss too many, RayActorError if the control actor is gone."""
        rank = min(worker_exceptions)
        reason = f"rank {rank}: {_cause(worker_exceptions[rank])}"
        if not ray.get(self._control.lose.remote(self._lane, reason)):
            raise LaneGivenUp(reason)


class Announcement(ControllerCallback):
    """In the Train controller: sends the control actor its handle, since `fit` ends early only if its actor dies."""

    def __init__(self, control: Any, lane: int) -> None:
        self._control = control
        self._lane = lane

    def after_controller_start(self, train_run_context: Any) -> None:
        """Send the handle. Raises RayActorError if the control actor is gone: the trainer then starts nothing."""
        ray.get(self._control.announce.remote(self._lane, ray.get_runtime_context().current_actor))


def _cause(error: BaseException) -> str:
    """Say what happened to a worker; Train wraps the death of its process."""
    if isinstance(getattr(error, "health_check_failure", error), RayError):
        return "its process or its node is gone"
    return first_line(error)


def first_line(error: BaseException) -> str:
    """Return the first line of the error's message, or its type if the message is empty."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
