"""Turns one run into its record or into an attempt: the only place that catches an exception of a run."""

from __future__ import annotations

import gc
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

import torch

from orchestrator.provenance import versions
from orchestrator.run_log import logging_to
from orchestrator.run_spec import RunSpec
from orchestrator.storage import Attempt, Store
from trainables.engine.control import Progress, Request
from trainables.engine.corpus import DataError
from trainables.engine.group import Group
from trainables.engine.loop import Layout, run
from trainables.engine.outcome import Outcome
from trainables.engine.warm import Warm

logger = logging.getLogger(__name__)


class Failure(Enum):
    """Why an attempt ended without a record, and whether trying again could help."""

    OUT_OF_MEMORY = ("out of memory", True)
    DEVICE = ("the device reported an error", True)
    DATA = ("the data cannot be used", False)
    STORAGE = ("results cannot be written", False)
    CRASHED = ("the run raised an error", True)

    def __init__(self, meaning: str, retriable: bool) -> None:
        """A sentence for people, and whether the policy may try again."""
        self.meaning = meaning
        self.retriable = retriable


@dataclass(frozen=True)
class Finished:
    """How an attempt ended. `status` is the record's, or `failed`, or `stopped`; `recycle` asks for a fresh process."""

    run_id: str
    attempt: int
    status: str
    score: float | None = None
    error: str | None = None
    failure: str | None = None
    retriable: bool = False
    recycle: bool = False
    seconds: float = 0.0


class WorkerControl(Protocol):
    """What a run asks and tells the outside while a worker executes it."""

    def poll(self, progress: Progress) -> Request:
        """What the outside wants; asked on rank 0."""

    def report(self, row: Mapping[str, Any]) -> None:
        """One finished epoch; told by rank 0."""

    def all_ranks_raised(self) -> bool:
        """Tell that this rank raised; True once every rank did, False when some rank did not within seconds.

        Goes outside the process group: ranks that did not raise may be waiting inside a collective.
        """


def execute(
    spec: RunSpec, store: Store, *, group: Group, warm: Warm, control: WorkerControl, attempt: int, layout: Layout
) -> Finished:
    """Run `spec` and commit its record, or write the attempt down. All ranks of the group call it alike.

    An exception that only some ranks raised is raised again: a half-reduced step cannot be rejoined, so the gang has
    to end. Whoever started the gang then writes the attempt.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    result: Outcome | BaseException
    with logging_to(store, spec.run_id, enabled=group.is_main):
        try:
            result = run(spec.config, group=group, warm=warm, control=control, folder=store.checkpoints(spec.run_id), layout=layout)
        except Exception as error:  # noqa: BLE001 - the one place where a run's exception becomes an attempt
            if group.world_size > 1 and not control.all_ranks_raised():
                raise
            result = error
            logger.exception("attempt %d failed", attempt)
        seconds = time.monotonic() - clock
        finished = _write(spec, store, result, attempt, started, seconds) if group.is_main else None
    release(result)
    return group.shared(finished)


def release(result: object) -> None:
    """Drop what a run left behind, so that the next one starts with the memory this one started with."""
    if isinstance(result, BaseException):
        traceback.clear_frames(result.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
