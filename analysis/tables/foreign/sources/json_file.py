"""Reads JSON: a list of records, one record a line, and the results of lm-eval and Inspect."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.tables.foreign.sources import inspect_log, lm_eval
from analysis.tables.foreign.table import Refused, Table, as_text
from analysis.tables.foreign.text_file import decode


def read_json(data: bytes, label: str, name: str) -> list[Table]:
    """Return the tables in a JSON or JSON lines file. `name` is its path, which may name the model.

    Raises Refused for JSON that holds no runs.
    """
    content = parse(data, label, by_line=name.endswith(".jsonl"))
    if inspect_log.is_log(content):
        return inspect_log.tables([(content, label)], label)
    if lm_eval.is_results(content):
        return [lm_eval.of_results(content, label, name)]
    if lm_eval.is_samples(content):
        return [lm_eval.of_samples(content, label, name, None)]
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        return [Table(label, _frame(content))]
    columns = _columns(content)
    if columns is not None:
        return [Table(label, columns)]
    raise Refused(
        f"{label}: is not a list of runs: write one JSON object for each run, such as "
        '{"system": "a", "seed": 1, "score": 0.9}'
    )


def parse(data: bytes, label: str, *, by_line: bool = False) -> Any:
    """Return the content of a JSON file, or the list of its lines, also where it is not JSON as a whole.

    Raises Refused, naming the line.
    """
    text = decode(data, label)
    if not text.strip():
        raise Refused(f"{label}: is empty: it needs one JSON object for each run")
    if not by_line:
        with contextlib.suppress(json.JSONDecodeError, RecursionError):
            return json.loads(text)
    return list(_lines(text, label))


def _lines(text: str, label: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise Refused(
                    f"{label}: line {number} is not JSON: {error}; write one JSON object on each line"
                ) from None


def _columns(content: Any) -> pd.DataFrame | None:
    """Return the table of a JSON object with a list, or an object by row, for each column; None for another object."""
    if not isinstance(content, dict) or len(content) < 2:
        return None
    if all(isinstance(value, list) for value in content.values()):
        content = {name: dict(enumerate(value)) for name, value in content.items()}
    if not all(isinstance(value, dict) and value for value in content.values()):
        return None
    rows = list(dict.fromkeys(row for value in content.values() for row in value))
    cells = [value for column in content.values() for value in column.values()]
    if any(isinstance(cell, dict | list) for cell in cells):
        return None
    columns = {str(name): [as_text(value.get(row)) for row in rows] for name, value in content.items()}
    return pd.DataFrame(columns, dtype=object)


def _frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    rows = [dict(_flat(record)) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[row.get(name) for name in names] for row in rows]
    return pd.DataFrame(cells, columns=pd.Index(names, dtype=object), dtype=object)


def _flat(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield the values of a record, those of inner objects as `outer.inner`."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(value) if isinstance(value, list) else as_text(value)
