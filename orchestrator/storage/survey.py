"""Finds which runs have a record and which have lost theirs, from listings and the manifest, without reading tables."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt
from orchestrator.storage import records
from orchestrator.storage.manifest import Manifest
from orchestrator.storage.records import RUNS, scan
from orchestrator.storage.restore import lost

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """`recorded`: run_id -> status of every whole record. `lost`: runs in the tables whose record is gone. `damaged`:
    runs with a damaged record that is in no table."""

    recorded: dict[str, str]
    lost: tuple[str, ...]
    damaged: tuple[str, ...]


def survey(root: Folder, known: Manifest) -> Survey:
    """Survey the records of a results directory. Records that are in the tables are not read again."""
    listing, recorded = scan(root), {}
    for run_id, name in listing.committed.items():
        listed = known.records.get(run_id)
        if listed is not None and listed["record"] == name:
            recorded[run_id] = str(listed["status"])
        elif name is not None and (status := status_of(root.child(f"{RUNS}/{run_id}"), name)) is not None:
            recorded[run_id] = status
    missing = lost(root, known, listing)
    damaged = sorted(set(listing.committed) - set(recorded) - set(missing))
    return Survey(recorded, tuple(missing), tuple(damaged))


def status_of(folder: Folder, name: str) -> str | None:
    """Return the status that a run's record file states; None, with a warning, if it is damaged."""
    try:
        return records.status(folder, name)
    except Corrupt as error:
        logger.warning("%s; the run counts as pending", error)
        return None
