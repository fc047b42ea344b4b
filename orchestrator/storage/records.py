"""The record of one run: three Parquet files and their hashes, written so that exactly one record can ever count.

`run.parquet` is created last and exclusively; its presence is the commit. The other files have names that follow from
content (`record-`, `epochs-` and `predictions-<hash>`), so two writers of the same run never touch each other's files,
and what a killed writer left behind belongs to no record. The record file is `record-<hash>.json` with the hash of
`run.parquet`; it holds the SHA-256 of all three.

Attempts that left no record are stored beside it, one numbered file each. `scan` finds both from listings alone:
10,000 runs in about a second, regardless of file sizes.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow as pa

from analysis.tables.attempts import ATTEMPTS, Attempt, Newest, file_name, from_bytes, newest, numbers
from analysis.tables.checksummed_json import dump_checksummed, load_checksummed
from analysis.tables.folder import Folder
from analysis.tables.schema import (
    SCHEMA_VERSION,
    SCHEMAS,
    Corrupt,
    Kind,
    read_parquet,
    sha256,
    to_parquet_bytes,
    to_table,
)
from orchestrator.config.run_spec import RunSpec
from orchestrator.storage.cells import spec_columns
from trainables.training.outcome import Outcome

LONGEST_TEXT = 100_000


def without_host(text: str) -> str:
    """Return the text without this machine's name, which no result may hold."""
    host = socket.gethostname()
    if not host or host == "localhost":
        return text
    return re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "<host>", text)


def write(folder: Folder, columns: Mapping[str, Any], attempt: Attempt) -> int:
    """Write an attempt at a run under its number, or the next free one; return the number it got.

    `columns` are the run's columns that follow from its specification, so that a failed run can be listed.
    """
    number = attempt.number
    while not folder.create(file_name(number), _file(columns, replace(attempt, number=number))):
        number += 1
    return number


def read(folder: Folder, number: int) -> Attempt:
    """Read one attempt. Raises Corrupt, or FileNotFoundError."""
    name = file_name(number)
    try:
        return from_bytes(folder.read(name), f"{folder.uri}/{name}")[0]
    except IsADirectoryError as error:
        raise Corrupt(f"{folder.uri}/{name}: is a folder") from error


def newest_of(folder: Folder, tried: Iterable[int]) -> Newest:
    """Return the newest whole attempt among those with the numbers `tried`."""
    return newest(tried, folder.read, folder.uri)


def _file(columns: Mapping[str, Any], attempt: Attempt) -> bytes:
    content = asdict(attempt)
    for name in ("message", "traceback", "hardware"):
        content[name] = content[name] and without_host(content[name])
    content["message"] = content["message"] and content["message"][:LONGEST_TEXT]
    content["traceback"] = content["traceback"] and content["traceback"][-LONGEST_TEXT:]
    for name in ("started_at", "finished_at"):
        content[name] = content[name] and content[name].isoformat()
    return dump_checksummed({**content, "run": dict(columns)})


RUN = "run.parquet"
RECORD = "record-"
PARTS = ("epochs-", "predictions-")
HASH_LENGTH = 16


@dataclass(frozen=True)
class Record:
    """A record ready to be written: the bytes of each file by name, `run.parquet` last."""

    run_id: str
    name: str
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Tables:
    """The verified content of a record; `thresholds` are those that its predictions were made with."""

    status: str
    runs: pa.Table
    epochs: pa.Table
    predictions: pa.Table
    thresholds: Mapping[str, float] = field(default_factory=dict)


def from_outcome(run: RunSpec, outcome: Outcome, columns: Mapping[str, Any], attempt: int, owner: str) -> Record:
    """Build the record of a run that has ended. Raises ValueError for a table that does not match the schema."""
    if outcome.status == "stopped":
        raise ValueError(f"run {run.run_id} was stopped: it has no record and stays pending")
    row = {**outcome.columns, **columns, **spec_columns(run), "status": outcome.status, "attempt": attempt}
    row["error"] = outcome.error and without_host(outcome.error)
    row["hardware"] = row.get("hardware") and without_host(str(row["hardware"]))
    return from_tables(
        Tables(
            outcome.status,
            to_table("runs", [row]),
            to_table("epochs", outcome.epochs.assign(run_id=run.run_id)),
            to_table("predictions", outcome.predictions.assign(run_id=run.run_id)),
            outcome.thresholds,
        ),
        owner,
    )


