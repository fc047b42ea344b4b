"""What the planner said of the grid beside what was measured; measures nothing itself."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.sections.grid import MODELS, seconds_of_ten
from benchmarks.gpu.task import Task

NO_MEMORY = "the planner says nothing of the memory of a device"


def measure(task: Task) -> None:
    """A row a model: seconds of ten runs on one card, and memory."""
    for model in MODELS:
        own = [row for row in task.rows if row["section"] == "grid" and str(row["key"]).startswith(f"{model},")]
        planned = next((row for row in own if row["key"] == f"{model}, planned"), None)
        measured = seconds_of_ten(own, model)
        if planned is None or measured is None:
            task.row(model, "left out", reason="no run of it was measured")
            continue
        peaks = [row["peak_memory_gib"] for row in own if row.get("peak_memory_gib") is not None]
        _compare(task, model, planned["planned_seconds"], measured, max(peaks, default=None))


def _compare(task: Task, model: str, planned: float, measured: float, peak: Any) -> None:
    task.row(
        model,
        planned_seconds=planned,
        measured_seconds=measured,
        measured_of_planned=measured / planned if planned else None,
        measured_GiB=peak,
        reason=NO_MEMORY,
    )
