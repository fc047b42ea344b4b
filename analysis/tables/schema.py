"""Defines the schemas of the result tables, and makes, checks and reads their Parquet files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SCHEMA_VERSION = 1
Kind = Literal["runs", "epochs", "predictions", "trials"]
STATUSES = ("completed", "collapsed", "diverged", "pruned", "failed")
METRIC_PREFIXES = ("metric_", "validation_", "test_")
COUNT_PREFIXES = ("train_", "evaluation_")  # what was cut off the items of these parts (analysis/text/warnings.py)
PARAMETER_PREFIX = "parameter_"
_SCORES = ("score", "best_score")

FEW_ROWS, MANY_ROWS = 16, 10_000
_passed: dict[Kind | None, pa.Schema] = {}  # by kind, the last schema that passed the check
_KIND_KEY, _VERSION_KEY = b"orchestrate_table", b"orchestrate_schema_version"
_REQUIRED = {"run_id", "epoch", "system", "seed", "status", "split", "item", "search", "trial"}
_INSTANT = pa.timestamp("us", tz="UTC")


class Corrupt(ValueError):
    """A result file is damaged; the message names the file and the reason."""


def _schema(kind: Kind, types: Mapping[pa.DataType, str], order: str) -> pa.Schema:
    kinds = {name: data_type for data_type, names in types.items() for name in names.split()}
    fields = [pa.field(name, kinds[name], nullable=name not in _REQUIRED) for name in order.split()]
    return pa.schema(fields, metadata={_KIND_KEY: kind.encode(), _VERSION_KEY: str(SCHEMA_VERSION).encode()})


RUNS = _schema(
    "runs",
    {
        pa.string(): "run_id settings_id experiment stage task dataset dataset_fingerprint model model_revision recipe "
        "system control status error metric score_split selected_on precision attention device hardware "
        "torch_version transformers_version ray_version python_version git_commit init_from",
        pa.int64(): "seed split_seed fold attempt best_epoch epochs train_items evaluation_items truncated_words "
        "skipped_steps parameters trainable_parameters world_size cpu_threads",
        pa.float64(): "score train_loss eval_loss seconds_total seconds_train seconds_eval seconds_setup "
        "samples_per_second tokens_per_second step_seconds_p50 peak_memory_gib",
        _INSTANT: "started_at finished_at",
    },
    "run_id settings_id experiment stage task dataset dataset_fingerprint model model_revision recipe system control "
    "seed split_seed fold status error attempt metric score score_split selected_on best_epoch epochs train_loss "
    "eval_loss train_items evaluation_items truncated_words skipped_steps seconds_total seconds_train seconds_eval "
    "seconds_setup samples_per_second tokens_per_second step_seconds_p50 peak_memory_gib parameters "
    "trainable_parameters world_size cpu_threads precision attention device hardware torch_version "
    "transformers_version ray_version python_version git_commit started_at finished_at init_from",
)
EPOCHS = _schema(
    "epochs",
    {
        pa.string(): "run_id",
        pa.int64(): "epoch step",
        pa.float64(): "train_loss eval_loss learning_rate grad_norm seconds",
    },
    "run_id epoch step train_loss eval_loss learning_rate grad_norm seconds",
)
PREDICTIONS = _schema(
    "predictions",
    {pa.string(): "run_id split item cluster gold predicted", pa.int64(): "position", pa.bool_(): "correct"},
    "run_id split item cluster position gold predicted correct",
)
TRIALS = _schema(  # of the current search; what the columns mean: analysis/tables/trials.py
    "trials",
    {
        pa.string(): "search run_id system model recipe proposed_by parameters status",
        pa.int64(): "trial seed epochs",
        pa.float64(): "score best_score seconds",
        _INSTANT: "started_at finished_at",
    },
    "search trial run_id system model recipe seed proposed_by parameters status score best_score epochs seconds "
    "started_at finished_at",
)
SCHEMAS: dict[Kind, pa.Schema] = {"runs": RUNS, "epochs": EPOCHS, "predictions": PREDICTIONS, "trials": TRIALS}
# the names and types of columns beyond the fixed ones; for predictions they are up to the task
_EXTRA_NAMES = {"runs": (*METRIC_PREFIXES, *COUNT_PREFIXES), "epochs": METRIC_PREFIXES, "trials": (PARAMETER_PREFIX,)}
# Columns added later: older files lack them, so they count as extra columns and are optional.
LATER_COLUMNS: dict[Kind, dict[str, pa.DataType]] = {
    "runs": {"orchestrate_version": pa.string(), "orchestrate_commit": pa.string()},
}
_EXTRA_TYPES = {"runs": [pa.float64(), pa.int64()], "epochs": [pa.float64()], "trials": [pa.float64(), pa.string()]}

# Times, speeds, memory, attempt, hardware, software and dates, which may differ between two correct executions.
VOLATILE_COLUMNS = frozenset((
    "attempt", "seconds", "seconds_total", "seconds_train", "seconds_eval", "seconds_setup", "samples_per_second",
    "tokens_per_second", "step_seconds_p50", "peak_memory_gib", "world_size", "cpu_threads", "device", "hardware",
    "torch_version", "transformers_version", "ray_version", "python_version", "git_commit", "started_at", "finished_at",
    *LATER_COLUMNS["runs"],
))  # fmt: skip


def runs_schema(metrics: Iterable[str] = (), parts: Iterable[str] = ()) -> pa.Schema:
    """Return RUNS plus `metric_<name>` per metric, and `<part>_<name>` for each of `parts` ("validation", "test")."""
    prefixes = ["metric", *parts]
    return _extended(RUNS, [f"{prefix}_{name}" for prefix in prefixes for name in metrics])


def epochs_schema(metrics: Iterable[str] = ()) -> pa.Schema:
    """Return EPOCHS plus `metric_<name>` per metric."""
    return _extended(EPOCHS, [f"metric_{name}" for name in metrics])


def _extended(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    for name in names:
        schema = schema.append(pa.field(name, pa.float64()))
    return schema


def to_table(kind: Kind, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows (or a frame) as a table of the kind's schema: fixed columns first, nulls if missing, then extra ones.

    Extra columns must be ones the kind allows (`check`); NaN in a floating-point column becomes null.
    Raises ValueError if a value does not fit its column or a required value is missing.
    """
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([dict(row) for row in rows], dtype=object)
    fixed = SCHEMAS[kind]
    columns = {field.name: _column(frame, field) for field in fixed}
    fields = list(fixed)
    for name in sorted(set(frame.columns) - set(fixed.names)):
        columns[name] = _extra_column(kind, name, frame)
        fields.append(pa.field(name, columns[name].type))
    table = pa.Table.from_pydict(columns, schema=pa.schema(fields, metadata=fixed.metadata))
    check(kind, table)
    return table


