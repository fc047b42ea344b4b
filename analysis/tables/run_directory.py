"""Reads the files that a run's worker wrote, `runs/<run_id>/`, from which the compacted tables are made.

`run.parquet` is the commit; `record-<first 16 digits of its SHA-256>.json` names the files of the record with their
hashes; `attempts/<n>.json` are attempts that left no record (`attempts.py`).
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.tables.attempts import ATTEMPTS, Newest, newest, numbers
from analysis.tables.folder import Folder
from analysis.tables.schema import SCHEMAS, Corrupt, Kind, read_parquet, sha256

RUN = "run.parquet"
TABLES_AT_ONCE = 256  # 10,000 small tables take much memory
_PREFIX: dict[Kind, str] = {"runs": "run.", "epochs": "epochs", "predictions": "predictions"}


@dataclass(frozen=True)
class RunFolder:
    """One run's directory in the folder `runs/`, and the names of the files in it."""

    run_id: str
    runs: Folder
    files: frozenset[str]

    @property
    def is_recorded(self) -> bool:
        """Whether the run has a record."""
        return RUN in self.files

    def table(self, kind: Kind) -> pa.Table:
        """Read the record's table of this kind and check its hash. Raises Corrupt."""
        hashes = self._hashes()
        name = next((name for name in hashes if name.startswith(_PREFIX[kind])), None)
        if name is None:
            raise Corrupt(f"{self._label}: its record names no {kind} file")
        if name not in self.files:
            raise Corrupt(f"{self._label}/{name}: missing")
        return read_parquet(self._read(name), hashes[name], kind=kind, name=f"{self._label}/{name}")

    @property
    def attempts(self) -> list[int]:
        """The numbers of the attempts at a run without a record."""
        files = [name.removeprefix(f"{ATTEMPTS}/") for name in self.files if name.startswith(f"{ATTEMPTS}/")]
        return [] if self.is_recorded else numbers(files)

    def newest_attempt(self) -> Newest:
        """Return the newest intact attempt at a run without a record, and which newer ones are damaged."""
        return newest(self.attempts, self._read, self._label)

    def _hashes(self) -> dict[str, str]:
        records = [name for name in self.files if name.startswith("record-") and name.endswith(".json")]
        if len(records) > 1:
            expected = f"record-{sha256(self._read(RUN))[:16]}.json"
            records = [name for name in records if name == expected]
        if not records:
            raise Corrupt(
                f"{self._label}/{RUN}: it has no matching record; the next sweep moves it to quarantine/ and runs it "
                "again"
            )
        return file_hashes(self.runs, f"{self.run_id}/{records[0]}")

    @property
    def _label(self) -> str:
        return self.runs.label(self.run_id)

    def _read(self, name: str) -> bytes:
        return self.runs.read(f"{self.run_id}/{name}")


def run_folders(results: Folder) -> dict[str, RunFolder]:
    """Return the folder of each run id under `runs/` of a results directory."""
    runs = results.child("runs")
    named = _listed(runs.local_path) if runs.is_local else _grouped(runs.files())
    return {run_id: RunFolder(run_id, runs, frozenset(names)) for run_id, names in named}


def tables_of(folders: Iterable[RunFolder], kind: Kind) -> pd.DataFrame:
    """Concatenate the records' tables of this kind. Raises Corrupt."""
    tables = [SCHEMAS[kind].empty_table()]
    for folder in folders:
        tables.append(folder.table(kind))
        if len(tables) >= TABLES_AT_ONCE:
            tables = [_merged(tables)]
    frame: pd.DataFrame = _merged(tables).to_pandas()
    return frame


def _merged(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _grouped(files: Iterable[str]) -> Iterable[tuple[str, set[str]]]:
    names: dict[str, set[str]] = defaultdict(set)
    for name in files:
        run_id, _, rest = name.partition("/")
        names[run_id].add(rest)
    return names.items()


def _listed(runs: Path) -> Iterator[tuple[str, set[str]]]:
    """List the names in every run's folder, and its attempts if it has no record, and read nothing else."""
    for run_id in sorted(os.listdir(runs)) if runs.is_dir() else ():  # noqa: PTH208 - names are enough
        if not (runs / run_id).is_dir():
            continue
        names = set(os.listdir(runs / run_id))  # noqa: PTH208 - 10,000 times
        attempts = runs / run_id / ATTEMPTS
        if RUN not in names and attempts.is_dir():
            names |= {f"{ATTEMPTS}/{file.name}" for file in attempts.iterdir()}
        if names:
            yield run_id, names


def read_json(folder: Folder, name: str) -> Any:
    """Return the content of a JSON file. Raises Corrupt if it is not JSON."""
    data = folder.read(name)
    try:
        return json.loads(data)
    except ValueError as error:
        raise Corrupt(f"{folder.label(name)}: {error}") from error


def file_hashes(folder: Folder, name: str, key: str = "files") -> dict[str, str]:
    """Return the SHA-256 of each file in a record (`files`) or manifest (`tables`, `previous`). Raises Corrupt."""
    content = read_json(folder, name)
    files = content.get(key) if isinstance(content, dict) else None
    if not isinstance(files, Mapping):
        raise Corrupt(f"{folder.label(name)}: has no {key}")
    return {file: str(entry.get("sha256") if isinstance(entry, Mapping) else entry) for file, entry in files.items()}
