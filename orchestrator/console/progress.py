"""Counts a sweep's progress from events: per system runs done, running and failed, best score, time to go."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.commands.events import Event, RunAdded, TrialsExpected
from orchestrator.config.run_spec import RunSpec
from orchestrator.executors import events
from orchestrator.units import duration


@dataclass
class SystemProgress:
    """The progress of one system. `failed` counts runs without a score: failed for good, or diverged.

    `expected`: `total` was known from the start. `rungs`: epoch -> the trials that reached it, in a search with rungs.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    running: set[str] = field(default_factory=set)
    best: float | None = None
    seconds: list[float] = field(default_factory=list)
    expected: bool = False
    rungs: dict[int, set[str]] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """The number of runs that are neither done nor failed nor running."""
        return self.total - self.done - self.failed - len(self.running)


class SweepProgress:
    """The progress of a sweep. `recorded` has the statuses of runs that were done before it started."""

    def __init__(self, grid: Iterable[RunSpec], recorded: Mapping[str, str]) -> None:
        """Count the runs that are already done."""
        self.runs = {run.run_id: run for run in grid}
        self.systems: dict[str, SystemProgress] = {}
        self.lanes = 0
        self.dashboard: str | None = None
        self.started = time.monotonic()
        for run in list(self.runs.values()):
            system = self._enter(run)
            if run.run_id in recorded:
                self._count(system, recorded[run.run_id])

    def add(self, run: RunSpec) -> None:
        """Add a run that was not known before."""
        if run.run_id not in self.runs:
            self._enter(run)

    def expect(self, system: str, total: int, rungs: Iterable[int] = ()) -> None:
        """Expect `total` runs of a system, and count those that reach the rungs."""
        progress = self.systems.setdefault(system, SystemProgress())
        progress.total, progress.expected = total, True
        progress.rungs = {rung: set() for rung in rungs}

    def update(self, event: Event) -> None:
        """Update the progress with one event."""
        if isinstance(event, RunAdded):
            self.add(event.run)
        elif isinstance(event, TrialsExpected):
            self.expect(event.system, event.trials, event.rungs)
        elif isinstance(event, events.RunStarted | events.EpochReported | events.RunFinished):
            self._take_in(event)
        elif isinstance(event, events.RunFailed | events.RunStopped):
            system = self._system(event.run_id)
            system.running.discard(event.run_id)
            system.failed += isinstance(event, events.RunFailed) and not event.will_retry
        elif isinstance(event, events.ClusterReady):
            self.dashboard = dashboard(event)
        elif isinstance(event, events.LanesPlanned):
            self.lanes = event.lanes

    def _take_in(self, event: events.RunStarted | events.EpochReported | events.RunFinished) -> None:
        if isinstance(event, events.RunStarted):
            self._system(event.run_id).running.add(event.run_id)
        elif isinstance(event, events.EpochReported):
            self._system(event.run_id).rungs.get(int(event.row["epoch"]), set()).add(event.run_id)
        else:
            self._finished(event)

    def _enter(self, run: RunSpec) -> SystemProgress:
        self.runs[run.run_id] = run
        system = self.systems.setdefault(run.system, SystemProgress())
        system.total += not system.expected
        return system

    def label(self, run_id: str) -> str:
        """Return a run's label."""
        return self.runs[run_id].label

    @property
    def done(self) -> int:
        """The number of runs with a record or a final failure."""
        return sum(system.done + system.failed for system in self.systems.values())

    @property
    def total(self) -> int:
        """The number of runs, expected ones included."""
        return sum(system.total for system in self.systems.values())

    def seconds_to_go(self) -> float | None:
        """Return the time until the last run ends, from the mean of finished runs (of the system, or else of all)."""
        finished = [seconds for system in self.systems.values() for seconds in system.seconds]
        if not finished:
            return None
        overall = sum(finished) / len(finished)
        work = 0.0
        for system in self.systems.values():
            mean = sum(system.seconds) / len(system.seconds) if system.seconds else overall
            work += mean * (system.pending + len(system.running) / 2)
        return work / max(1, self.lanes)

    def _finished(self, event: events.RunFinished) -> None:
        system = self._system(event.run_id)
        system.running.discard(event.run_id)
        system.seconds.append(event.seconds)
        self._count(system, event.status)
        if event.score is not None:
            maximize = self.runs[event.run_id].direction == "maximize"
            better = max if maximize else min
            system.best = event.score if system.best is None else better(system.best, event.score)

    def _count(self, system: SystemProgress, status: str) -> None:
        if status == "diverged":
            system.failed += 1
        else:
            system.done += 1

    def _system(self, run_id: str) -> SystemProgress:
        return self.systems[self.runs[run_id].system]


def line(event: Event, progress: SweepProgress) -> str | None:
    """Return an event as one line, None for one that says nothing new. `progress` has counted the event already."""
    if isinstance(event, events.RunStarted | events.RunFinished | events.RunFailed | events.RunStopped):
        return _run_line(event, progress)
    if isinstance(event, events.EpochReported):
        return None
    return _lane_line(event)


def _run_line(event: events.RunEvent, progress: SweepProgress) -> str:
    label = f"[{progress.done}/{progress.total}] {progress.label(event.run_id)}"
    if isinstance(event, events.RunStarted):
        again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        return f"{label}: started on lane {event.lane}{again}"
    if isinstance(event, events.RunFinished):
        score = "" if event.score is None else f", {progress.runs[event.run_id].metric} {event.score:.4f}"
        reason = f" ({event.error})" if event.error and event.error != event.status else ""
        return f"{label}: {event.status}{score}, {event.seconds:.1f} s{reason}"
    if isinstance(event, events.RunFailed):
        then = "trying again" if event.will_retry else "giving up; the next sweep tries again"
        error_lines = (event.error or "").strip().splitlines() or [""]
        return f"{label}: failed ({event.kind}): {error_lines[-1]}; {then}"
    assert isinstance(event, events.RunStopped)
    return (
        f"{label}: {'paused' if event.paused else 'stopped'} {'with' if event.checkpoint else 'without'} a checkpoint"
    )


def dashboard(event: events.ClusterReady) -> str | None:
    """Return where the dashboard is and how to log in; None without one."""
    if event.dashboard is None:
        return None
    login = " (log in with the token that `ray get-auth-token` prints)" if event.needs_token else ""
    return f"dashboard {event.dashboard}{login}"


def _lane_line(event: Event) -> str | None:
    if isinstance(event, events.ClusterReady):
        resources = ", ".join(f"{amount:g} {name}" for name, amount in sorted(event.resources.items()))
        address = dashboard(event)
        return f"cluster ready: {event.nodes} node(s), {resources}" + (f"; {address}" if address else "")
    if isinstance(event, events.LanesPlanned):
        each = f"{event.cpus_per_worker:g} CPU(s) and {event.gpus_per_worker:g} GPU(s) each"
        return f"lanes: {event.lanes} of {event.workers_per_run} worker(s), {each}"
    if isinstance(event, events.LaneStarted):
        return f"lane {event.lane} is up after {duration(event.seconds)}"
    if isinstance(event, events.LaneWaiting):
        return f"lane {event.lane} waits: {event.reason}"
    if isinstance(event, events.LaneLost):
        return f"lane {event.lane} was lost: {event.reason}"
    return None
