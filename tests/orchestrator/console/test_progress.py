"""A sweep's events add up to counts, a best score and a time to go; each event is one line."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import pytest

from orchestrator.commands.events import ExecutionEnded, ExecutionStarted
from orchestrator.console.console import Console
from orchestrator.console.live import shown
from orchestrator.console.progress import SweepProgress, line
from orchestrator.executors.events import (
    ClusterReady,
    EpochReported,
    LaneLost,
    LanesPlanned,
    LaneStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
)
from tests.orchestrator.storage.stores import make_run
from trainables.config import TrainConfig

EPOCHS = {"small": 1, "large": 2}
RUNS = [make_run(seed, name, train=TrainConfig(epochs=epochs)) for seed in range(3) for name, epochs in EPOCHS.items()]
SMALL, LARGE = "small/default", "large/default"


def finished(index: int, score: float | None = 0.5, status: str = "completed", seconds: float = 10.0) -> RunFinished:
    """The end of one of RUNS."""
    return RunFinished(RUNS[index].run_id, 0, 1, status, score, None, seconds)  # type: ignore[arg-type]


def failed(index: int, will_retry: bool) -> RunFailed:
    """A failure of one of RUNS."""
    return RunFailed(RUNS[index].run_id, 0, 1, "crashed", "Traceback\nValueError: no", will_retry, 1.0)


def test_runs_are_counted_by_system() -> None:
    progress = SweepProgress(RUNS, {RUNS[0].run_id: "completed", RUNS[1].run_id: "diverged"})
    for event in (RunStarted(RUNS[2].run_id, 0, 1), RunStarted(RUNS[3].run_id, 1, 1), finished(3, 0.7)):
        progress.update(event)
    small, large = progress.systems[SMALL], progress.systems[LARGE]
    assert (small.done, len(small.running), small.failed, small.pending) == (1, 1, 0, 1)
    assert (large.done, len(large.running), large.failed, large.pending) == (1, 0, 1, 1)
    assert large.best == 0.7
    assert (progress.done, progress.total) == (3, 6)


def test_a_failure_counts_only_when_it_is_the_last() -> None:
    progress = SweepProgress(RUNS, {})
    for will_retry, count in ((True, 0), (False, 1)):
        progress.update(RunStarted(RUNS[0].run_id, 0, 1))
        progress.update(failed(0, will_retry))
        assert progress.systems[SMALL].failed == count
        assert not progress.systems[SMALL].running


def test_the_best_score_is_the_smallest_where_smaller_is_better() -> None:
    runs = [make_run(seed, direction="minimize") for seed in range(2)]
    progress = SweepProgress(runs, {})
    for run, score in zip(runs, (0.3, 0.2), strict=True):
        progress.update(RunFinished(run.run_id, 0, 1, "completed", score, None, 1.0))
    assert progress.systems[SMALL].best == 0.2


def test_the_time_to_go_is_the_rest_of_the_work_over_the_lanes() -> None:
    progress = SweepProgress(RUNS, {})
    assert progress.seconds_to_go() is None
    progress.update(LanesPlanned(2, 1, 1, 0))
    progress.update(finished(0, seconds=10.0))
    progress.update(finished(1, seconds=30.0))
    assert progress.seconds_to_go() == (2 * 10.0 + 2 * 30.0) / 2


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ClusterReady("here", None, 1, {"CPU": 2.0}, True), "cluster ready: 1 node(s), 2 CPU"),
        (ClusterReady("here", "http://a:8265", 1, {"CPU": 2.0}), "1 node(s), 2 CPU; dashboard http://a:8265"),
        (
            ClusterReady("here", "http://a:8265", 1, {"CPU": 2.0}, True),
            "; dashboard http://a:8265 (log in with the token that `ray get-auth-token` prints)",
        ),
        (LanesPlanned(2, 1, 1, 0), "lanes: 2 of 1 worker(s), 1 CPU(s) and 0 GPU(s) each"),
        (LaneStarted(0, 1, ("a",), 3.0), "lane 0 is up after 3 s"),
        (LaneLost(1, 1, "killed", None), "lane 1 was lost: killed"),
        (RunStarted(RUNS[0].run_id, 0, 2), "[0/6] small/default seed 0: started on lane 0 (attempt 2)"),
        (finished(1, 0.51239), "[1/6] large/default seed 0: completed, weighted_f1 0.5124, 10.0 s"),
        (finished(1, None, "diverged"), "[1/6] large/default seed 0: diverged, 10.0 s"),
        (failed(0, True), "[0/6] small/default seed 0: failed (crashed): ValueError: no; trying again"),
        (failed(0, False), "giving up; the next sweep tries again"),
        (RunStopped(RUNS[0].run_id, 0, 1, True), "small/default seed 0: stopped with a checkpoint"),
    ],
)
def test_every_event_is_one_line(event: object, text: str) -> None:
    progress = SweepProgress(RUNS, {})
    progress.update(event)  # type: ignore[arg-type]
    assert text in str(line(event, progress))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "error", "end"),
    [("pruned", "pruned", "1.0 s"), ("diverged", "loss became non-finite", "1.0 s (loss became non-finite)")],
)
def test_a_reason_is_said_where_it_is_more_than_the_status(status: str, error: str, end: str) -> None:
    event = RunFinished(RUNS[0].run_id, 0, 1, status, None, error, 1.0)  # type: ignore[arg-type]
    assert str(line(event, SweepProgress(RUNS, {}))).endswith(f"{status}, {end}")


def test_epochs_are_counted_silently() -> None:
    event = EpochReported(RUNS[0].run_id, 0, {"epoch": 1})
    assert line(event, SweepProgress(RUNS, {})) is None


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_on_a_terminal_a_table_shows_every_system_and_no_name_drives_the_terminal() -> None:
    hostile = make_run(9, "small").model_copy(update={"system": "evil\x1b]0;title\x07[red]"})
    with redirect_stderr(Terminal()) as terminal, shown(Console(color=False)) as listener:
        listener(ExecutionStarted((*RUNS, hostile), {}))
        listener(RunStarted(RUNS[0].run_id, 0, 1))
        listener(finished(0, 0.625))
        listener(ExecutionEnded())
    text = terminal.getvalue()
    assert SMALL in text
    assert LARGE in text
    assert "0.6250" in text
    assert "1 of 7 runs" in text
    assert "\x1b]0" not in text
    assert "[red]" in text
