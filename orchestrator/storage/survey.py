"""Which runs have a record, and which have lost theirs, from listings and the manifest: tables are not read."""

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
    """`recorded`: run_id -> status of every whole record. `lost`: runs whose record is gone, though the tables were
    made with it. `damaged`: runs with a record that is not whole, and in no table."""

    recorded: dict[str, str]
    lost: tuple[str, ...]
    damaged: tuple[str, ...]


def survey(root: Folder, known: Manifest) -> Survey:
    """What a results directory holds. A record that the tables were made with is not read again."""
    found, recorded = scan(root), {}
    for run_id, name in found.committed.items():
        listed = known.records.get(run_id)
        if listed is not None and listed["record"] == name:
            recorded[run_id] = str(listed["status"])
        elif name is not None and (status := status_of(root.child(f"{RUNS}/{run_id}"), name)) is not None:
            recorded[run_id] = status
    missing = lost(root, known, found)
    damaged = sorted(set(found.committed) - set(recorded) - set(missing))
    return Survey(recorded, tuple(missing), tuple(damaged))


def status_of(folder: Folder, name: str) -> str | None:
    """The status that a run's record file states; None, with a warning, where it is damaged."""
    try:
        return records.status(folder, name)
    except Corrupt as error:
        logger.warning("%s; the run counts as pending", error)
        return None
