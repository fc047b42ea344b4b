"""What sweep and search share while runs execute: the executor, signals, adaptations first, and compaction.

After one signal, running lanes stop at the next control point; after three, they stop at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING, Literal, TypeVar

from orchestrator.commands._provenance import collect
from orchestrator.commands.events import Event, Notifier
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import EnvironmentProblem, UserError
from orchestrator.executors import Executor
from orchestrator.executors.events import RunFinished, Scale
from orchestrator.executors.lanes.policy import Limits
from orchestrator.storage import Store, init_from
from orchestrator.units import plural

if TYPE_CHECKING:
    from orchestrator.executors.torchrun import Ranks


Value = TypeVar("Value")

_TORCHRUN_VARIABLES = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


def is_one_of_several() -> bool:
    """Return whether torchrun, or a similar launcher, started this process as one of several that compute together."""
    return os.environ.keys() >= _TORCHRUN_VARIABLES and int(os.environ["WORLD_SIZE"]) > 1


def refuse_torchrun() -> None:
    """Raise UserError if torchrun started several processes for a verb that starts its own."""
    if is_one_of_several():
        raise UserError(
            "torchrun is for one run (`orchestrate run`); sweep and search start their own workers: --workers N"
        )


@dataclass(frozen=True)
class LayoutOptions:
    """How the command line lays out runs; None leaves the choice to the experiment file."""

    in_process: bool = False
    workers: int | None = None
    lanes: int | None = None
    address: str | None = None
    stall_seconds: float | None = None
    attempts: int | None = None

    def limits(self) -> Limits:
        """Return the limits that keep a sweep from trying forever."""
        limits = Limits()
        if self.stall_seconds is not None:
            limits = replace(limits, stall_seconds=self.stall_seconds)
        return limits if self.attempts is None else replace(limits, attempts_per_run=self.attempts)


def executor_for(
    store: Store, resolved: ResolvedExperiment, options: LayoutOptions, ranks: Ranks | None = None
) -> Executor:
    """Return an executor in this process, with `ranks` if given, or on Ray lanes. Ray and torch are imported here."""
    from trainables.training.run import ComputeOptions

    resources, provenance = resolved.experiment.resources, collect(resolved.folder)
    layout = ComputeOptions(resources.accumulation, resources.checkpoint_minutes * 60)
    if options.in_process:
        from orchestrator.executors.in_process import InProcess

        return InProcess(store, limits=options.limits(), run_layout=layout, provenance=provenance, ranks=ranks)
    from orchestrator.executors.ray_lanes.executor import RayLanes

    return RayLanes(
        store,
        lanes=options.lanes or _chosen(resources.lanes),
        workers_per_run=options.workers or resources.workers_per_run,
        gpus_per_worker=_chosen(resources.gpus_per_worker),
        address=options.address,
        limits=options.limits(),
        run_layout=layout,
        provenance=provenance,
    )


def _chosen(value: Value | Literal["auto"]) -> Value | None:
    return None if value == "auto" else value


logger = logging.getLogger(__name__)
FEWEST, SHARE = 250, 16  # reading a record takes about a millisecond, and compaction costs more with more records


class Compacting:
    """Compacts after every 250 records, later whenever the records have grown by a sixteenth.

    `problems`: the damage that compaction reported.
    """

    def __init__(self, store: Store, recorded: int) -> None:
        """Start with `recorded` records, all of them compacted."""
        self._store = store
        self._compacted = recorded
        self._news = 0
        self.problems: tuple[str, ...] = ()

    def __call__(self, event: Event) -> None:
        """Count a record, and compact when it is time. A full disk is only logged here; the sweep's end reports it."""
        self._news += isinstance(event, RunFinished)
        if self._news < max(FEWEST, self._compacted // SHARE):
            return
        self._compacted, self._news = self._compacted + self._news, 0
        try:
            self.problems += self._store.compact().problems
        except EnvironmentProblem as error:
            logger.warning("the tables could not be brought up to date: %s", error)


def execute(
    executor: Executor,
    runs: Sequence[RunSpec],
    store: Store,
    notify: Notifier,
    is_stopped: Callable[[], bool],
    grid: Sequence[RunSpec],
) -> None:
    """Execute every run that can start. The others stay pending, and messages say why.

    `grid` has all runs of the experiment, done or not: lanes are laid out for it.
    """
    first = [run for run in runs if run.stage == "adapt"]
    if first:
        executor.execute(first, notify, scale=Scale.of(run for run in grid if run.stage == "adapt"))
    if is_stopped():
        return
    ready = [run for run in runs if run.stage != "adapt" and init_from.problem(store, run) is None]
    _explain_others(store, [run for run in runs if run.stage != "adapt" and run not in ready], notify)
    if ready:
        executor.execute(ready, notify, scale=Scale.of(run for run in grid if run.stage != "adapt"))


def _explain_others(store: Store, waiting: Sequence[RunSpec], notify: Notifier) -> None:
    for system in dict.fromkeys(run.system for run in waiting):
        runs = [run for run in waiting if run.system == system]
        notify.message(f"{plural(len(runs), 'run')} of {system} not executed: {init_from.problem(store, runs[0])}")


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNALS_THAT_KILL = 3
STREAMS = (0, 1, 2)
EXIT_OF_SIGNALS = 128


@dataclass
class StopSignals:
    """The signals that came from the user or the system. `exit_code` is None until one comes."""

    signal_number: int | None = None
    count: int = 0
    is_hung_up: bool = False

    @property
    def exit_code(self) -> int | None:
        """130 for Ctrl-C, 143 for SIGTERM, 129 for a terminal that was closed."""
        return None if self.signal_number is None else EXIT_OF_SIGNALS + self.signal_number


@contextlib.contextmanager
def stopping(executor: Executor, on_message: Callable[[str], None]) -> Iterator[StopSignals]:
    """Turn signals into stop requests while the block runs. Only the main thread may enter it.

    A closed terminal counts as one request, however often shell and system signal it, and as none under `nohup`.
    """
    signals, terminals = StopSignals(), _terminals()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP and signals.is_hung_up:
            return
        signals.is_hung_up |= number == signal.SIGHUP
        signals.signal_number = signals.signal_number or number
        signals.count += 1
        _hang_up(terminals)
        if signals.count >= SIGNALS_THAT_KILL:
            executor.stop("now")
            on_message("stopping at once")
        else:
            executor.stop("checkpoint")
            on_message(f"stopping at the next control point; {SIGNALS_THAT_KILL - signals.count} more to stop at once")

    before = {number: signal.signal(number, on_signal) for number in SIGNALS if not _stays_ignored(number)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stays_ignored(number: signal.Signals) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN


def _terminals() -> list[int]:
    return [descriptor for descriptor in STREAMS if os.isatty(descriptor)]


def _hang_up(terminals: Sequence[int]) -> None:
    """Send output for closed terminals nowhere: nobody reads it, and writing it would fail."""
    for descriptor in terminals:
        if not os.isatty(descriptor):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
