"""The files that a run's worker wrote itself, `runs/<run_id>/`: what the compacted tables are made of, and can lack.

`run.parquet` is the commit; `record-<first 16 digits of its SHA-256>.json` names the files of the record with their
hashes; `attempts/<n>.json` are tries that left no record, the newest with the largest number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.place import Place
from analysis.table import Corrupt, Kind, read_parquet, sha256

RUN = "run.parquet"
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

    def table(self, kind: Kind) -> pd.DataFrame:
        """The record's table of this kind, its hash checked; raises Corrupt."""
        hashes = self._hashes()
        name = next((name for name in hashes if name.startswith(_PREFIX[kind])), None)
        if name is None:
            raise Corrupt(f"{self.place.label}: its record names no {kind} file")
        file = self.place.child(name)
        if name not in self.files:
            raise Corrupt(f"{file.label}: missing")
        frame: pd.DataFrame = read_parquet(file.read(), hashes[name], kind=kind, name=file.label).to_pandas()
        return frame

    def failed_attempt(self) -> dict[str, Any] | None:
        """The newest attempt's columns of the `runs` table where the run has no record and that attempt failed."""
        numbers = [int(stem) for stem in map(_attempt, self.files) if stem.isdecimal()]
        if self.is_recorded or not numbers:
            return None
        content = read_json(self.place.child(f"attempts/{max(numbers)}.json"))
        if not isinstance(content, dict) or content.get("status") != "failed":
            return None
        return {**content.get("run", {}), "status": "failed", "attempt": max(numbers), "error": content.get("message")}

    def _hashes(self) -> dict[str, str]:
        records = [name for name in self.files if name.startswith("record-") and name.endswith(".json")]
        if len(records) > 1:
            expected = f"record-{sha256(self.place.child(RUN).read())[:16]}.json"
            records = [name for name in records if name == expected]
        if not records:
            raise Corrupt(f"{self.place.child(RUN).label}: no record belongs to it")
        return file_hashes(self.place.child(records[0]))


def _attempt(name: str) -> str:
    folder, _, file = name.partition("/")
    return file.removesuffix(".json") if folder == "attempts" else ""


def run_folders(place: Place) -> dict[str, RunFolder]:
    """Run id -> its folder, for everything under `runs/` of a results directory."""
    files: dict[str, set[str]] = {}
    for name in place.child("runs").files():
        run_id, _, rest = name.partition("/")
        files.setdefault(run_id, set()).add(rest)
    return {
        run_id: RunFolder(run_id, place.child(f"runs/{run_id}"), frozenset(names)) for run_id, names in files.items()
    }


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
