"""What is known of one run: its log, and the attempts that left no record, in words, for programs, or as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from orchestrator.errors import UserError
from orchestrator.storage import Attempt, Store


def history(store: Store, run_id: str) -> str:
    """The run's log, then its attempts. Raises UserError where nothing was written yet."""
    log, attempts = _written(store, run_id)
    return _said(log, attempts)


def document(store: Store, run_id: str) -> dict[str, Any]:
    """The same for `--json`; `status` is that of the record, None without one. Raises UserError likewise."""
    log, attempts = _written(store, run_id)
    about = {"run_id": run_id, "location": store.location, "status": store.status(run_id)}
    return {**about, "log": log, "attempts": [asdict(attempt) for attempt in attempts]}


def followed(store: Store, run_id: str, *, pause_seconds: float = 1.0) -> Iterator[str]:
    """The same, then whatever is added, until the run has a record or nobody works on the results any more.

    Raises UserError where it ends so without a word.
    """
    log, attempts = "", tuple[Attempt, ...]()
    while True:
        is_over = not store.is_in_use() or store.status(run_id) is not None  # before reading, so that nothing is lost
        now_log, now_attempts = _written(store, run_id) if is_over else _so_far(store, run_id)
        if text := _said(now_log.removeprefix(log), now_attempts[len(attempts) :]):
            yield text
        if is_over:
            return
        log, attempts = now_log, now_attempts
        time.sleep(pause_seconds)


def _so_far(store: Store, run_id: str) -> tuple[str, tuple[Attempt, ...]]:
    return store.log(run_id) or "", store.attempts(run_id)


def _written(store: Store, run_id: str) -> tuple[str, tuple[Attempt, ...]]:
    log, attempts = _so_far(store, run_id)
    if not log.strip() and not attempts:
        raise UserError(f"run {run_id} has no log in {store.location}; it has not started yet")
    return log, attempts


def _said(log: str, attempts: tuple[Attempt, ...]) -> str:
    parts = [log, *map(_attempt, attempts)]
    return "\n".join(part.rstrip() for part in parts if part)


def _attempt(attempt: Attempt) -> str:
    when = "" if attempt.finished_at is None else f" at {attempt.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    reason = ": ".join(part for part in (attempt.kind, attempt.message) if part)
    return f"attempt {attempt.number} {attempt.status}{when}" + (f": {reason}" if reason else "")
