"""`manifest.json`: the hashes of the compacted tables and the records in them, so that only new records are read.

It is written before the tables it describes are put in place, and also holds the hashes of the tables it replaces: a
kill in between leaves old tables that are known to be whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from analysis.tables.checksummed_json import dump_checksummed, load_checksummed
from analysis.tables.folder import Folder
from analysis.tables.schema import SCHEMA_VERSION, Corrupt

MANIFEST = "manifest.json"
TABLES = ("runs.parquet", "epochs.parquet", "predictions.parquet")


@dataclass(frozen=True)
class Manifest:
    """`tables`: file -> {sha256, bytes, rows}; `previous`: file -> SHA-256 of the table before; `records`: run_id ->
    {record, status, decisions}; `failed`: run_id -> number of the newest attempt."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    previous: dict[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the content of the file, with its checksum."""
        tables: Mapping[str, Any] = {name: self.tables[name] for name in TABLES if name in self.tables}
        return dump_checksummed(
            {
                "schema_version": SCHEMA_VERSION,
                "tables": tables,
                "previous": self.previous,
                "records": self.records,
                "failed": self.failed,
            }
        )

    def hashes(self) -> dict[str, str]:
        """Return file -> SHA-256 of the tables it describes."""
        return {name: str(table["sha256"]) for name, table in self.tables.items()}


def read(root: Folder) -> Manifest | None:
    """Read the manifest; None before the first compaction. Raises Corrupt."""
    label = f"{root.uri}/{MANIFEST}"
    try:
        content = load_checksummed(root.read(MANIFEST), label)
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise Corrupt(f"{label}: is a folder") from error
    if content.pop("schema_version", None) != SCHEMA_VERSION:
        raise Corrupt(f"{label}: its schema version is not {SCHEMA_VERSION}")
    try:
        return Manifest(**content)
    except TypeError as error:
        raise Corrupt(f"{label}: is not a manifest") from error


def state_of(root: Folder, manifest: Manifest, table: str) -> Literal["whole", "older", "absent", "damaged"]:
    """Compare a compacted table with the manifest; `older` is what a killed compaction leaves, and is whole."""
    if not root.exists(table):
        return "absent"
    try:
        sha256 = root.sha256(table)
    except IsADirectoryError:
        return "damaged"
    if sha256 == manifest.hashes().get(table):
        return "whole"
    return "older" if sha256 == manifest.previous.get(table) else "damaged"
