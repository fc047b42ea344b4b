"""Lanes are laid out for the whole experiment, whatever is left of it to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.commands import _execution
from orchestrator.commands.events import Notifier, ignore
from orchestrator.config.run_spec import RunSpec
from orchestrator.executors import StopMode
from orchestrator.executors.events import Event, RunSource, Scale
from orchestrator.storage import Store
from tests.orchestrator.storage.stores import make_run
from trainables.config import TrainConfig


@dataclass
class Noting:
    """Executes nothing and notes what it was to execute."""

    asked: list[tuple[int, Scale | None]] = field(default_factory=list)

    def execute(
        self,
        runs: Sequence[RunSpec],
        on_event: Callable[[Event], None],
        run_source: RunSource | None = None,
        scale: Scale | None = None,
    ) -> None:
        """Note the number of runs, and what lanes would be laid out for."""
        self.asked.append((len(runs), scale))

    def stop(self, mode: StopMode) -> None:
        """There is nothing to stop."""


def test_each_phase_is_laid_out_for_all_of_its_runs_and_not_for_those_that_are_pending(tmp_path: Path) -> None:
    runs = [make_run(seed, train=TrainConfig(batch_size=size)) for seed, size in enumerate((4, 8, 16))]
    adaptations = [run.model_copy(update={"stage": "adapt"}) for run in (make_run(8), make_run(9))]
    executor = Noting()
    pending = [adaptations[1], runs[2]]
    _execution.execute(
        executor,
        pending,
        Store.open(tmp_path),
        Notifier(ignore),
        lambda: False,
        [*adaptations, *runs],
    )
    assert executor.asked == [(1, Scale(2, 16)), (1, Scale(3, 4))]


def test_twins_are_one_run() -> None:
    run = make_run(1, train=TrainConfig(batch_size=8))
    assert Scale.of([run, run.model_copy(update={"system": "its twin"}), make_run(2)]) == Scale(2, 8)
