"""Says in Ray's metrics how a sweep goes, for Prometheus and the dashboard: counted in the driver from its own events.

Every series carries the experiment. What changes while a run is trained is kept a lane, and what a run leaves behind a
system, so that the number of series is bounded by the cluster and the systems and not by the number of runs.
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
    """Runs by status, lanes and restarts as the events tell them; without Ray."""

    status: dict[str, str]
    lanes: set[int] = field(default_factory=set)
    restarts: int = 0
    steps: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Iterable[RunSpec]) -> Tally:
        """Before anything has happened."""
        return cls({run.run_id: "pending" for run in runs})

    def counts(self) -> dict[str, int]:
        """How many runs there are of each status."""
        found = Counts(self.status.values())
        return {name: found[name] for name in STATUSES}

    def take(self, event: Event) -> None:
        """Something happened."""
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
        """Items a second in the epoch of this row: its optimizer steps times the global batch, over its seconds.

        Its evaluation is part of these seconds, and the last batch counts as a full one: the record has exact numbers.
        """
        step, seconds = row.get("step"), row.get("seconds")
        if step is None or not seconds:
            return None
        taken = step - self.steps.get(run.run_id, 0)
        self.steps[run.run_id] = step
        return float(taken * run.config.train.batch_size / seconds)


class SweepMetrics:
    """Publishes what the events of one sweep say; needs a connection to Ray."""

    def __init__(self, runs: Iterable[RunSpec], store: Store) -> None:
        """`store` is asked for the record of each run that finishes."""
        self._runs = {run.run_id: run for run in runs}
        self._store = store
        self._tally = Tally.of(self._runs.values())
        experiment = next((run.experiment for run in self._runs.values()), "")
        self._status = _gauge("runs", "Runs of this sweep by status", experiment, "status")
        self._lanes = _gauge("lanes", "Lanes whose workers are up", experiment)
        self._restarts = Counter("orchestrate_lane_restarts", "Gangs of workers that were lost", ("experiment",))
        self._restarts.set_default_tags({"experiment": experiment})
        a_lane = (experiment, "lane", "system")
        self._speed = _gauge("samples_per_second", "Items a second in the last epoch, its evaluation included", *a_lane)
        self._train_loss = _gauge("train_loss", "Loss of the last epoch on training items", *a_lane)
        self._eval_loss = _gauge("eval_loss", "Loss of the last epoch on evaluation items", *a_lane)
        self._score = _gauge("score", "Score of the system's run that finished last", experiment, "system")
        self._memory = _gauge("peak_memory_gib", "Most memory of that run, GiB", experiment, "system")
        self._publish_counts()

    def around(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """A listener that publishes each event before it passes it on."""

        def heard(event: Event) -> None:
            self.hear(event)
            on_event(event)

        return heard

    def hear(self, event: Event) -> None:
        """Publish what one event says."""
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

    def beside(self, steering: RunSource) -> RunSource:
        """The same steering; the runs that it adds are counted."""
        return _Counted(steering, self.add)

    def add(self, runs: Iterable[RunSpec]) -> None:
        """Runs that were not known before."""
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
        """From the record; one that cannot be read is for the sweep's compaction to tell, and not for a gauge."""
        try:
            found = self._store.recorded_value(run_id, "peak_memory_gib")
        except (pa.ArrowException, OSError):
            return None
        return None if found is None else float(found)


@dataclass(frozen=True)
class _Counted:
    """A steering whose orders are heard by somebody else, too."""

    steering: RunSource
    add: Callable[[Iterable[RunSpec]], None]

    def react(self, event: Event) -> Decision:
        """The steering's orders."""
        orders = self.steering.react(event)
        self.add(orders.start)
        return orders


def _gauge(name: str, description: str, experiment: str, *tags: str) -> Gauge:
    gauge = Gauge(f"orchestrate_{name}", description, ("experiment", *tags))
    gauge.set_default_tags({"experiment": experiment})
    return gauge