def from_tables(tables: Tables, owner: str) -> Record:
    """Build the record that holds these tables; `owner` is the token of the sweep that writes it."""
    run = to_parquet_bytes(tables.runs)
    epochs, predictions = to_parquet_bytes(tables.epochs), to_parquet_bytes(tables.predictions)
    row = tables.runs.select(["run_id", "settings_id", "attempt"]).to_pylist()[0]
    parts = {f"epochs-{_short(epochs)}.parquet": epochs, f"predictions-{_short(predictions)}.parquet": predictions}
    name = f"{RECORD}{_short(run)}.json"
    content = {
        "schema_version": SCHEMA_VERSION,
        **row,
        "status": tables.status,
        "owner": owner,
        "decisions": dict(tables.thresholds),
        "files": {file: {"sha256": sha256(data), "bytes": len(data)} for file, data in {**parts, RUN: run}.items()},
    }
    return Record(row["run_id"], name, {**parts, name: dump_checksummed(content), RUN: run})


def publish(folder: Folder, record: Record) -> bool:
    """Write the record unless the run has one: then return False, and keep only files that the other one uses, too."""
    if folder.exists(RUN):
        return False
    for name, data in record.files.items():
        if name != RUN:
            folder.write(name, data)
    if folder.create(RUN, record.files[RUN]):
        return True
    _withdraw(folder, record)
    return False


def _withdraw(folder: Folder, record: Record) -> None:
    winner = current(folder, folder.names(RECORD))
    if winner is None or winner == record.name:
        return
    used = set(_content(folder, winner)["files"]) | {winner}
    for name in set(record.files) - used:
        folder.delete(name)


def only(names: Sequence[str]) -> str | None:
    """Return the record file among `names` if there is exactly one: it is the run's, or the record is damaged."""
    candidates = candidates_in(names)
    return candidates[0] if len(candidates) == 1 else None


def candidates_in(names: Sequence[str]) -> list[str]:
    """Return those of the names that a record file can have."""
    return [name for name in names if name.startswith(RECORD) and name.endswith(".json")]


def current(folder: Folder, names: Sequence[str]) -> str | None:
    """Return the record file among `names` that belongs to the folder's `run.parquet`; None if none does."""
    expected = expected_name(folder)
    return expected if expected in names else None


def expected_name(folder: Folder) -> str | None:
    """Return the name that the record file of the folder's `run.parquet` must have; None if that is not a file."""
    try:
        return f"{RECORD}{folder.sha256(RUN)[:HASH_LENGTH]}.json"
    except IsADirectoryError:
        return None


def run_id_in(folder: Folder, name: str) -> str:
    """Return the run that a record file says it belongs to. Raises Corrupt."""
    return str(_content(folder, name)["run_id"])


def hashes(folder: Folder, name: str) -> dict[str, str]:
    """Return file -> SHA-256 of the tables of a record. Raises Corrupt."""
    return {file: str(described["sha256"]) for file, described in _content(folder, name)["files"].items()}


def status(folder: Folder, name: str) -> str:
    """Return the status that a record file states. Raises Corrupt."""
    return str(_content(folder, name)["status"])


def thresholds(folder: Folder, name: str) -> dict[str, float]:
    """Return the thresholds that a record's predictions were made with. Raises Corrupt."""
    return dict(_content(folder, name).get("decisions", {}))


def load(folder: Folder, name: str | None, run_id: str) -> Tables:
    """Read a record and check every hash, schema and id. Raises Corrupt, naming the file and the reason."""
    if name is None:
        raise Corrupt(f"{folder.uri}/{RUN}: no record file belongs to it")
    content = _content(folder, name)
    epochs, predictions, run = (_only(content["files"], prefix, folder) for prefix in (*PARTS, RUN))
    tables = Tables(
        str(content["status"]),
        _table(folder, run, content, "runs"),
        _table(folder, epochs, content, "epochs"),
        _table(folder, predictions, content, "predictions"),
        dict(content.get("decisions", {})),
    )
    if tables.runs.num_rows != 1 or tables.runs["status"][0].as_py() != tables.status:
        raise Corrupt(f"{folder.uri}/{RUN}: not the one row of this record")
    for table in (tables.runs, tables.epochs, tables.predictions):
        if set(table["run_id"].unique().to_pylist()) - {run_id}:
            raise Corrupt(f"{folder.uri}: holds rows of another run than {run_id}")
    return tables


