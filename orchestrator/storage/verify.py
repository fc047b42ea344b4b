"""Checks every file of a results directory that has a hash or a schema, and restores lost proposals of searches.

Start with `find`, which changes nothing. Some files cannot be checked, because nothing says what they should hold:
logs, `spec.json`, the scores of trials, earlier experiment files, `analysis/`, and what was set aside. What a killed
process leaves is not damage: a table of the compaction before, parts of a record that was never committed, a checkpoint
or weights without their manifest.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from analysis.tables.attempts import ATTEMPTS, file_name, numbers
from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt, read_parquet
from analysis.tables.trials import TABLE as TRIALS_TABLE
from analysis.tables.trials import trials_in
from orchestrator.errors import CorruptResults, UserError
from orchestrator.storage import experiment_files, manifest, records
from orchestrator.storage.manifest import MANIFEST, TABLES, Manifest, state_of
from orchestrator.storage.records import RUNS, Scan, run_ids, scan
from orchestrator.storage.restore import FORGOTTEN, is_forgotten, lost
from orchestrator.storage.trials import SEARCH, STUDY, Proposal, TrialLog, file_of
from trainables.modeling.saved_model import MANIFEST as HASHES
from trainables.modeling.saved_model import TASK_FILE, differences

DamageKind = Literal["damaged", "missing", "foreign"]
REASONS: dict[DamageKind, str] = {
    "damaged": "is not the file that was written",
    "missing": "is missing",
    "foreign": "was added by somebody else, and would be read",
}
RESTORED, REBUILT, ASIDE = "restored from the tables", "rebuilt from the records", "moved to quarantine/"
RUN_AGAIN, SWEEP_WRITES = "the next sweep runs it again", "the next sweep rewrites it"
SEARCH_WRITES, PROPOSED_AGAIN = "the next search rewrites it", "the next search proposes its trial again"
PROFILE_WRITES = "the next `orchestrate profile` rewrites it"


@dataclass(frozen=True)
class Damage:
    """A file or folder that is not as it was written; `path` is relative to the results directory.

    `kind`: its content was changed (damaged), it is gone (missing), or it is not ours (foreign); `reason` says so in
    words. `remedy` is what a repair does, or, if it is not `repairable`, what replaces the file. `aside` is what
    `repair` moves to quarantine itself; records and tables are set aside when they are restored.
    """

    path: str
    kind: DamageKind
    reason: str
    repairable: bool
    remedy: str
    aside: str | None = None

    @classmethod
    def plain(cls, path: str, kind: DamageKind, repairable: bool, remedy: str, aside: str | None = None) -> Damage:
        """Return a damage whose reason is simply its kind."""
        return cls(path, kind, REASONS[kind], repairable, remedy, aside)


FROM_TRIALS = f"restored from {TRIALS_TABLE}"


def of_searches(root: Folder) -> Iterator[Damage]:
    """Yield studies and proposals that are damaged or missing."""
    for key in root.child(SEARCH).names():
        trial_log = TrialLog(root.child(f"{SEARCH}/{key}"))
        if trial_log.folder.names():
            yield from _of_study(trial_log, f"{SEARCH}/{key}")
            yield from _of_proposals(root, trial_log, f"{SEARCH}/{key}")


def restore_proposals(root: Folder) -> None:
    """Restore lost proposals that `trials.parquet` still holds."""
    for key in root.child(SEARCH).names():
        trial_log = TrialLog(root.child(f"{SEARCH}/{key}"))
        for number, proposal in _held(root, trial_log).items():
            if number not in trial_log.numbers():
                trial_log.propose(proposal)


def _of_study(trial_log: TrialLog, path: str) -> Iterator[Damage]:
    name = f"{path}/{STUDY}"
    if not trial_log.exists():
        yield Damage.plain(name, "missing", False, SEARCH_WRITES)
        return
    try:
        trial_log.description()
    except CorruptResults:
        yield Damage.plain(name, "damaged", False, SEARCH_WRITES, name)


def _of_proposals(root: Folder, trial_log: TrialLog, path: str) -> Iterator[Damage]:
    held, present = _held(root, trial_log), set(trial_log.numbers())
    for number in range(1, max([*held, *present], default=0) + 1):
        name = f"{path}/{file_of(number)}"
        remedy = (True, FROM_TRIALS) if number in held else (False, PROPOSED_AGAIN)
        if number not in present:
            yield Damage.plain(name, "missing", *remedy)
            continue
        try:
            trial_log.proposal(number)
        except CorruptResults:
            yield Damage.plain(name, "damaged", *remedy, name)


def _held(root: Folder, trial_log: TrialLog) -> dict[int, Proposal]:
    """Return the proposals of a trial log that the table of trials holds; {} if either cannot be read."""
    if not (root.exists(TRIALS_TABLE) and trial_log.exists()):
        return {}
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(Corrupt, CorruptResults, IsADirectoryError):
        about = trial_log.description()
        rows = [
            row
            for row in trials_in(root.read(TRIALS_TABLE), TRIALS_TABLE).to_pylist()
            if (row["search"], row["system"]) == (about["search"], about["system"])
        ]
    return {
        row["trial"]: Proposal(row["trial"], row["run_id"], row["proposed_by"], json.loads(row["parameters"]))
        for row in rows
    }


CHECKPOINTS, BEST, EPOCHS, PROFILE = "checkpoints", "best", "epochs", "profile.parquet"


@dataclass(frozen=True)
class _Results:
    """A results directory according to its manifest and listing. `whole`: the tables are what the manifest says."""

    root: Folder
    known: Manifest
    listing: Scan
    whole: bool

    def remedy(self, run_id: str) -> tuple[bool, str]:
        """Return whether the tables hold a run's record, and what becomes of it."""
        held = self.whole and run_id in self.known.records and not is_forgotten(self.root, run_id, self.known)
        return held, RESTORED if held else RUN_AGAIN


