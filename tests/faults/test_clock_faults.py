"""Row 17: the machine's clock jumps. Deadlines, durations and signs of life are measured on a clock that cannot."""

from __future__ import annotations

import ast
import asyncio
import itertools
import time
from pathlib import Path

import pandas as pd
import pytest

import orchestrator
import trainables
from orchestrator.executors.events import EpochReported, Event, RunFinished
from orchestrator.executors.in_process import InProcess
from orchestrator.executors.lanes.policy import Limits
from orchestrator.executors.lanes.state import Member, ScheduledRun, Work
from orchestrator.executors.ray_lanes.control_actor import ControlActor, DriverMessages
from orchestrator.storage import Store
from tests.orchestrator.executors.scene import prepare, tables, tiny_run
from trainables.training.run import ComputeOptions

HOUR = 3600.0
DAY = 24 * HOUR
COMPARED_WITH_FILES = {
    "disk_cache.py",
    "remote.py",
}  # whether a file was written just now: its own time is the machine's


@pytest.fixture
def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """`time.time` is an hour fast, right, an hour slow and a day fast in turn."""
    machine, jumps = time.time, itertools.cycle((HOUR, 0.0, -HOUR, DAY))
    monkeypatch.setattr(time, "time", lambda: machine() + next(jumps))


@pytest.mark.usefixtures("jumping_clock")
def test_a_run_writes_no_checkpoint_early_and_measures_its_own_seconds(tmp_path: Path) -> None:
    run, store, clean = tiny_run(prepare(tmp_path)), Store.open(tmp_path / "out"), Store.open(tmp_path / "clean")
    checkpoints: list[int] = []
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochReported):
            checkpoints.append(len(store.checkpoints(run.run_id).names()))

    started = time.monotonic()
    InProcess(store, threads=1, run_layout=ComputeOptions(seconds_between_checkpoints=HOUR / 2)).execute([run], listen)
    elapsed = time.monotonic() - started
    assert checkpoints == [0, 0]
    assert isinstance(events[-1], RunFinished)
    assert 0 < events[-1].seconds <= elapsed
    row = pd.read_parquet(store.folder(run.run_id).local_path / "run.parquet").iloc[0]
    assert 0 < row["seconds_train"] <= row["seconds_total"] <= elapsed
    InProcess(clean, threads=1).execute([run], lambda event: None)
    pd.testing.assert_frame_equal(tables(store)["predictions"], tables(clean)["predictions"], check_exact=True)


@pytest.mark.usefixtures("jumping_clock")
def test_lanes_neither_stall_nor_lose_their_trial(tmp_path: Path) -> None:
    run = tiny_run(prepare(tmp_path))

    async def watch() -> tuple[Work | str, DriverMessages, str]:
        control = ControlActor([ScheduledRun(run)], 1, Limits(stall_seconds=HOUR / 2, holder_seconds=HOUR / 2))
        await control.join(0, "group", 1, Member(0, 1, "node", "host"), None)
        await control.request(run.run_id)
        work = await control.next(0, "group", 0, 0, None)
        await control.driver_messages()
        return work, await control.driver_messages(), await control.poll(0, "group")

    work, messages, ask = asyncio.run(watch())
    assert work == Work(0, run, 1)
    assert messages.stalled == ()
    assert ask == "continue"


def test_no_module_measures_time_on_the_machines_clock() -> None:
    folders = [Path(package.__path__[0]) for package in (orchestrator, trainables)]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    assert {file.name for file in files if _asks_for_the_time(file)} == COMPARED_WITH_FILES


def _asks_for_the_time(file: Path) -> bool:
    return any(map(_is_the_clock, ast.walk(ast.parse(file.read_text("utf-8")))))


def _is_the_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "time"
    named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time"
    return named and node.attr in ("time", "time_ns")
