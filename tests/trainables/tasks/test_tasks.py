"""Every registered task keeps the contract of the task seam."""

from __future__ import annotations

import pytest

from trainables import registry
from trainables.engine.task import Task


@pytest.mark.parametrize("name", registry.names("task"))
def test_a_task_says_what_it_needs_and_what_it_scores(name: str) -> None:
    task: Task = registry.load("task", name)
    assert task.description
    assert task.fields
    assert task.primary_metric in task.metrics
    assert len(set(task.metrics)) == len(task.metrics)
    members = {member for member in vars(Task) if not member.startswith("_")}
    assert not [member for member in members if not hasattr(task, member)]