def _column(frame: pd.DataFrame, field: pa.Field) -> pa.Array:
    if field.name not in frame.columns:
        return pa.nulls(len(frame), field.type)
    try:
        return _array(frame[field.name], field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as error:
        raise ValueError(f"column {field.name} does not hold {field.type}: {error}") from error


def _extra_column(kind: Kind, name: str, frame: pd.DataFrame) -> pa.Array:
    if kind == "predictions":
        return _array(frame[name], None)
    if name in (later := LATER_COLUMNS.get(kind, {})):
        return _column(frame, pa.field(name, later[name]))
    if not name.startswith(_EXTRA_NAMES[kind]):
        raise ValueError(f"column {name} is not one of {kind}")
    if name.startswith(COUNT_PREFIXES):
        return _column(frame, pa.field(name, pa.int64()))
    is_text = kind == "trials" and frame[name].map(lambda value: isinstance(value, str)).any()
    return _column(frame, pa.field(name, pa.string() if is_text else pa.float64()))


def _array(values: pd.Series[Any], data_type: pa.DataType | None) -> pa.Array:
    if data_type == pa.string():
        whole = values.convert_dtypes() if values.dtype.kind == "f" else values  # an integer id with gaps is a float
        values = whole.astype(object).map(str, na_action="ignore")
    array = pa.Array.from_pandas(values, type=data_type)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def check(kind: Kind, table: pa.Table) -> None:
    """Raise ValueError unless `table` has exactly the kind's fixed columns, allowed extra ones, and no NaN score."""
    _check_schema(kind, table.schema)
    for name in SCHEMAS[kind].names:
        if name in _REQUIRED and table.column(name).null_count:
            raise ValueError(f"column {name} has {table.column(name).null_count} empty values")
    for name in table.schema.names:
        is_score = name in _SCORES or name.startswith(METRIC_PREFIXES)
        if is_score and pc.any(pc.is_nan(table.column(name))).as_py():
            raise ValueError(f"column {name} holds NaN, which is never a score")


def _has_passed(kind: Kind | None, schema: pa.Schema) -> bool:
    """Return whether the schema is the last one that passed: the records of one sweep share theirs."""
    return kind in _passed and schema.equals(_passed[kind], check_metadata=True)


def _check_schema(kind: Kind, schema: pa.Schema) -> None:
    if _has_passed(kind, schema):
        return
    fixed, names = SCHEMAS[kind], schema.names
    if names[: len(fixed)] != fixed.names:
        missing = [name for name in fixed.names if name not in names]
        raise ValueError(
            f"its columns are not those of {kind}" + (f"; missing: {', '.join(missing)}" if missing else "")
        )
    for position, field in enumerate(schema):
        _check_field(kind, field, fixed.field(position) if position < len(fixed) else None)
    _passed[kind] = schema


def _check_field(kind: Kind, field: pa.Field, expected: pa.Field | None) -> None:
    if isinstance(field.type, pa.BaseExtensionType) or b"ARROW:extension:name" in (field.metadata or {}):
        raise ValueError(f"column {field.name} has an extension type, which is not allowed")
    if expected is not None:
        if field.type != expected.type:
            raise ValueError(f"column {field.name} is {field.type}, not {expected.type}")
    elif kind == "predictions":
        _check_plain(field.name, field.type)
    elif LATER_COLUMNS.get(kind, {}).get(field.name) == field.type:
        return
    elif not field.name.startswith(_EXTRA_NAMES[kind]) or field.type not in _EXTRA_TYPES[kind]:
        raise ValueError(f"column {field.name} ({field.type}) is not one of {kind}")


def _check_plain(name: str, data_type: pa.DataType) -> None:
    if pa.types.is_list(data_type) and not pa.types.is_nested(data_type.value_type):
        data_type = data_type.value_type
    if pa.types.is_nested(data_type) or isinstance(data_type, pa.BaseExtensionType):
        raise ValueError(f"column {name} ({data_type}) is neither a plain value nor a list of plain values")


def kind_of(schema: pa.Schema) -> Kind | None:
    """Return which result table a schema declares; None for other tables. Raises ValueError for another version."""
    metadata = schema.metadata or {}
    name = metadata.get(_KIND_KEY, b"").decode()
    if name not in SCHEMAS:
        return None
    version = metadata.get(_VERSION_KEY, b"").decode()
    if version != str(SCHEMA_VERSION):
        raise ValueError(f"schema version {version or 'missing'}; this program reads version {SCHEMA_VERSION}")
    return cast("Kind", name)


def declares_table(data: bytes) -> bool:
    """Return whether the bytes of a Parquet file say that it is one of our tables, even if it is damaged."""
    return _KIND_KEY in data


def to_parquet_bytes(table: pa.Table) -> bytes:
    """Return the file's bytes with page checksums and the schema version in the metadata; checks result tables first.

    Compressed with Zstandard, except for the few rows of one run: for columns of one value, dictionaries, statistics
    and compression take more space than they save, and more than half of the reading time (1.1 against 0.4 ms for 55
    columns).
    """
    kind = kind_of(table.schema)
    if kind is not None:
        check(kind, table)
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    encoding: dict[str, Any] = plain if table.num_rows <= FEW_ROWS else {"compression": "zstd"}
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True, **encoding)
    return bytes(sink.getvalue())


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256, as kept in records and manifests."""
    return hashlib.sha256(data).hexdigest()


def read_parquet(
    source: bytes | str | Path, sha256: str | None = None, *, kind: Kind | None = None, name: str | None = None
) -> pa.Table:
    """Read the table in a Parquet file (bytes, or a path), and check its hash, page checksums and exact schema.

    `kind` requires that result table; `name` is what errors call the file if `source` is bytes.
    Raises Corrupt, naming the file and the reason; OSError if a path cannot be read.
    """
    label = name or (str(source) if not isinstance(source, bytes) else "a Parquet file in memory")
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise Corrupt(f"{label}: its SHA-256 is not the recorded one")
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            return _checked(file, kind)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Corrupt(f"{label}: {error}") from error


def _checked(file: pq.ParquetFile, kind: Kind | None) -> pa.Table:
    schema = file.schema_arrow
    declared = kind_of(schema)
    if not _has_passed(declared, schema):
        for field in schema:
            _check_field("predictions", field, None)
    if kind is not None and declared != kind:
        raise ValueError(f"it is not a {kind} table" + (f" but a {declared} table" if declared else ""))
    # Threads cost more than they save in small tables, and a process that ends right after they start can abort.
    table = file.read(use_threads=file.metadata.num_rows >= MANY_ROWS)
    if declared is not None:
        check(declared, table)
    return table