def find(root: Folder) -> tuple[Damage, ...]:
    """Find everything that is damaged, missing or foreign, sorted by path.

    Raises UserError if the directory is empty, LinkedOutside for a link that leads out of it, OSError if a file cannot
    be read.
    """
    if not root.names():
        raise UserError(f"no results in {root.uri}")
    known, damage = _manifest(root)
    states: dict[str, str] = {table: state_of(root, known, table) for table in TABLES if known.tables}
    results = _Results(root, known, scan(root), bool(states) and set(states.values()) == {"whole"})
    damage += _of_experiment(root)
    damage += [_of_table(table, state) for table, state in states.items() if state in ("damaged", "absent")]
    damage += _without_record(results)
    for run_id in run_ids(root):
        if root.child(f"{RUNS}/{run_id}").names():
            damage += _of_run(results, run_id)
    damage += _of_other_tables(root)
    damage += of_searches(root)
    return tuple(sorted(damage, key=lambda one: one.path))


def _manifest(root: Folder) -> tuple[Manifest, list[Damage]]:
    """Read the manifest; if it is damaged or gone, an empty one, which says nothing about the tables."""
    kind: DamageKind = "missing"
    try:
        known = manifest.read(root)
        if known is not None or not any(map(root.exists, TABLES)):
            return known or Manifest(), []
    except Corrupt:
        kind = "damaged"
    return Manifest(), [Damage.plain(MANIFEST, kind, True, REBUILT)]


def _of_table(table: str, state: str) -> Damage:
    kind: DamageKind = "missing" if state == "absent" else "damaged"
    return Damage.plain(table, kind, True, REBUILT)


def _of_experiment(root: Folder) -> Iterator[Damage]:
    for name, reason in experiment_files.unsound(root):
        kind: DamageKind = "missing" if reason == "missing" else "damaged"
        words = REASONS[kind] if kind == "missing" else reason
        repairable = name == experiment_files.DATASETS
        yield Damage(name, kind, words, repairable, REBUILT if repairable else SWEEP_WRITES)


def _without_record(results: _Results) -> Iterator[Damage]:
    """Yield runs in the tables whose record is gone, and failed runs whose attempt is gone."""
    root, known, listing = results.root, results.known, results.listing
    gone = [run_id for run_id in lost(root, known, listing) if run_id not in listing.committed]
    for run_id in gone or _only_in_tables(results):
        folder, (repairable, remedy) = f"{RUNS}/{run_id}", results.remedy(run_id)
        if root.exists(folder) and not root.child(folder).names():
            yield Damage(folder, "foreign", "is not the folder of the run", repairable, remedy, folder)
        else:
            path = f"{folder}/{records.RUN}" if root.exists(folder) else folder
            yield Damage.plain(path, "missing", repairable, remedy)
    for run_id, number in known.failed.items():
        name = f"{RUNS}/{run_id}/{file_name(number)}"
        if run_id not in listing.committed and not (root.exists(name) or _was_forgotten(root, run_id)):
            yield Damage.plain(name, "missing", False, RUN_AGAIN)


def _only_in_tables(results: _Results) -> list[str]:
    """If the manifest is gone, return the finished runs in a readable `runs` table that have no record."""
    root = results.root
    if results.known.tables or not root.exists(TABLES[0]):
        return []
    try:
        table = read_parquet(root.read(TABLES[0]), kind="runs")
    except (Corrupt, IsADirectoryError):
        return []
    rows = table.select(["run_id", "status"]).to_pylist()
    finished = {row["run_id"] for row in rows if row["status"] != "failed"} - set(results.listing.committed)
    return sorted(run_id for run_id in finished if not _was_forgotten(root, run_id))


def _was_forgotten(root: Folder, run_id: str) -> bool:
    return bool(root.child(FORGOTTEN).names(f"{run_id}-"))


