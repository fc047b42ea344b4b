"""The results directory of one experiment: every path in it, local or in an object store, belongs to this module.

    <out>/experiment.yaml  cells.json  datasets.json  notes.json     what the results belong to (experiment_files)
    <out>/runs/<run_id>/   run.parquet and its parts (records), spec.json, log.txt, attempts/, checkpoints/, best/,
                           epochs/
    <out>/runs.parquet  epochs.parquet  predictions.parquet  manifest.json     compacted, can be rebuilt (compaction)
    <out>/search/<search key>/  trials.parquet        proposals and scores of searches (trials), a table of all trials
    <out>/quarantine/  forgotten/  sweep.lock  compaction.lock

`verify` says which of these files are damaged, `repair` repairs them.
Nothing inside names its own location, so a results directory can be moved.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from analysis.tables.attempts import ATTEMPTS, Attempt, Newest, numbers
from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt, Kind, read_parquet, sha256, to_parquet_bytes
from analysis.tables.trials import TABLE as TRIALS_TABLE
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError
from orchestrator.storage import cells, compaction, experiment_files, lock, manifest, records, repair, verify
from orchestrator.storage.compaction import Compaction
from orchestrator.storage.disk_errors import StorageFull, StorageUnwritable, explained, free_name
from orchestrator.storage.experiment_files import DataChanged
from orchestrator.storage.find_run import find_run
from orchestrator.storage.lock import Holder, Locked
from orchestrator.storage.manifest import Manifest
from orchestrator.storage.records import RUN_ID, RUNS, run_ids, without_host
from orchestrator.storage.restore import FORGOTTEN, forgotten_mark, set_aside_record
from orchestrator.storage.survey import Survey, status_of, survey
from orchestrator.storage.trials import SEARCH, TrialLog
from orchestrator.storage.verify import BEST, CHECKPOINTS, EPOCHS, Damage
from trainables.modeling.saved_model import is_saved
from trainables.training.outcome import Outcome

__all__ = ["Attempt", "Compaction", "DataChanged", "Holder", "Locked", "StorageFull", "StorageUnwritable", "Store"]

logger = logging.getLogger(__name__)
SPEC, LOG = "spec.json", "log.txt"
PROBE = "probe-"


@dataclass(frozen=True)
class Store:
    """A results directory, opened by a sweep whose token `owner` is in everything it writes. Picklable if its file
    system is; opening creates nothing."""

    root: Folder
    owner: str

    @classmethod
    def open(cls, out: str | Path, owner: str | None = None) -> Store:
        """Open a local path or a URI. Raises UserError for a URI that no installed file system supports."""
        try:
            root = Folder.at(out)
        except (ValueError, ImportError, OSError) as error:
            raise UserError(f"--out {str(out)!r} cannot be opened: {error}") from error
        return cls(root, owner or secrets.token_hex(8))

    @property
    def location(self) -> str:
        """The directory, to show to a person."""
        return self.root.uri

    @property
    def address(self) -> str:
        """What `open` takes in another process: includes the credentials and options of a URI, so never show it."""
        return self.root.address

    @property
    def is_local(self) -> bool:
        """Whether the results are local files. In an object store, every append writes the whole file again."""
        return self.root.is_local

    def is_empty(self) -> bool:
        """Return whether there is neither a compacted table nor a record."""
        return not (self.root.exists("runs.parquet") or self.recorded())

    def probe(self) -> None:
        """Write, read and remove a small file. Raises StorageUnwritable or StorageFull, before any run starts."""
        name = f"{PROBE}{secrets.token_hex(8)}"
        with explained(self.location):
            self.root.write(name, name.encode())
            content = self.root.read(name)
            self.root.delete(name)
        if content != name.encode():
            raise StorageUnwritable(f"{self.location} does not return what is written to it; choose another --out")

    def folder(self, run_id: str) -> Folder:
        """Return the folder of one run. Raises ValueError for an invalid run id."""
        if not RUN_ID.fullmatch(run_id):
            raise ValueError(f"{run_id!r} is not a run id (16 hexadecimal digits)")
        return self.root.child(f"{RUNS}/{run_id}")

    def checkpoints(self, run_id: str) -> Folder:
        """Return the folder of a run's checkpoints."""
        return self.folder(run_id).child(CHECKPOINTS)

    def weights(self, run_id: str) -> Folder:
        """Return the folder of a run's best weights, in Hugging Face format."""
        return self.folder(run_id).child(BEST)

    def epoch_models(self, run_id: str) -> Folder:
        """Return the folder of the models of a run's last epochs, each a folder in Hugging Face format."""
        return self.folder(run_id).child(EPOCHS)

    def has_weights(self, run_id: str) -> bool:
        """Return whether a run has a record and saved its best weights completely."""
        return is_saved(self.weights(run_id)) and self.status(run_id) is not None

    def drop_weights(self, run_id: str) -> None:
        """Remove a run's saved weights; its record stays."""
        with explained(self.location):
            self.folder(run_id).delete(BEST)

    def thresholds(self, run_id: str) -> dict[str, float]:
        """Return the thresholds that a run's record was made with; {} for the task's own. Raises Corrupt."""
        folder = self.folder(run_id)
        name = records.current(folder, folder.names(records.RECORD))
        return {} if name is None else records.thresholds(folder, name)

    def survey(self) -> Survey:
        """Find every committed record, and those that are lost or damaged, which `compact` restores."""
        return survey(self.root, self._manifest())

    def recorded(self) -> dict[str, str]:
        """Return run_id -> status of every committed record, without damaged ones, which `compact` restores."""
        return self.survey().recorded

    def status(self, run_id: str) -> str | None:
        """Return the status of one run's record, without listing the others; None if it has no whole record."""
        folder = self.folder(run_id)
        names = folder.names()
        if records.RUN not in names:
            return None
        name = records.current(folder, names)
        return None if name is None else status_of(folder, name)

    def recorded_value(self, run_id: str, column: str) -> Any:
        """Read one value of a run's record without verifying it. Raises OSError or pyarrow's ArrowException."""
        data = self.folder(run_id).read(records.RUN)
        return parquet.read_table(pa.BufferReader(data), columns=[column])[column][0].as_py()

    def commit(
        self, run: RunSpec, outcome: Outcome, *, attempt: int = 1, columns: Mapping[str, Any] | None = None
    ) -> bool:
        """Write the record of a run that has ended. `columns` are `runs` columns that `trainables` does not know.

        Return False if the run already has a whole record: the first one counts, and this one becomes an attempt.
        Raises StorageFull or StorageUnwritable (nothing is committed then), ValueError for a stopped run or for
        columns that do not match the schema.
        """
        record = records.from_outcome(run, outcome, columns or {}, attempt, self.owner)
        folder = self.folder(run.run_id)
        with explained(folder.uri):
            self._write_spec(folder, run)
            if records.publish(folder, record) or (
                self._quarantined_if_damaged(run.run_id) and records.publish(folder, record)
            ):
                return True
        message = f"{outcome.status}, but the run already had a record"
        self.record_attempt(run, Attempt(attempt, "superseded", "superseded", message))
        return False

    def record_attempt(self, run: RunSpec, attempt: Attempt) -> int:
        """Write down an attempt that left no record; return its number, the next free one if its own is taken."""
        folder = self.folder(run.run_id)
        with explained(folder.uri):
            self._write_spec(folder, run)
            return records.write(folder, cells.spec_columns(run), replace(attempt, owner=self.owner))

    def attempts(self, run_id: str) -> tuple[Attempt, ...]:
        """Return every attempt at a run, in order; a damaged one is only marked as such."""
        folder = self.folder(run_id)
        attempts = []
        for number in numbers(folder.child(ATTEMPTS).names()):
            try:
                attempts.append(records.read(folder, number))
            except Corrupt:
                attempts.append(Attempt(number, kind="damaged", message="the file of this attempt is damaged"))
        return tuple(attempts)

    def newest_attempt(self, run_id: str) -> Newest:
        """Return the newest whole attempt at a run, and which newer ones are damaged."""
        folder = self.folder(run_id)
        return records.newest_of(folder, numbers(folder.child(ATTEMPTS).names()))

    def append_log(self, run_id: str, text: str) -> None:
        """Append to a run's own log, without this machine's name. Raises OSError."""
        self.folder(run_id).append(LOG, without_host(text).encode("utf-8", "backslashreplace"))

    def log(self, run_id: str) -> str | None:
        """Return a run's log; None if there is none."""
        folder = self.folder(run_id)
        return folder.read(LOG).decode("utf-8", "replace") if folder.exists(LOG) else None

    def compact(self) -> Compaction:
        """Bring the three tables up to date; see `compaction.compact`."""
        return compaction.compact(self.root, self.owner)

    def table(self, kind: Kind) -> pa.Table | None:
        """Return a verified table of the last compaction; None before the first one, or if it is damaged."""
        name = f"{kind}.parquet"
        if not self.root.exists(name):
            return None
        data, known = self.root.read(name), self._manifest()
        hashes = known.previous if known.previous.get(name) == sha256(data) else known.hashes()
        try:
            return read_parquet(data, hashes.get(name, ""), kind=kind, name=f"{self.location}/{name}")
        except Corrupt as error:
            logger.warning("%s; the next compaction rebuilds it", error)
            return None

    def trial_log(self, key: str) -> TrialLog:
        """Return the proposals and scores of a search for one system; `key` names the two."""
        return TrialLog(self.root.child(f"{SEARCH}/{key}"))

    def trial_logs(self) -> list[TrialLog]:
        """Return the trial logs of every search in this directory."""
        folder = self.root.child(SEARCH)
        trial_logs = [self.trial_log(key) for key in folder.names()]
        return [trial_log for trial_log in trial_logs if trial_log.exists()]

    def write_trials(self, table: pa.Table) -> None:
        """Write the table of the current search's trials."""
        self.root.write(TRIALS_TABLE, to_parquet_bytes(table))

    def verify(self) -> tuple[Damage, ...]:
        """Find everything that is damaged, missing or foreign; see `verify.find`."""
        return verify.find(self.root)

    def repair(self) -> tuple[tuple[Damage, ...], tuple[Damage, ...]]:
        """Repair what can be repaired and return what was repaired and what is left. The caller holds the lock."""
        return repair.repair(self.root, self.owner)

    def lock(self, owner: str | None = None) -> AbstractContextManager[Holder]:
        """Keep other sweeps out as long as the context lasts. Raises Locked, which names the holder."""
        return lock.hold(self.root, owner or self.owner)

    def is_in_use(self) -> bool:
        """Return whether a sweep, or another command that writes, is working here now."""
        return lock.is_held(self.root)

    def forget(self, run_id: str) -> str:
        """Move everything of a run to `forgotten/<run_id>-<n>`; return that path. Raises UserError for no such run."""
        known = self._manifest().records.get(run_id)
        if known is None and run_id not in run_ids(self.root):
            raise UserError(f"no run {run_id} in {self.location}")
        target = f"{FORGOTTEN}/{free_name(self.root, FORGOTTEN, run_id)}"
        with explained(self.location):
            if known is not None:
                self.folder(run_id).create(forgotten_mark(known["record"]), b"")
            if not self.root.is_local:
                records.move(self.root, f"{RUNS}/{run_id}", target)
            self.root.move(f"{RUNS}/{run_id}", target)
        return target

    def write_experiment(self, experiment: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Store the resolved experiment and its cells; return what changed since the last time, one line per key."""
        with explained(self.location):
            return experiment_files.write_experiment(self.root, experiment, cells)

    def write_notes(self, notes: Sequence[str]) -> None:
        """Store what every reader of the results must know about the data."""
        with explained(self.location):
            experiment_files.write_notes(self.root, notes)

    def notes(self) -> tuple[str, ...]:
        """Return what every reader of the results must know about the data."""
        return experiment_files.read_notes(self.root)

    def experiment(self) -> dict[str, Any] | None:
        """Return the resolved experiment, or None. Raises CorruptResults."""
        return experiment_files.read_experiment(self.root)

    def cells(self) -> list[dict[str, Any]]:
        """Return the cells of the current grid. Raises CorruptResults."""
        return experiment_files.read_cells(self.root)

    def check_fingerprint(self, dataset: str, fingerprint: str, accept: bool = False) -> None:
        """Check that the records were made with this data. Raises DataChanged otherwise, unless `accept`."""
        with explained(self.location):
            experiment_files.check_fingerprint(self.root, dataset, fingerprint, accept)

    def resolve_run(self, text: str) -> str:
        """Return the id of the run that the beginning of an id, or `system:seed`, names. Raises UserError."""
        return find_run(text, self.cells(), run_ids(self.root))

    def _write_spec(self, folder: Folder, run: RunSpec) -> None:
        folder.create(SPEC, (run.model_dump_json(indent=1) + "\n").encode())

    def _manifest(self) -> Manifest:
        try:
            return manifest.read(self.root) or Manifest()
        except Corrupt as error:
            logger.warning("%s; the next compaction rebuilds it", error)
            return Manifest()

    def _quarantined_if_damaged(self, run_id: str) -> bool:
        folder = self.folder(run_id)
        try:
            records.load(folder, records.current(folder, folder.names(records.RECORD)), run_id)
        except Corrupt as error:
            logger.warning("%s; moved to %s", error, set_aside_record(self.root, run_id))
            return True
        return False
