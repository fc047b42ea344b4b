"""Control points: all ranks agree, requests act, and the pace follows the slowest rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.training.control_points import ControlPoints, Request, RunProgress
from trainables.training.distributed import ProcessGroup


class Asking:
    """Always asks for the same thing."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.rows: list[Mapping[str, Any]] = []

    def poll(self, progress: RunProgress) -> Request:
        return self.request

    def report(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)


def points(request: Request, checkpoint_due: bool = False) -> ControlPoints:
    return ControlPoints(ProcessGroup(), Asking(request), lambda: checkpoint_due)


def test_the_first_step_is_a_control_point() -> None:
    assert points("continue").due()


def test_a_request_reaches_the_decision() -> None:
    assert points("stop").agree(RunProgress(1, 10, 0), None).request == "stop"


def test_a_due_checkpoint_is_a_request_unless_the_outside_wants_more() -> None:
    assert points("continue", checkpoint_due=True).agree(RunProgress(1, 10, 0), None).request == "checkpoint"
    assert points("prune", checkpoint_due=True).agree(RunProgress(1, 10, 0), None).request == "prune"


def test_the_first_bad_step_survives_the_exchange() -> None:
    decision = points("continue").agree(RunProgress(9, 10, 0), 0)
    assert decision.first_bad_step == 0
    assert points("continue").shared_bad_step(None) is None


def test_fast_steps_are_asked_about_rarely() -> None:
    control = points("continue")
    assert control.due()
    control.agree(RunProgress(1, 1000, 0), None)
    assert sum(control.due() for _ in range(50)) == 0
