"""The files that a run's worker wrote itself, `runs/<run_id>/`: what the compacted tables are made of, and can lack.

`run.parquet` is the commit; `record-<first 16 digits of its SHA-256>.json` names the files of the record with their
hashes; `attempts/<n>.json` are tries that left no record (`attempts.py`).
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
from analysis.tables.folder import Place
from analysis.tables.schema import SCHEMAS, Corrupt, Kind, read_parquet, sha256

RUN = "run.parquet"
TABLES_IN_A_PILE = 256  # 10,000 small tables are large
_PREFIX: dict[Kind, str] = {"runs": "run.", "epochs": "epochs", "predictions": "predictions"}


@dataclass(frozen=True)
class RunFolder:
    """One run's directory and the names of the files in it."""

    run_id: str
    place: Place
    files: frozenset[str]

    @property
    def is_recorded(self) -> bool:
        """Whether the run came to an end that counts."""
        return RUN in self.files

    def table(self, kind: Kind) -> pa.Table:
        """The record's table of this kind, its hash checked; raises Corrupt."""
        hashes = self._hashes()
        name = next((name for name in hashes if name.startswith(_PREFIX[kind])), None)
        if name is None:
            raise Corrupt(f"{self.place.label}: its record names no {kind} file")
        file = self.place.child(name)
        if name not in self.files:
            raise Corrupt(f"{file.label}: missing")
        return read_parquet(file.read(), hashes[name], kind=kind, name=file.label)

    @property
    def attempts(self) -> list[int]:
        """The numbers of the attempts at a run without a record."""
        files = [name.removeprefix(f"{ATTEMPTS}/") for name in self.files if name.startswith(f"{ATTEMPTS}/")]
        return [] if self.is_recorded else numbers(files)

    def newest_attempt(self) -> Newest:
        """The newest whole attempt at a run without a record, and which newer ones are damaged."""
        return newest(self.attempts, lambda name: self.place.child(name).read(), self.place.label)

    def _hashes(self) -> dict[str, str]:
        records = [name for name in self.files if name.startswith("record-") and name.endswith(".json")]
        if len(records) > 1:
            expected = f"record-{sha256(self.place.child(RUN).read())[:16]}.json"
            records = [name for name in records if name == expected]
        if not records:
            raise Corrupt(
                f"{self.place.child(RUN).label}: no record belongs to it; the next sweep moves it to quarantine/ and "
                "runs it again"
            )
        return file_hashes(self.place.child(records[0]))


def run_folders(place: Place) -> dict[str, RunFolder]:
    """Run id -> its folder, for everything under `runs/` of a results directory."""
    runs = place.child("runs")
    found = _listed(Path(runs.path)) if runs.is_local else _grouped(runs.files())
    return {run_id: RunFolder(run_id, runs.child(run_id), frozenset(names)) for run_id, names in found}


def tables_of(folders: Iterable[RunFolder], kind: Kind) -> pd.DataFrame:
    """The records' tables of this kind below each other; raises Corrupt."""
    pile = [SCHEMAS[kind].empty_table()]
    for folder in folders:
        pile.append(folder.table(kind))
        if len(pile) >= TABLES_IN_A_PILE:
            pile = [_merged(pile)]
    frame: pd.DataFrame = _merged(pile).to_pandas()
    return frame


def _merged(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _grouped(files: Iterable[str]) -> Iterable[tuple[str, set[str]]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name in files:
        run_id, _, rest = name.partition("/")
        found[run_id].add(rest)
    return found.items()


def _listed(runs: Path) -> Iterator[tuple[str, set[str]]]:
    """The names in every run's folder, and of its attempts where it has no record: nothing else is looked at."""
    for run_id in sorted(os.listdir(runs)) if runs.is_dir() else ():  # noqa: PTH208 - names are enough
        if not (runs / run_id).is_dir():
            continue
        names = set(os.listdir(runs / run_id))  # noqa: PTH208 - 10,000 times
        attempts = runs / run_id / ATTEMPTS
        if RUN not in names and attempts.is_dir():
            names |= {f"{ATTEMPTS}/{file.name}" for file in attempts.iterdir()}
        if names:
            yield run_id, names


def read_json(file: Place) -> Any:
    """The content of a JSON file; raises Corrupt for one that is not JSON."""
    try:
        return json.loads(file.read())
    except ValueError as error:
        raise Corrupt(f"{file.label}: {error}") from error


def file_hashes(file: Place, key: str = "files") -> dict[str, str]:
    """File name -> SHA-256 out of a record (`files`) or manifest (`tables`, `previous`); raises Corrupt."""
    content = read_json(file)
    files = content.get(key) if isinstance(content, dict) else None
    if not isinstance(files, Mapping):
        raise Corrupt(f"{file.label}: has no {key}")
    return {name: str(entry.get("sha256") if isinstance(entry, Mapping) else entry) for name, entry in files.items()}
