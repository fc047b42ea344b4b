"""How an attempt ended, as a worker tells whoever gave it the run: light, for those who import no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finished:
    """How an attempt ended. `status` is the record's, or `failed`, or `stopped`; `recycle` asks for a fresh process.

    `checkpoint` is about stopped runs: whether one was written when the run stopped.
    """

    run_id: str
    attempt: int
    status: str
    score: float | None = None
    error: str | None = None
    failure: str | None = None
    retriable: bool = False
    recycle: bool = False
    seconds: float = 0.0
    checkpoint: bool = True
