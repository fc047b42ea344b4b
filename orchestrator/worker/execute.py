"""Executes one run and writes its record or an attempt: the only place that catches the exceptions of a run."""

from __future__ import annotations

import gc
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import torch

from analysis.tables.folder import LinkedOutside
from orchestrator.config.absolute_paths import require_unchanged
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError
from orchestrator.storage import Attempt, Store, explained
from orchestrator.storage.init_from import init_from_folder
from orchestrator.worker.failure import Failure, Finished, classify
from orchestrator.worker.run_log import logging_to
from orchestrator.worker.versions import Provenance, software_columns
from trainables.modeling.save_model import ModelBundle, save
from trainables.modeling.saved_model import TASK_SHA256
from trainables.system.hardware import hardware_name
from trainables.training.best_weights import LastEpochs
from trainables.training.checkpoint import Checkpoints
from trainables.training.control_points import Request, RunProgress
from trainables.training.distributed import ProcessGroup
from trainables.training.outcome import Outcome
from trainables.training.run import ComputeOptions, run
from trainables.training.token_cache import RunCache

logger = logging.getLogger(__name__)


class WorkerControl(Protocol):
    """What a run asks and reports while a worker executes it."""

    def poll(self, progress: RunProgress) -> Request:
        """Return what the run should do next; called on rank 0."""

    def report(self, row: Mapping[str, Any]) -> None:
        """Report one finished epoch; called on rank 0."""

    def all_ranks_raised(self) -> bool:
        """Report that this rank raised; return True once every rank did, False if some rank did not within seconds.

        This must not use the process group: ranks that did not raise may be waiting inside a collective.
        """


def execute_run(
    spec: RunSpec,
    store: Store,
    *,
    group: ProcessGroup,
    cache: RunCache,
    control: WorkerControl,
    attempt: int,
    layout: ComputeOptions,
    provenance: Provenance,
) -> Finished:
    """Run `spec` and commit its record, or write down the attempt. All ranks of the process group call this.

    An exception that only some ranks raised is raised again: a half-reduced step cannot be rejoined, so the worker
    group has to end, and what started it writes the attempt. An exception while the run is asked to stop may be a
    consequence of that (Ctrl-C also reaches the compiler that the run started): the run then counts as stopped, and
    stays pending.
    """
    this = _Attempt(spec, store, attempt, provenance, datetime.now(UTC), time.monotonic())
    finished: Finished | None = None
    with logging_to(store, spec.run_id, enabled=group.is_main):
        try:
            require_unchanged(spec)
            outcome = run(
                spec.config,
                group=group,
                cache=cache,
                control=control,
                folder=store.checkpoints(spec.run_id),
                layout=layout,
                init_from=init_from_folder(store, spec),
                keep=spec.keep,
                last_epochs=_last_epochs(spec, store, provenance),
            )
        except Exception as error:
            if group.world_size > 1 and not control.all_ranks_raised():
                raise
            finished = this.fail(error, group) if _is_own(error, control, group) else this.cut_short(error, group)
            traceback.clear_frames(error.__traceback__)
        else:
            finished = this.commit(outcome, group) if group.is_main else None
    _release_memory(group)
    shared: Finished = group.shared(finished)
    return shared


