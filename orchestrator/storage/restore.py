"""Damaged and lost records: set aside, and written again from the compacted tables where these hold them.

The tables hold every row of a record; the thresholds that its predictions were made with are in the manifest.
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
RESTORED = "lost records of finished runs were restored from the tables (`forget` is how a run is run again)"
PENDING_AGAIN = "finished runs have lost their record, and no whole table holds it; they are pending again"
WITHOUT_THRESHOLDS = "restored records are without the thresholds that their runs tuned, if they tuned any"


@dataclass(frozen=True)
class Repair:
    """What may be mended. `whole`: the tables are what `known` says; `found` and `fresh` take in what was restored."""

    root: Folder
    owner: str
    known: Manifest
    found: Scan
    fresh: GatheredRecords
    whole: bool


@dataclass(frozen=True)
class RepairResult:
    """What became of damaged and lost records, in words, and the runs that have to run again."""

    problems: tuple[str, ...]
    pending: tuple[str, ...]


def lost(root: Folder, known: Manifest, found: Scan) -> list[str]:
    """The runs that the tables were made with and that have no record any more, sorted; forgotten ones aside."""
    gone = sorted(run_id for run_id in known.records if found.committed.get(run_id) is None)
    return [run_id for run_id in gone if not is_forgotten(root, run_id, known)]


def is_forgotten(root: Folder, run_id: str, known: Manifest) -> bool:
    """Whether the record of a run that the manifest lists was moved aside on request."""
    record, forgotten = known.records[run_id]["record"], root.child(FORGOTTEN)
    places = [forgotten.child(name) for name in forgotten.names(f"{run_id}-")]
    return any(name in (record, forgotten_mark(record)) for place in places for name in place.names())


def forgotten_mark(record: str) -> str:
    """The file that says in a forgotten run's folder which record it had, also where that was lost before."""
    return f"{FORGOTTEN}-{record}"


def set_aside_record(root: Folder, run_id: str) -> str:
    """Quarantine what there is of a run's record, so that the run is pending; returns where it went."""
    place = f"{QUARANTINE}/{free_name(root, QUARANTINE, run_id)}"
    records.move(root, f"{RUNS}/{run_id}", place)
    return place


def mend(work: Repair, damaged: Mapping[str, Corrupt]) -> RepairResult:
    """Set aside the damaged records; write them, and those that are gone, again where the tables hold their rows.

    Only what the manifest lists and nobody forgot is written again: it was committed, and the first record counts.
    """
    gone = [run_id for run_id in lost(work.root, work.known, work.found) if run_id not in work.found.committed]
    held = {run_id for run_id in (*damaged, *gone) if _is_held(work, run_id)}
    thresholds = {run_id: _decisions_of(work, run_id) for run_id in held}
    places = {run_id: set_aside_record(work.root, run_id) for run_id in (*damaged, *gone)}
    names = {run_id: f"run {run_id}" for run_id in places} | _restored(work, thresholds)
    pending = [run_id for run_id in places if run_id not in held]
    for run_id in pending:
        work.found.committed.pop(run_id, None)
    lines = [_of_damaged(names[run_id], error, places[run_id], run_id in held) for run_id, error in damaged.items()]
    lines += _of_many(work, RESTORED, [names[run_id] for run_id in gone if run_id in held])
    lines += _of_many(work, PENDING_AGAIN, [names[run_id] for run_id in gone if run_id not in held])
    lines += _of_many(
        work, WITHOUT_THRESHOLDS, [names[run_id] for run_id in places if thresholds.get(run_id, ()) is None]
    )
    return RepairResult(tuple(lines), tuple(pending))


@dataclass(frozen=True)
class _Compacted:
    """The rows of whole compacted tables, by run."""

    runs: pa.Table
    epochs: pa.Table
    predictions: CompactedPredictions

    def of(self, run_id: str) -> records.Tables:
        """One run's rows, without the columns that only other runs have."""
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


def _decisions_of(work: Repair, run_id: str) -> Mapping[str, float] | None:
    """The thresholds that a record's predictions were made with: as its file says, or the manifest; None: unknown."""
    known: Mapping[str, float] | None = work.known.records[run_id].get("decisions")
    name = work.found.committed.get(run_id)
    if name is None:
        return known
    try:
        return records.thresholds(work.root.child(f"{RUNS}/{run_id}"), name)
    except Corrupt:
        return known


def _restored(work: Repair, thresholds: Mapping[str, Mapping[str, float] | None]) -> dict[str, str]:
    """Write the records of these runs again; returns what the runs are called."""
    if not thresholds:
        return {}
    with _compacted(work.root) as compacted:
        return {run_id: _restore(work, run_id, compacted, found or {}) for run_id, found in thresholds.items()}


def _restore(work: Repair, run_id: str, compacted: _Compacted, thresholds: Mapping[str, float]) -> str:
    tables = replace(compacted.of(run_id), thresholds=thresholds)
    record = records.from_tables(tables, work.owner)
    records.publish(work.root.child(f"{RUNS}/{run_id}"), record)
    work.found.committed[run_id] = record.name
    work.fresh.add(run_id, tables)
    row = tables.runs.select(["system", "seed"]).to_pylist()[0]
    return f"{row['system']} seed {row['seed']} ({run_id})"


def _of_damaged(name: str, error: Corrupt, place: str, restored: bool) -> str:
    end = "restored from the tables" if restored else f"{name} is pending again"
    return f"{error}; its record was moved to {place}{' and' if restored else ', and'} {end}"


def _of_many(work: Repair, what: str, names: Collection[str]) -> list[str]:
    """One line for all of them."""
    listed = "; ".join([*names][:LISTED]) + (f"; ... ({len(names)} in all)" if len(names) > LISTED else "")
    return [f"{work.root.uri}/{RUNS}: {what}: {listed}"] if names else []
