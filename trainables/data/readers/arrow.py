"""Reads Parquet files, Arrow files and folders that `datasets` saved, batch by batch, without `datasets`.

Class indices become the names that the schema gives them; -1, a hidden label, stays a number.
"""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.data.dataset import DataError
from trainables.data.how_read import HIDDEN_PART, HowRead, ReadOptions, Row

if TYPE_CHECKING:
    import pyarrow as pa

SAVED, SAVED_PARTS = "state.json", "dataset_dict.json"  # what `save_to_disk` writes beside the data files
Convert = Callable[[Any], Any]


def read_parquet(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows of a Parquet file; extension types are refused."""
    import pyarrow.parquet as pq

    with _readable(path, "Parquet"), pq.ParquetFile(path) as file:
        yield from enumerate(_rows(path, file.schema_arrow, file.iter_batches(), options, how), start=1)


def read_arrow(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows of an Arrow file (file or stream, Feather), or of a folder that `save_to_disk` wrote.

    A folder with parts gives each row its part. Extension types are refused.
    """
    if not path.is_dir():
        yield from enumerate(_arrow_rows(path, options, how), start=1)
        return
    if not (path / SAVED_PARTS).is_file():
        yield from enumerate(_saved_rows(path, options, how), start=1)
        return
    how.part = HIDDEN_PART
    names = _listed(path / SAVED_PARTS, "splits")
    how.remarks.append(f"the parts are {', '.join(names)}")
    rows = ({**row, HIDDEN_PART: name} for name in names for row in _saved_rows(path / name, options, how))
    yield from enumerate(rows, start=1)


def is_saved(folder: Path) -> bool:
    """Return whether `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote this folder."""
    return (folder / SAVED).is_file() or (folder / SAVED_PARTS).is_file()


def _saved_rows(folder: Path, options: ReadOptions, how: HowRead) -> Iterator[dict[str, Any]]:
    for entry in _listed(folder / SAVED, "_data_files"):
        name = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(name, str) or Path(name).name != name:
            raise DataError(f"{folder / SAVED}: names no data file beside it: {entry!r}; save the data set again")
        yield from _arrow_rows(folder / name, options, how)


def _listed(path: Path, key: str) -> list[Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))[key]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; the folder is not one that `save_to_disk` wrote") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not what `save_to_disk` writes ({error}); save the data set again") from error
    if not isinstance(values, list) or (key == "splits" and not all(map(_is_name, values))):
        raise DataError(f"{path}: not what `save_to_disk` writes ({key}); save the data set again")
    return values


def _is_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value and value not in ("", "..")


def _arrow_rows(path: Path, options: ReadOptions, how: HowRead) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with _readable(path, "Arrow"), pa.memory_map(str(path)) as source:
        if source.read(6) == b"ARROW1":
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(index) for index in range(file.num_record_batches))
            yield from _rows(path, file.schema, batches, options, how)
            return
        source.seek(0)
        stream = pa.ipc.open_stream(source)
        yield from _rows(path, stream.schema, stream, options, how)


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: not a readable {kind} file: {error}; it may be cut short: copy or save it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _rows(
    path: Path, schema: pa.Schema, batches: Iterable[Any], options: ReadOptions, how: HowRead
) -> Iterator[dict[str, Any]]:
    for column in schema:
        _refuse_extension(path, column)
    if len(set(schema.names)) < len(schema.names):
        raise DataError(f"{path}: the column names must be distinct: {', '.join(schema.names)}")
    features = _features(path, schema.metadata or {})
    used = [column for column in schema if _is_used(column.name, schema.names, options)]
    converts = {column.name: _converter(column.type, features.get(column.name)) for column in used}
    active = {name: convert for name, convert in converts.items() if convert is not None}
    named = [name for name in active if _names_in(features.get(name))]
    remark = f"classes have the names that the schema gives them: {', '.join(named)}"
    how.remarks += [remark] if named and remark not in how.remarks else []
    for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), start=1):
        try:
            changed = {name: convert(row[name]) for name, convert in active.items()}
        except ValueError as error:
            raise DataError(f"{path}: row {number}: {error}") from error
        how.changed = how.changed or any(changed[name] != row[name] for name in changed)
        yield {**row, **changed}


_OTHER_FIELDS = ("id", "cluster", "text_pair", "sentence_id", "title")  # that items may have besides those of a task


def _is_used(name: str, names: Sequence[str], options: ReadOptions) -> bool:
    """Return whether a column can become part of an item; without known fields, every one can."""
    given = options.columns.values()
    mapped = [
        options.part,
        *(column for columns in given for column in ([columns] if isinstance(columns, str | int) else columns)),
    ]
    position = names.index(name)
    by_number = {position + 1, position - len(names)} & {column for column in mapped if isinstance(column, int)}
    fields = {*options.fields, *_OTHER_FIELDS} - set(options.columns)
    return not options.fields or name in mapped or name in fields or bool(by_number)


def _features(path: Path, metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return what `datasets` notes about each column in the schema; {} if another program wrote the file."""
    if b"huggingface" not in metadata:
        return {}
    try:
        noted = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: the schema's note on its features is damaged: {error}; save the data again"
        ) from error
    return noted if isinstance(noted, dict) else {}


def _names_in(feature: Any) -> list[str] | None:
    """Return the class names that a feature, or the elements of its lists, have."""
    if isinstance(feature, list):
        return _names_in(feature[0]) if feature else None
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel":
        names = feature.get("names")
        names = list(names.values()) if isinstance(names, dict) else names
        return [str(name) for name in names] if names else None
    return _names_in(feature.get("feature"))


def _converter(kind: pa.DataType, feature: Any) -> Convert | None:
    """Return what turns a value of this type into plain text and numbers; None where it is plain already."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _converter(kind.value_type, feature)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _converter(kind.value_type, _inner(feature))
        return None if inner is None else lambda values: None if values is None else [inner(value) for value in values]
    names = _names_in(feature)
    if names is not None and pa.types.is_integer(kind):
        return lambda value: value if value is None else _named(value, names)
    if pa.types.is_decimal(kind) or pa.types.is_temporal(kind) or pa.types.is_binary(kind):
        return _plain
    return _plain if pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind) else None


def _inner(feature: Any) -> Any:
    if isinstance(feature, list):
        return feature[0] if feature else None
    return feature.get("feature", feature) if isinstance(feature, dict) else None


def _named(value: int, names: Sequence[str]) -> int | str:
    if value >= len(names) or value < -1:
        raise ValueError(f"class {value} has no name: the schema names 0 to {len(names) - 1}")
    return value if value == -1 else names[value]


def _plain(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value
    return value if value is None or isinstance(value, int | str) else str(value)


def _refuse_extension(path: Path, field: Any) -> None:
    """Refuse extension types: reading them runs the code that registered them."""
    import pyarrow as pa

    metadata = field.metadata or {}
    if isinstance(field.type, pa.BaseExtensionType) or b"ARROW:extension:name" in metadata:
        raise DataError(f"{path}: column {field.name!r} has an extension type; give plain numbers, text and lists")
    for index in range(field.type.num_fields):
        _refuse_extension(path, field.type.field(index))