@dataclass(frozen=True)
class _Attempt:
    """One attempt at a run. `clock` is its start in monotonic seconds."""

    spec: RunSpec
    store: Store
    number: int
    provenance: Provenance
    started_at: datetime
    clock: float

    def commit(self, outcome: Outcome, group: ProcessGroup) -> Finished:
        """Write the record, on rank 0 only; if it cannot be written, the attempt has failed."""
        try:
            return self._commit(outcome, group)
        except Exception as error:  # noqa: BLE001 - the other ranks wait to hear how this run ended
            return self.fail(error, group, recording=True)

    def _commit(self, outcome: Outcome, group: ProcessGroup) -> Finished:
        if outcome.status == "stopped":
            self._record(Attempt(self.number, "stopped", "stopped", outcome.error), group)
            return self._finished("stopped", error=outcome.error)
        software = software_columns(self.provenance)
        columns = {"started_at": self.started_at, "finished_at": datetime.now(UTC), **software}
        if outcome.kept is not None and self.store.status(self.spec.run_id) is None:
            self._save(outcome.kept, outcome.columns)
        first = self.store.commit(self.spec, outcome, attempt=self.number, columns=columns)
        Checkpoints(self.store.checkpoints(self.spec.run_id), 0.0).clear()
        if not first:
            return self._finished(
                self.store.status(self.spec.run_id) or outcome.status, error="the run already had a record"
            )
        return self._finished(outcome.status, score=outcome.columns.get("score"), error=outcome.error)

    def _save(self, kept: ModelBundle, columns: Mapping[str, Any]) -> None:
        """Save the best weights, before the record that they belong to."""
        metrics = [name for name in columns if name.startswith("metric_")]
        known = ("metric", "score", "score_split", "best_epoch", "train_items", *metrics)
        facts = {**_facts(self.spec, self.provenance), "scores": {name: columns.get(name) for name in known}}
        folder = self.store.weights(self.spec.run_id)
        with explained(folder.uri):
            save(kept, folder, facts)

    def fail(self, error: Exception, group: ProcessGroup, *, recording: bool = False) -> Finished:
        """Write down why there is no record, on rank 0 only. `recording`: the record could not be written."""
        failure = classify(error, recording=recording)
        message = str(error) or type(error).__name__
        if group.is_main:
            logger.error("attempt %d failed", self.number, exc_info=error)
            text = "".join(traceback.format_exception(error))
            self._record_failure(Attempt(self.number, "failed", failure.word, message, text), group)
        return Finished(
            self.spec.run_id,
            self.number,
            "failed",
            error=message,
            failure=failure.word,
            retriable=failure.most_attempts != 1,
            recycle=failure.spoils_the_process,
            seconds=time.monotonic() - self.clock,
        )

    def cut_short(self, error: Exception, group: ProcessGroup) -> Finished:
        """Write down that the run was asked to stop, and what it raised; its last checkpoint is an earlier one."""
        message = f"{type(error).__name__} after the run was asked to stop"
        if group.is_main:
            logger.warning("attempt %d: %s", self.number, message)
            text = "".join(traceback.format_exception(error))
            self._record_failure(Attempt(self.number, "stopped", "stopped", message, text), group)
        return replace(self._finished("stopped", error=message), checkpoint=False)

    def _record_failure(self, attempt: Attempt, group: ProcessGroup) -> None:
        """Write down an attempt; if that is impossible, log why, so that the caller still gets the failure."""
        try:
            self._record(attempt, group)
        except (OSError, UserError, LinkedOutside) as error:
            logger.error("attempt %d could not be written down: %s", self.number, error)

    def _record(self, attempt: Attempt, group: ProcessGroup) -> None:
        hardware, now = hardware_name(group.device.type), datetime.now(UTC)
        self.store.record_attempt(
            self.spec, replace(attempt, hardware=hardware, started_at=self.started_at, finished_at=now)
        )

    def _finished(self, status: str, score: float | None = None, error: str | None = None) -> Finished:
        seconds = time.monotonic() - self.clock
        return Finished(self.spec.run_id, self.number, status, score=score, error=error, seconds=seconds)


def _is_own(error: Exception, control: WorkerControl, group: ProcessGroup) -> bool:
    """Return whether a failure is the run's own, and not a consequence of a request to stop."""
    return not group.is_main or classify(error) is not Failure.CRASHED or control.poll(RunProgress(0, 0, 0)) != "stop"


def _last_epochs(spec: RunSpec, store: Store, provenance: Provenance) -> LastEpochs | None:
    if not spec.keep_epochs:
        return None
    return LastEpochs(store.epoch_models(spec.run_id), spec.keep_epochs, _facts(spec, provenance))


def _facts(spec: RunSpec, provenance: Provenance) -> dict[str, Any]:
    """Return what saved weights say about the run that they come from."""
    names = {name: getattr(spec, name) for name in ("run_id", "experiment", "system", "stage")}
    files = {TASK_SHA256: spec.file_hashes[spec.config.task]} if spec.config.task in spec.file_hashes else {}
    return {**names, **files, "data": spec.config.data.label, "versions": software_columns(provenance)}


def _release_memory(group: ProcessGroup) -> None:
    """Free what the run left behind. The C library keeps its pages, which the next run needs again."""
    gc.collect()
    if group.device.type == "cuda":
        torch.cuda.empty_cache()
