"""Gathers the records of all runs into three tables that pandas, polars or DuckDB read in one line.

Only records that the manifest does not list are read. A damaged table is quarantined and rebuilt from the records; a
damaged record is quarantined and reported, and its run is pending again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt, sha256, to_parquet_bytes, to_table
from orchestrator.storage import manifest, records
from orchestrator.storage.disk_errors import QUARANTINE, explained, move_aside
from orchestrator.storage.lock import exclusive
from orchestrator.storage.manifest import MANIFEST, TABLES, Manifest, state_of
from orchestrator.storage.merge_tables import (
    EPOCHS_ORDER,
    RUNS_ORDER,
    CompactedPredictions,
    GatheredRecords,
    common_schema,
    compacted_predictions,
    rows_of,
    streamed,
)
from orchestrator.storage.records import RUNS, Scan, scan
from orchestrator.storage.restore import Repair, restore_records

LOCK = "compaction.lock"
RUNS_TABLE, EPOCHS_TABLE, PREDICTIONS_TABLE = TABLES


@dataclass(frozen=True)
class Compaction:
    """What a compaction found: committed and failed runs, and records added and removed since the last time.

    `problems` tells people what was damaged and what became of it; `pending` are the runs that lost a damaged record
    and have to run again.
    """

    runs: int
    failed: int
    added: int
    removed: int
    problems: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


@dataclass
class _Work:
    """A compaction in progress. `whole`: the tables are what the manifest says."""

    root: Folder
    owner: str
    known: Manifest
    listing: Scan
    whole: bool
    states: dict[str, str]
    problems: list[str]
    pending: list[str] = field(default_factory=list)
    fresh: GatheredRecords = field(default_factory=GatheredRecords)
    failed_rows: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)


def compact(root: Folder, owner: str, recheck: bool = False) -> Compaction:
    """Bring the tables up to date with the records; write nothing if nothing changed.

    `recheck` reads every record again, and restores a damaged one from the tables if they still hold it.
    Raises StorageFull or StorageUnwritable; the old tables are then still there.
    """
    with explained(root.uri), exclusive(root, LOCK):
        work = _begin(root, owner)
        up_to_date = _up_to_date(work)
        _read_records(work, up_to_date, recheck)
        _read_failures(work)
        kept = up_to_date - work.fresh.run_ids - set(work.pending)
        if not work.whole or work.fresh.run_ids or kept != set(work.known.records) or work.failed != work.known.failed:
            _write_tables(work, kept)
        return Compaction(
            runs=len(kept) + len(work.fresh.run_ids),
            failed=len(work.failed),
            added=len(work.fresh.run_ids - set(work.known.records)),
            removed=len(set(work.known.records) - set(work.listing.committed)),
            problems=tuple(work.problems),
            pending=tuple(work.pending),
        )


def _known(root: Folder) -> tuple[Manifest | None, list[str]]:
    try:
        return manifest.read(root), []
    except Corrupt as error:
        return None, [str(error)]


def _begin(root: Folder, owner: str) -> _Work:
    known, problems = _known(root)
    if problems:
        moved_to = move_aside(root, MANIFEST, QUARANTINE)
        problems = [f"{problem}; moved to {moved_to}" for problem in problems]
    known = known or Manifest()
    states: dict[str, str] = {table: state_of(root, known, table) for table in TABLES}
    for table in [table for table, state in states.items() if state == "damaged"]:
        moved_to = move_aside(root, table, QUARANTINE)
        problems.append(f"{root.uri}/{table}: not as recorded; moved to {moved_to} and rebuilt from the records")
    whole = set(states.values()) == {"whole"}
    return _Work(root, owner, known, scan(root), whole, states, problems)


def _up_to_date(work: _Work) -> set[str]:
    """Return the runs whose rows in the tables are those of their records."""
    if not work.whole:
        return set()
    committed = work.listing.committed
    return {run_id for run_id, known in work.known.records.items() if committed.get(run_id) == known["record"]}


def _read_records(work: _Work, up_to_date: set[str], recheck: bool) -> None:
    """Verify new records (`recheck`: all) and gather their rows; restore damaged and lost ones if possible."""
    damaged = {}
    for run_id, name in sorted(work.listing.committed.items()):
        if run_id in up_to_date and not recheck:
            continue
        try:
            tables = records.load(work.root.child(f"{RUNS}/{run_id}"), name, run_id)
        except Corrupt as error:
            damaged[run_id] = error
            continue
        if run_id not in up_to_date:
            work.fresh.add(run_id, tables)
    result = restore_records(Repair(work.root, work.owner, work.known, work.listing, work.fresh, work.whole), damaged)
    work.problems += result.problems
    work.pending += result.pending


def _read_failures(work: _Work) -> None:
    """Gather the rows of runs without a record whose newest attempt failed."""
    for run_id, numbers in work.listing.tried.items():
        newest = records.newest_of(work.root.child(f"{RUNS}/{run_id}"), numbers)
        work.problems += [f"{problem}; this attempt is left out" for problem in newest.problems]
        row = newest.failed_row()
        if row is not None:
            work.failed[run_id] = row["attempt"]
            work.failed_rows.append(row)


def _write_tables(work: _Work, kept: set[str]) -> None:
    root = work.root
    root.discard_scratches()
    work.fresh.runs.add(to_table("runs", work.failed_rows))
    if kept:
        work.fresh.runs.add(rows_of(root, "runs", kept))
        work.fresh.epochs.add(rows_of(root, "epochs", kept))
    runs, epochs = work.fresh.runs.sorted_by(RUNS_ORDER), work.fresh.epochs.sorted_by(EPOCHS_ORDER)
    files = {RUNS_TABLE: to_parquet_bytes(runs), EPOCHS_TABLE: to_parquet_bytes(epochs)}
    described = {
        name: {"sha256": sha256(data), "bytes": len(data), "rows": table.num_rows}
        for (name, data), table in zip(files.items(), (runs, epochs), strict=True)
    }
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(compacted_predictions(root, PREDICTIONS_TABLE)) if kept else None
        schema = common_schema([*work.fresh.prediction_schemas, *([old.schema] if old else [])])
        predictions = stack.enter_context(streamed(root, schema, _predictions(work, kept, old)))
        described[PREDICTIONS_TABLE] = dict(predictions.description)
        root.write(MANIFEST, _manifest(work, kept, described).to_bytes())
        for name, data in files.items():
            root.write(name, data)
        root.adopt(predictions.path, PREDICTIONS_TABLE)


def _predictions(work: _Work, kept: set[str], old: CompactedPredictions | None) -> Iterator[pa.Table]:
    for run_id in sorted(kept | work.fresh.run_ids):
        if old is not None and run_id in kept:
            yield old.of(run_id)
        else:
            folder = work.root.child(f"{RUNS}/{run_id}")
            yield records.read_predictions(folder, work.listing.committed[run_id])


def _manifest(work: _Work, kept: set[str], described: dict[str, dict[str, Any]]) -> Manifest:
    before = {"whole": work.known.hashes(), "older": work.known.previous}
    previous = {table: before[state][table] for table, state in work.states.items() if state in before}
    listed = {run_id: work.known.records[run_id] for run_id in kept}
    for run_id, about in work.fresh.described.items():
        listed[run_id] = {"record": str(work.listing.committed[run_id]), **about}
    return Manifest(described, previous, dict(sorted(listed.items())), work.failed)
