"""What is known of one run in words: its log, and the attempts that left no record."""

from __future__ import annotations

from orchestrator.errors import UserError
from orchestrator.storage import Attempt, Store


def history(store: Store, run_id: str) -> str:
    """The run's log, then its attempts. Raises UserError where nothing was written yet."""
    parts = [store.log(run_id) or "", *(_attempt(attempt) for attempt in store.attempts(run_id))]
    text = "\n".join(part.rstrip() for part in parts if part)
    if not text:
        raise UserError(f"run {run_id} has no log in {store.location}; it has not started yet")
    return text


def _attempt(attempt: Attempt) -> str:
    when = "" if attempt.finished_at is None else f" at {attempt.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    reason = ": ".join(part for part in (attempt.kind, attempt.message) if part)
    return f"attempt {attempt.number} {attempt.status}{when}" + (f": {reason}" if reason else "")
