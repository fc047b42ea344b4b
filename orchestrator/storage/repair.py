"""Repairs a results directory as far as possible without running anything again; nothing is deleted."""

from __future__ import annotations

from analysis.tables.folder import Folder
from orchestrator.storage import compaction, experiment_files
from orchestrator.storage.disk_errors import QUARANTINE, explained, free_name, move_aside
from orchestrator.storage.records import RUNS
from orchestrator.storage.verify import Damage, find, restore_proposals


def repair(root: Folder, owner: str) -> tuple[tuple[Damage, ...], tuple[Damage, ...]]:
    """Set damaged files aside, restore what the tables hold, rebuild tables; return what was repaired and what is left.

    What is left is for a sweep or a person. Nothing is written if nothing is damaged. Raises what `find` and `compact`
    raise. The caller holds the lock.
    """
    damages = find(root)
    if not damages:
        return (), ()
    with explained(root.uri):
        for damage in damages:
            if damage.aside is not None and root.exists(damage.aside):
                _set_aside(root, damage.aside)
        compaction.compact(root, owner, recheck=True)
        if any(damage.path == experiment_files.DATASETS for damage in damages):
            experiment_files.rebuild_fingerprints(root)
        restore_proposals(root)
    left = {damage.path: damage for damage in find(root)}
    left |= {damage.path: damage for damage in damages if not damage.repairable}
    return tuple(damage for damage in damages if damage.path not in left), tuple(left[path] for path in sorted(left))


def _set_aside(root: Folder, path: str) -> None:
    """Move a file or folder to quarantine; files of a run go to a folder named after the run."""
    top, _, rest = path.partition("/")
    run_id, _, name = rest.partition("/")
    if top == RUNS and name:
        root.move(path, f"{QUARANTINE}/{free_name(root, QUARANTINE, run_id)}/{name}")
    else:
        move_aside(root, path, QUARANTINE)