def _of_run(results: _Results, run_id: str) -> Iterator[Damage]:
    path = f"{RUNS}/{run_id}"
    folder = results.root.child(path)
    if run_id in results.listing.committed:
        for name, kind, reason in _of_record(folder, results.listing.committed[run_id], run_id):
            yield Damage(f"{path}/{name}" if name else path, kind, reason, *results.remedy(run_id))
    files = folder.files()
    yield from _of_attempts(folder, path)
    for name in files:
        subfolder, _, file = name.rpartition("/")
        is_weights = subfolder == BEST or subfolder.startswith(f"{EPOCHS}/")
        if file == HASHES and (is_weights or subfolder.startswith(f"{CHECKPOINTS}/")):
            yield from _of_hashed(results, run_id, subfolder)
        without_hashes = is_weights and file == TASK_FILE and f"{subfolder}/{HASHES}" not in files
        if without_hashes and run_id in results.listing.committed:
            yield Damage.plain(f"{path}/{subfolder}/{HASHES}", "missing", False, _of_weights(results, run_id))


def _of_record(folder: Folder, name: str | None, run_id: str) -> Iterator[tuple[str, DamageKind, str]]:
    """Yield what is wrong with a record, by file; an empty name stands for the whole record."""
    if name is None:
        expected = records.expected_name(folder)
        if expected is None or records.candidates_in(folder.names()):
            yield records.RUN, "damaged", "no record file belongs to it"
        else:
            yield expected, "missing", REASONS["missing"]
        return
    try:
        records.load(folder, name, run_id)
    except Corrupt as error:
        yield from _blamed(folder, name, run_id) or [(records.RUN, "damaged", str(error))]


def _blamed(folder: Folder, name: str, run_id: str) -> list[tuple[str, DamageKind, str]]:
    """Return the files that are not what the record says; the whole record if it is another run's."""
    try:
        owner, hashes = records.run_id_in(folder, name), records.hashes(folder, name)
    except Corrupt:
        kind: DamageKind = "damaged" if folder.exists(name) else "missing"
        return [(name, kind, REASONS[kind])]
    if owner != run_id:
        return [("", "foreign", f"holds the record of run {owner}")]
    blamed: list[tuple[str, DamageKind, str]] = []
    for file, digest in hashes.items():
        state = _state(folder, file, digest)
        if state is not None:
            blamed.append((file, state, REASONS[state]))
    return blamed


def _state(folder: Folder, file: str, digest: str) -> DamageKind | None:
    try:
        return None if folder.sha256(file) == digest else "damaged"
    except FileNotFoundError:
        return "missing"
    except IsADirectoryError:
        return "damaged"


def _of_attempts(folder: Folder, path: str) -> Iterator[Damage]:
    for number in numbers(folder.child(ATTEMPTS).names()):
        try:
            records.read(folder, number)
        except Corrupt:
            name = f"{path}/{file_name(number)}"
            yield Damage.plain(name, "damaged", True, ASIDE, name)


def _of_hashed(results: _Results, run_id: str, subfolder: str) -> Iterator[Damage]:
    """Yield damage to a checkpoint or saved weights. From a checkpoint, only what its manifest names is ever read."""
    path = f"{RUNS}/{run_id}/{subfolder}"
    is_checkpoint = subfolder.startswith(CHECKPOINTS)
    differing = list(differences(results.root.child(path)))
    if is_checkpoint and not results.root.exists(f"{path}/{HASHES}"):
        return  # removed meanwhile: the run has a newer one, or has ended
    for file, kind in differing:
        name = f"{path}/{file}"
        if kind == "foreign" and not is_checkpoint:
            yield Damage.plain(name, kind, True, ASIDE, name)
        elif is_checkpoint and kind != "foreign":
            yield Damage.plain(name, kind, True, f"its checkpoint {ASIDE}", path)
        elif kind != "foreign":
            yield Damage.plain(name, kind, False, _of_weights(results, run_id))


def _of_weights(results: _Results, run_id: str) -> str:
    if run_id not in results.listing.committed:
        return RUN_AGAIN
    return f"restore the folder, or `orchestrate forget {run_id[:8]}`, and the next sweep runs it again"


def _of_other_tables(root: Folder) -> Iterator[Damage]:
    """Yield damaged tables that are in no manifest: their pages have checksums, their rows a digest or a schema."""
    readers: dict[str, tuple[Callable[[bytes], object], str]] = {
        TRIALS_TABLE: (lambda data: trials_in(data, TRIALS_TABLE), SEARCH_WRITES),
        PROFILE: (lambda data: read_parquet(data, name=PROFILE), PROFILE_WRITES),
    }
    for name, (check, remedy) in readers.items():
        if root.exists(name):
            try:
                check(root.read(name))
            except (Corrupt, IsADirectoryError):
                yield Damage.plain(name, "damaged", False, remedy)
