"""A damaged attempt is named and passed over; status, analysis and compaction see the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analysis.tables.checksummed_json import dump_checksummed
from analysis.tables.read import read
from orchestrator.cli import main
from orchestrator.storage import Attempt, Store
from orchestrator.storage.status import status_of
from tests.orchestrator.storage.stores import cells, fill, make_outcome, make_run

TRIED = make_run(9)
LABEL = f"{TRIED.system} seed 9"
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "no JSON": lambda data: b"\xff\x00",
    "other JSON": lambda data: b"[1]",
    "another message": lambda data: data.replace(b"once", b"ONCE").replace(b"again", b"AGAIN"),
    "without a seal": lambda data: data.replace(b"content_sha256", b"content_sha999"),
    "of something else": lambda data: dump_checksummed({"status": "failed"}),
    "of another program": lambda data: dump_checksummed({"number": 2, "started_at": 3, "finished_at": None, "run": {}}),
}


def tried(folder: Path, *attempts: Attempt) -> Store:
    """Two finished runs, and one that was tried."""
    store = Store.open(folder / "out")
    runs = [*fill(store, 2), TRIED]
    store.write_experiment({"experiment": "demo"}, [{**cell, "experiment": "demo"} for cell in cells(runs)])
    for attempt in attempts:
        store.record_attempt(TRIED, attempt)
    return store


def damaged(store: Store, number: int, damage: Callable[[bytes], bytes]) -> None:
    """Spoil the file of an attempt."""
    folder, name = store.folder(TRIED.run_id), f"attempts/{number}.json"
    data = folder.read(name)
    assert damage(data) != data
    folder.write(name, damage(data))


def seen_by_status(store: Store) -> tuple[dict[str, str], list[str]]:
    """Why runs failed, and what is warned of."""
    status = status_of(store)
    assert status.counts["failed"] + status.counts["pending"] == 1
    assert status.counts["failed"] == len(status.failures)
    return dict(status.failures), list(status.warnings)


def seen_by_analysis(store: Store) -> tuple[dict[str, str], list[str]]:
    """The same, in the words of the analysis."""
    found = read([store.location])
    failed = found.runs[found.runs["status"] == "failed"]
    names = [f"{run.system} seed {run.seed}" for run in failed.itertuples()]
    return dict(zip(names, failed["error"], strict=True)), list(found.warnings)


@pytest.mark.parametrize("compacted", ["never", "before", "after"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_the_newest_whole_attempt_counts(tmp_path: Path, damage: Callable[[bytes], bytes], compacted: str) -> None:
    store = tried(tmp_path, Attempt(1, kind="crashed", message="once"), Attempt(2, kind="lost", message="again"))
    if compacted == "before":
        store.compact()
    damaged(store, 2, damage)
    if compacted == "after":
        assert [problem for problem in store.compact().problems if "attempts/2.json" in problem]
    for look in (seen_by_status, seen_by_analysis):
        failures, warnings = look(store)
        assert failures == {LABEL: "crashed: once"}
        assert [
            text for text in warnings if "attempts are damaged and left out: " in text and "attempts/2.json" in text
        ]


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("before", [(), (Attempt(1, "stopped", "stopped", "asked to stop"),)], ids=["none", "stopped"])
def test_where_no_whole_attempt_failed_the_run_is_pending(
    tmp_path: Path, before: tuple[Attempt, ...], compacted: bool
) -> None:
    store = tried(tmp_path, *before, Attempt(2, kind="lost", message="again"))
    if compacted:
        store.compact()
    damaged(store, 2, DAMAGES["truncated"])
    for look in (seen_by_status, seen_by_analysis):
        failures, warnings = look(store)
        assert failures == {}
        assert [
            text for text in warnings if "attempts are damaged and left out: " in text and "attempts/2.json" in text
        ]
    assert any("1 of 3 cells have not run yet" in text for text in read([store.location]).warnings)


def test_status_and_results_end_well_and_name_the_file(tmp_path: Path) -> None:
    store = tried(tmp_path, Attempt(1, message="once"))
    damaged(store, 1, DAMAGES["truncated"])
    for verb in ("status", "results"):
        shown: Any = CliRunner().invoke(main, [verb, str(tmp_path / "out")])
        assert (shown.exit_code, shown.exception) == (0, None), shown.output
        assert "attempts are damaged and left out" in shown.stderr + shown.stdout
    assert [attempt.kind for attempt in store.attempts(TRIED.run_id)] == ["damaged"]


def test_status_and_analyze_forgive_the_same_truncated_file(tmp_path: Path) -> None:
    store = tried(tmp_path, Attempt(1, kind="crashed", message="once"))
    damaged(store, 1, DAMAGES["truncated"])
    for arguments in (["status"], ["analyze", "--out", str(tmp_path / "report")]):
        shown: Any = CliRunner().invoke(main, [arguments[0], str(tmp_path / "out"), *arguments[1:]])
        assert (shown.exit_code, shown.exception) == (0, None), shown.output
        (line,) = [line for line in shown.stderr.splitlines() if "attempts are damaged and left out" in line]
        assert "attempts/1.json" in line


def test_a_failed_run_keeps_its_place_among_the_compacted_ones(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "out")
    first, failing, last = (make_run(seed) for seed in (1, 2, 3))
    store.write_experiment(
        {"experiment": "demo"}, [{**cell, "experiment": "demo"} for cell in cells([first, failing, last])]
    )
    for run in (first, last):
        assert store.commit(run, make_outcome())
    store.record_attempt(failing, Attempt(1, kind="crashed", message="once"))
    store.compact()
    table = store.table("runs")
    assert table is not None
    assert read([store.location]).runs["run_id"].tolist() == table["run_id"].to_pylist()