def read_predictions(folder: Folder, name: str | None) -> pa.Table:
    """Read the predictions of a record and verify them. Raises Corrupt."""
    assert name is not None, "only a record that was loaded before has predictions to read"
    content = _content(folder, name)
    return _table(folder, _only(content["files"], PARTS[1], folder), content, "predictions")


def without_empty_extras(table: pa.Table, kind: Kind) -> pa.Table:
    """Drop columns that hold no value at all, except the fixed columns of the kind."""
    fixed = SCHEMAS[kind].names
    return table.select([name for name in table.column_names if name in fixed or table[name].null_count < len(table)])


def move(root: Folder, source: str, target: str) -> None:
    """Move a record's files between two folders of `root`, `run.parquet` first: from then on the run has no record."""
    names = root.child(source).names()
    for name in sorted((name for name in names if name.startswith((RUN, RECORD, *PARTS))), key=RUN.__ne__):
        root.move(f"{source}/{name}", f"{target}/{name}")


def _content(folder: Folder, name: str) -> dict[str, Any]:
    label = f"{folder.uri}/{name}"
    content = load_checksummed(_read(folder, name), label)
    if content.get("schema_version") != SCHEMA_VERSION:
        raise Corrupt(f"{label}: schema version {content.get('schema_version')}, this program reads {SCHEMA_VERSION}")
    if not {"run_id", "status", "files"} <= content.keys():
        raise Corrupt(f"{label}: is not a record file")
    return content


def _only(files: Mapping[str, Any], prefix: str, folder: Folder) -> str:
    matches = [name for name in files if name.startswith(prefix)]
    if len(matches) != 1:
        raise Corrupt(f"{folder.uri}: its record names {len(matches)} files {prefix}*")
    return matches[0]


def _table(folder: Folder, name: str, content: Mapping[str, Any], kind: Kind) -> pa.Table:
    return read_parquet(_read(folder, name), content["files"][name]["sha256"], kind=kind, name=f"{folder.uri}/{name}")


def _read(folder: Folder, name: str) -> bytes:
    try:
        return folder.read(name)
    except FileNotFoundError as error:
        raise Corrupt(f"{folder.uri}/{name}: missing") from error
    except IsADirectoryError as error:
        raise Corrupt(f"{folder.uri}/{name}: is a folder") from error


def _short(data: bytes) -> str:
    return sha256(data)[:HASH_LENGTH]


RUNS = "runs"
RUN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Scan:
    """`committed`: run_id -> the name of its record file (None: none fits). `tried`: run_id of a run without a
    record -> the numbers of its attempts, ascending."""

    committed: dict[str, str | None]
    tried: dict[str, list[int]]


def scan(root: Folder) -> Scan:
    """List every run; ignore folders that are not runs. Reads a file only where two records compete."""
    listing = Scan({}, {})
    for run_id, names in _listings(root):
        if RUN in names:
            listing.committed[run_id] = only(names) or current(root.child(f"{RUNS}/{run_id}"), names)
        elif numbers := _attempt_numbers(root, run_id, names):
            listing.tried[run_id] = numbers
    return listing


def run_ids(root: Folder) -> list[str]:
    """List every run that has a folder, sorted."""
    return [name for name in root.child(RUNS).names() if RUN_ID.fullmatch(name)]


def _listings(root: Folder) -> Iterator[tuple[str, list[str]]]:
    runs = root.child(RUNS)
    if root.is_local:
        for run_id in run_ids(root):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                yield run_id, os.listdir(f"{runs.path}/{run_id}")  # noqa: PTH208 - 10,000 times, and names are enough
        return
    names_by_run: dict[str, list[str]] = defaultdict(list)
    for path in runs.files():
        run_id, _, name = path.partition("/")
        names_by_run[run_id].append(name)
    yield from ((run_id, names) for run_id, names in sorted(names_by_run.items()) if RUN_ID.fullmatch(run_id))


def _attempt_numbers(root: Folder, run_id: str, names: list[str]) -> list[int]:
    if root.is_local and ATTEMPTS in names:
        return numbers(root.child(f"{RUNS}/{run_id}/{ATTEMPTS}").names())
    prefix = f"{ATTEMPTS}/"
    return numbers([name.removeprefix(prefix) for name in names if name.startswith(prefix)])
