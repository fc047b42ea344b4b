"""Merges the rows of many records: `runs` and `epochs` in memory, predictions streamed, one row group per run."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.tables.folder import Folder
from analysis.tables.schema import SCHEMAS, Kind, read_parquet
from orchestrator.storage.records import Tables

MOST_UNMERGED_TABLES = 256
RUNS_ORDER = ("experiment", "stage", "system", "seed", "split_seed", "fold", "run_id")
EPOCHS_ORDER = ("run_id", "epoch")


class TableStack:
    """Tables of one kind, to be concatenated; merged now and then, because 10,000 small tables take much memory."""

    def __init__(self, kind: Kind) -> None:
        """Start with no rows."""
        self._kind = kind
        self._parts = [SCHEMAS[kind].empty_table()]

    def add(self, table: pa.Table) -> None:
        """Add the rows of `table`; columns that either side lacks are null there."""
        self._parts.append(table)
        if len(self._parts) >= MOST_UNMERGED_TABLES:
            self._parts = [self._merged()]

    def sorted_by(self, names: Sequence[str]) -> pa.Table:
        """Return all rows, sorted by the columns `names`: fixed columns in their order, then extra ones by name."""
        table = self._merged()
        fixed = SCHEMAS[self._kind]
        table = table.select([*fixed.names, *sorted(set(table.column_names) - set(fixed.names))])
        return table.sort_by([(name, "ascending") for name in names]).replace_schema_metadata(fixed.metadata)

    def _merged(self) -> pa.Table:
        return pa.concat_tables(self._parts, promote_options="default").combine_chunks()


@dataclass
class GatheredRecords:
    """The rows of records that are not in the compacted tables yet; only the schemas of their predictions."""

    runs: TableStack = field(default_factory=lambda: TableStack("runs"))
    epochs: TableStack = field(default_factory=lambda: TableStack("epochs"))
    prediction_schemas: set[pa.Schema] = field(default_factory=lambda: {SCHEMAS["predictions"]})
    described: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def run_ids(self) -> set[str]:
        """The runs whose records were added."""
        return set(self.described)

    def add(self, run_id: str, tables: Tables) -> None:
        """Add one record's rows."""
        self.described[run_id] = {"status": tables.status, "decisions": dict(tables.thresholds)}
        self.runs.add(tables.runs)
        self.epochs.add(tables.epochs)
        self.prediction_schemas.add(tables.predictions.schema)


class CompactedPredictions:
    """The row groups of an existing `predictions.parquet` by run."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the footer."""
        self._file = pq.ParquetFile(stream, page_checksum_verification=True)
        self._groups: dict[str, list[int]] = defaultdict(list)
        self.schema: pa.Schema = self._file.schema_arrow
        for group in range(self._file.num_row_groups):
            run_id = self._file.metadata.row_group(group).column(0).statistics.min
            self._groups[run_id].append(group)

    def of(self, run_id: str) -> pa.Table:
        """Return the rows of one run; an empty table if it has none."""
        return self._file.read_row_groups(self._groups.get(run_id, []))


@contextlib.contextmanager
def compacted_predictions(root: Folder, name: str) -> Iterator[CompactedPredictions]:
    """Open the compacted predictions of a results directory. The caller has checked their hash."""
    with root.open(name) as stream:
        yield CompactedPredictions(stream)


def table_of(root: Folder, kind: Kind) -> pa.Table:
    """Read the compacted `runs` or `epochs`. The caller has checked its hash."""
    return read_parquet(root.read(f"{kind}.parquet"), kind=kind, name=f"{root.uri}/{kind}.parquet")


def rows_of(root: Folder, kind: Kind, run_ids: Collection[str]) -> pa.Table:
    """Return the rows of these runs in the compacted `runs` or `epochs`."""
    table = table_of(root, kind)
    return table.filter(pc.is_in(table["run_id"], value_set=pa.array(sorted(run_ids), pa.string())))


@dataclass(frozen=True)
class Written:
    """A finished file that has no name yet."""

    path: Path
    description: Mapping[str, Any]


@contextlib.contextmanager
def streamed(root: Folder, schema: pa.Schema, tables: Iterable[pa.Table]) -> Iterator[Written]:
    """Write tables to a scratch file, one row group each, hashing on the way; removed at the end unless adopted."""
    path = root.scratch()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            sink = _Hashing(stream)
            num_rows = _write(sink, schema, tables)
        yield Written(path, {"sha256": sink.digest.hexdigest(), "bytes": path.stat().st_size, "rows": num_rows})
    finally:
        path.unlink(missing_ok=True)


def _write(sink: _Hashing, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    num_rows = 0
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
        for table in tables:
            if table.num_rows:
                writer.write_table(conform(table, schema))
                num_rows += table.num_rows
    return num_rows


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with exactly the columns of `schema`; those it lacks are null."""
    present = set(table.column_names)
    columns = [
        table[name].cast(schema.field(name).type)
        if name in present
        else pa.nulls(table.num_rows, schema.field(name).type)
        for name in schema.names
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def common_schema(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return the fixed columns of `predictions`, then every other column of any of the schemas, by name.

    Raises ValueError if the types of a column have no common type.
    """
    fixed = SCHEMAS["predictions"]
    try:
        unified = pa.unify_schemas([fixed, *schemas], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        raise ValueError(f"predictions of different runs do not fit into one table: {error}") from error
    extra = sorted(set(unified.names) - set(fixed.names))
    return pa.schema([*fixed, *(unified.field(name) for name in extra)], metadata=fixed.metadata)


class _Hashing:
    """A file that hashes what is written to it; a failed write stays failed, so that closing cannot hide it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.closed = False

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._stream.write(data)

    def tell(self) -> int:
        return self._stream.tell()

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()
        self.closed = True
