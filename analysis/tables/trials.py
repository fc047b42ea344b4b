"""The table `trials.parquet`: the trials of the current search of a results directory, one row per trial.

- `search`: id of the search block; `trial`: 1, 2, ... of its system; `run_id`: its run, whose epochs `epochs` has.
- `proposed_by`: default (the experiment's own settings, the first of every system), random, grid or tpe.
- `parameters`: JSON object, dotted name -> value; `parameter_<dotted name>`: the same, one column each, numbers if all
  values are numbers, else text; null if the parameter does not apply to that system.
- `status`: of its run, or pending. `score`: of trials that ran to their end; `best_score`: the best epoch's value on
  the validation part so far, also of stopped trials.
- `epochs`, `seconds`: done so far.

The file can be rebuilt and is in no manifest: its own metadata has the digest of its rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.tables.folder import Folder
from analysis.tables.schema import PARAMETER_PREFIX, STATUSES, TRIALS, Corrupt, read_parquet, sha256, to_table

TABLE = "trials.parquet"
PENDING = "pending"
PROPOSED_BY = ("default", "random", "grid", "tpe")
ENDED = ("completed", "collapsed")
_DIGEST = b"orchestrate_sha256"


def trials_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as the table. `parameters` may be a mapping or its JSON text; `parameter_` columns come from it.

    Raises ValueError for a status, proposer, column or value that the table does not have.
    """
    cells = [dict(row) for row in rows]
    chosen = [_mapping(row) for row in cells]
    for row in cells:
        _refuse(row, "status", (*STATUSES, PENDING))
        _refuse(row, "proposed_by", PROPOSED_BY)
    names = list(dict.fromkeys(name for values in chosen for name in values))
    columns = {name: _column([values.get(name) for values in chosen]) for name in names}
    for position, (row, values) in enumerate(zip(cells, chosen, strict=True)):
        row["parameters"] = json.dumps(values)
        row |= {f"{PARAMETER_PREFIX}{name}": column[position] for name, column in columns.items()}
    table = to_table("trials", cells)
    return table.replace_schema_metadata({**table.schema.metadata, _DIGEST: _digest(table)})


def _mapping(row: Mapping[str, Any]) -> dict[str, Any]:
    given = row.get("parameters")
    values = json.loads(given) if isinstance(given, str) else given
    if not isinstance(values, Mapping):
        raise ValueError(f"parameters of trial {row.get('trial')} are not a mapping of names to values")
    return dict(values)


def _refuse(row: Mapping[str, Any], name: str, known: Sequence[str]) -> None:
    if row.get(name) not in known:
        raise ValueError(f"{name} of trial {row.get('trial')} is {row.get(name)!r}, not one of {', '.join(known)}")


def _column(values: Sequence[Any]) -> list[float | str | None]:
    """Return numbers if every value is one, else text, with booleans, lists and mappings as JSON."""
    if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
        return [None if value is None else float(value) for value in values]
    return [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]


def _digest(table: pa.Table) -> bytes:
    return sha256(json.dumps(table.to_pylist(), default=str).encode()).encode()


def empty_trials() -> pd.DataFrame:
    """Return the table without rows."""
    frame: pd.DataFrame = TRIALS.empty_table().to_pandas()
    return frame


def read_trials(directory: Folder) -> pd.DataFrame:
    """Return the trials of a results directory; empty if it has none. Raises Corrupt for a damaged file."""
    if not directory.is_file(TABLE):
        return empty_trials()
    frame: pd.DataFrame = trials_in(directory.read(TABLE), directory.label(TABLE)).to_pandas()
    return frame


def trials_in(data: bytes, name: str) -> pa.Table:
    """Return the table in the bytes of the file `name`. Raises Corrupt if it is damaged."""
    table = read_parquet(data, kind="trials", name=name)
    if (table.schema.metadata or {}).get(_DIGEST) != _digest(table):
        raise Corrupt(f"{name}: its rows were changed after writing; start the same search again to rebuild it")
    return table


def parameters_of(trials: pd.DataFrame) -> list[str]:
    """Return the dotted names of the searched parameters, in the order of the table."""
    return [name.removeprefix(PARAMETER_PREFIX) for name in trials.columns if name.startswith(PARAMETER_PREFIX)]
