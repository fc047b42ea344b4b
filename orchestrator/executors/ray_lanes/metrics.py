"""Publishes a sweep's progress as Ray metrics, for Prometheus and the dashboard, from the driver's own events.

Every series names the experiment. Values that change during training have one series per lane, results of runs one
per system, so the number of series depends on lanes and systems, not on the number of runs.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from ray.util.metrics import Counter, Gauge

from orchestrator.config.run_spec import RunSpec
from orchestrator.executors.events import (
    Decision,
    EpochReported,
    Event,
    LaneLost,
    LaneRetired,
    LaneStarted,
    RunFailed,
    RunFinished,
    RunSource,
    RunStarted,
    RunStopped,
)
from orchestrator.storage import Store

STATUSES = ("pending", "running", "completed", "collapsed", "diverged", "pruned", "failed", "stopped")


@dataclass
class Tally:
    """Runs by status, lanes and restarts, counted from events; without Ray."""

    status: dict[str, str]
    lanes: set[int] = field(default_factory=set)
    restarts: int = 0
    steps: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Iterable[RunSpec]) -> Tally:
        """Return the tally before the first event."""
        return cls({run.run_id: "pending" for run in runs})

    def counts(self) -> dict[str, int]:
        """Return the number of runs of each status."""
        counts = Counts(self.status.values())
        return {name: counts[name] for name in STATUSES}

    def take(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, RunStarted):
            self.status[event.run_id] = "running"
            self.steps.pop(event.run_id, None)
        elif isinstance(event, RunFinished):
            self.status[event.run_id] = event.status
        elif isinstance(event, RunFailed):
            self.status[event.run_id] = "pending" if event.will_retry else "failed"
        elif isinstance(event, RunStopped):
            self.status[event.run_id] = "stopped"
        elif isinstance(event, LaneStarted):
            self.lanes.add(event.lane)
        elif isinstance(event, LaneLost | LaneRetired):
            self.lanes.discard(event.lane)
            self.restarts += isinstance(event, LaneLost)

    def items_per_second(self, run: RunSpec, row: Mapping[str, Any]) -> float | None:
        """Return the items per second of this row's epoch: optimizer steps times global batch, divided by its seconds.

        The seconds include the evaluation, and the last batch counts as a full one; the record has exact numbers.
        """
        step, seconds = row.get("step"), row.get("seconds")
        if step is None or not seconds:
            return None
        steps = step - self.steps.get(run.run_id, 0)
        self.steps[run.run_id] = step
        return float(steps * run.config.train.batch_size / seconds)


class SweepMetrics:
    """Publishes the progress of one sweep; needs a connection to Ray."""

    def __init__(self, runs: Iterable[RunSpec], store: Store) -> None:
        """`store` has the record of each run that finishes."""
        self._runs = {run.run_id: run for run in runs}
        self._store = store
        self._tally = Tally.of(self._runs.values())
        experiment = next((run.experiment for run in self._runs.values()), "")
        self._status = _gauge("runs", "Runs of this sweep by status", experiment, "status")
        self._lanes = _gauge("lanes", "Lanes whose workers are up", experiment)
        self._restarts = Counter("orchestrate_lane_restarts", "Worker groups that were lost", ("experiment",))
        self._restarts.set_default_tags({"experiment": experiment})
        a_lane = (experiment, "lane", "system")
        self._speed = _gauge("samples_per_second", "Items a second in the last epoch, its evaluation included", *a_lane)
        self._train_loss = _gauge("train_loss", "Loss of the last epoch on training items", *a_lane)
        self._eval_loss = _gauge("eval_loss", "Loss of the last epoch on evaluation items", *a_lane)
        self._score = _gauge("score", "Score of the system's run that finished last", experiment, "system")
        self._memory = _gauge("peak_memory_gib", "Peak memory of that run, GiB", experiment, "system")
        self._publish_counts()

    def publishing(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """Return `on_event` preceded by publishing each event."""

        def publish_first(event: Event) -> None:
            self.publish(event)
            on_event(event)

        return publish_first

    def publish(self, event: Event) -> None:
        """Publish what follows from one event."""
        before = self._tally.restarts
        self._tally.take(event)
        if self._tally.restarts > before:
            self._restarts.inc()
        if isinstance(event, EpochReported):
            self._publish_epoch(event)
            return
        if isinstance(event, RunFinished):
            self._publish_record(event)
        self._publish_counts()

    def counting(self, run_source: RunSource) -> RunSource:
        """Return the same run source, with the runs that it adds counted."""
        return _Counted(run_source, self.add)

    def add(self, runs: Iterable[RunSpec]) -> None:
        """Add runs; known ones are ignored."""
        for run in runs:
            if run.run_id not in self._runs:
                self._runs[run.run_id] = run
                self._tally.status[run.run_id] = "pending"

    def _publish_counts(self) -> None:
        for status, count in self._tally.counts().items():
            self._status.set(count, {"status": status})
        self._lanes.set(len(self._tally.lanes))

    def _publish_epoch(self, event: EpochReported) -> None:
        run = self._runs[event.run_id]
        tags = {"lane": str(event.lane), "system": run.system}
        values = (
            (self._train_loss, event.row.get("train_loss")),
            (self._eval_loss, event.row.get("eval_loss")),
            (self._speed, self._tally.items_per_second(run, event.row)),
        )
        for gauge, value in values:
            if value is not None:
                gauge.set(float(value), tags)

    def _publish_record(self, event: RunFinished) -> None:
        tags = {"system": self._runs[event.run_id].system}
        if event.score is not None:
            self._score.set(event.score, tags)
        memory = self._peak_memory(event.run_id)
        if memory is not None:
            self._memory.set(memory, tags)

    def _peak_memory(self, run_id: str) -> float | None:
        """Return the value of the record; None if it cannot be read, which the sweep's compaction reports."""
        try:
            gib = self._store.recorded_value(run_id, "peak_memory_gib")
        except (pa.ArrowException, OSError):
            return None
        return None if gib is None else float(gib)


@dataclass(frozen=True)
class _Counted:
    """A run source that passes on which runs it adds."""

    run_source: RunSource
    add: Callable[[Iterable[RunSpec]], None]

    def react(self, event: Event) -> Decision:
        """Return the decision of the run source."""
        decision = self.run_source.react(event)
        self.add(decision.start)
        return decision


def _gauge(name: str, description: str, experiment: str, *tags: str) -> Gauge:
    gauge = Gauge(f"orchestrate_{name}", description, ("experiment", *tags))
    gauge.set_default_tags({"experiment": experiment})
    return gauge
