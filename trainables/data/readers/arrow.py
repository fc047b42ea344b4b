"""Reads Parquet files, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, ReadOptions, Row


def read_parquet(path: Path, options: ReadOptions, how: HowRead) -> Iterator[Row]:
    """Yield the rows; extension types are refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for column in file.schema_arrow:
                _refuse_extension(path, column)
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _refuse_extension(path: Path, field: Any) -> None:
    """Refuse extension types: reading them runs the code that registered them."""
    import pyarrow as pa

    metadata = field.metadata or {}
    if isinstance(field.type, pa.BaseExtensionType) or b"ARROW:extension:name" in metadata:
        raise DataError(f"{path}: column {field.name!r} has an extension type; give plain numbers, text and lists")
    for index in range(field.type.num_fields):
        _refuse_extension(path, field.type.field(index))
