"""Sets damaged records aside, and restores damaged and lost ones from the compacted tables if these hold them.

The tables hold every row of a record; the manifest holds the thresholds that its predictions were made with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt
from orchestrator.storage import records
from orchestrator.storage.disk_errors import QUARANTINE, free_name
from orchestrator.storage.manifest import TABLES, Manifest
from orchestrator.storage.merge_tables import CompactedPredictions, GatheredRecords, compacted_predictions, table_of
from orchestrator.storage.records import RUNS, Scan

FORGOTTEN = "forgotten"
LISTED = 10
RESTORED = "lost records of finished runs were restored from the tables (to run a run again, `forget` it)"
PENDING_AGAIN = "finished runs have lost their record, and no whole table holds it; they are pending again"
WITHOUT_THRESHOLDS = "restored records lack the thresholds that their runs tuned, if they tuned any"


@dataclass(frozen=True)
class Repair:
    """What can be repaired. `whole`: the tables are what `known` says. Restored records are added to `listing` and
    `fresh`."""

    root: Folder
    owner: str
    known: Manifest
    listing: Scan
    fresh: GatheredRecords
    whole: bool


@dataclass(frozen=True)
class RepairResult:
    """What became of damaged and lost records, in words, and the runs that have to run again."""

    problems: tuple[str, ...]
    pending: tuple[str, ...]


def lost(root: Folder, known: Manifest, listing: Scan) -> list[str]:
    """Return the runs that are in the tables and no longer have a record, sorted, without the forgotten ones."""
    gone = sorted(run_id for run_id in known.records if listing.committed.get(run_id) is None)
    return [run_id for run_id in gone if not is_forgotten(root, run_id, known)]


def is_forgotten(root: Folder, run_id: str, known: Manifest) -> bool:
    """Return whether the record of a run that the manifest lists was moved aside on request."""
    record, forgotten = known.records[run_id]["record"], root.child(FORGOTTEN)
    folders = [forgotten.child(name) for name in forgotten.names(f"{run_id}-")]
    return any(name in (record, forgotten_mark(record)) for folder in folders for name in folder.names())


def forgotten_mark(record: str) -> str:
    """Return the name of the file in a forgotten run's folder that says which record it had, even a lost one."""
    return f"{FORGOTTEN}-{record}"


def set_aside_record(root: Folder, run_id: str) -> str:
    """Quarantine the files of a run's record, so that the run is pending; return their new folder."""
    target = f"{QUARANTINE}/{free_name(root, QUARANTINE, run_id)}"
    records.move(root, f"{RUNS}/{run_id}", target)
    return target


def restore_records(work: Repair, damaged: Mapping[str, Corrupt]) -> RepairResult:
    """Set damaged records aside; restore them and lost ones if the tables hold their rows.

    Only records that the manifest lists and that were not forgotten are restored: they were committed, and the first
    record counts.
    """
    gone = [run_id for run_id in lost(work.root, work.known, work.listing) if run_id not in work.listing.committed]
    held = {run_id for run_id in (*damaged, *gone) if _is_held(work, run_id)}
    thresholds = {run_id: _thresholds_of(work, run_id) for run_id in held}
    moved_to = {run_id: set_aside_record(work.root, run_id) for run_id in (*damaged, *gone)}
    names = {run_id: f"run {run_id}" for run_id in moved_to} | _restored(work, thresholds)
    pending = [run_id for run_id in moved_to if run_id not in held]
    for run_id in pending:
        work.listing.committed.pop(run_id, None)
    lines = [_of_damaged(names[run_id], error, moved_to[run_id], run_id in held) for run_id, error in damaged.items()]
    lines += _of_many(work, RESTORED, [names[run_id] for run_id in gone if run_id in held])
    lines += _of_many(work, PENDING_AGAIN, [names[run_id] for run_id in gone if run_id not in held])
    lines += _of_many(
        work, WITHOUT_THRESHOLDS, [names[run_id] for run_id in moved_to if thresholds.get(run_id, ()) is None]
    )
    return RepairResult(tuple(lines), tuple(pending))


@dataclass(frozen=True)
class _Compacted:
    """The rows of whole compacted tables, by run."""

    runs: pa.Table
    epochs: pa.Table
    predictions: CompactedPredictions

    def of(self, run_id: str) -> records.Tables:
        """Return one run's rows, without the columns that only other runs have."""
        runs = records.without_empty_extras(_rows(self.runs, run_id), "runs")
        epochs = records.without_empty_extras(_rows(self.epochs, run_id), "epochs")
        predictions = records.without_empty_extras(self.predictions.of(run_id), "predictions")
        return records.Tables(runs["status"][0].as_py(), runs, epochs, predictions)


@contextlib.contextmanager
def _compacted(root: Folder) -> Iterator[_Compacted]:
    with compacted_predictions(root, TABLES[2]) as predictions:
        yield _Compacted(table_of(root, "runs"), table_of(root, "epochs"), predictions)


def _rows(table: pa.Table, run_id: str) -> pa.Table:
    return table.filter(pc.equal(table["run_id"], run_id))


def _is_held(work: Repair, run_id: str) -> bool:
    return work.whole and run_id in work.known.records and not is_forgotten(work.root, run_id, work.known)


def _thresholds_of(work: Repair, run_id: str) -> Mapping[str, float] | None:
    """Return the thresholds of a record's predictions, from its file or else the manifest; None: unknown."""
    known: Mapping[str, float] | None = work.known.records[run_id].get("decisions")
    name = work.listing.committed.get(run_id)
    if name is None:
        return known
    try:
        return records.thresholds(work.root.child(f"{RUNS}/{run_id}"), name)
    except Corrupt:
        return known


def _restored(work: Repair, thresholds: Mapping[str, Mapping[str, float] | None]) -> dict[str, str]:
    """Restore the records of these runs; return run_id -> the run's label."""
    if not thresholds:
        return {}
    with _compacted(work.root) as compacted:
        return {run_id: _restore(work, run_id, compacted, tuned or {}) for run_id, tuned in thresholds.items()}


def _restore(work: Repair, run_id: str, compacted: _Compacted, thresholds: Mapping[str, float]) -> str:
    tables = replace(compacted.of(run_id), thresholds=thresholds)
    record = records.from_tables(tables, work.owner)
    records.publish(work.root.child(f"{RUNS}/{run_id}"), record)
    work.listing.committed[run_id] = record.name
    work.fresh.add(run_id, tables)
    row = tables.runs.select(["system", "seed"]).to_pylist()[0]
    return f"{row['system']} seed {row['seed']} ({run_id})"


def _of_damaged(name: str, error: Corrupt, moved_to: str, restored: bool) -> str:
    end = "restored from the tables" if restored else f"{name} is pending again"
    return f"{error}; its record was moved to {moved_to}{' and' if restored else ', and'} {end}"


def _of_many(work: Repair, what: str, names: Collection[str]) -> list[str]:
    """Return one line for all of them."""
    listed = "; ".join([*names][:LISTED]) + (f"; ... ({len(names)} in all)" if len(names) > LISTED else "")
    return [f"{work.root.uri}/{RUNS}: {what}: {listed}"] if names else []
