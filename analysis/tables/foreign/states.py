"""Reads how a run ended in the words of other tools: a crashed run has failed, and a running one is left out."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.tables.foreign.table import Refused, Table, listed, plain_name, rows_named
from analysis.tables.schema import STATUSES

_WORDS = {
    "completed": ("completed", "complete", "finished", "success", "succeeded"),
    "failed": ("failed", "fail", "crashed", "killed", "error", "cancelled", "canceled", "preempted", "aborted"),
    "pruned": ("pruned",),
    "collapsed": ("collapsed",),
    "diverged": ("diverged",),
}
_STATUS_OF = {word: status for status, words in _WORDS.items() for word in words}
_UNFINISHED = frozenset(("running", "pending", "scheduled", "waiting", "queued", "preempting", "started", "unfinished"))


def read_states(table: Table, column: str) -> tuple[pd.Series[str], Table] | None:
    """Return the status of every run that has ended, and the table without the others, which its notes name.

    None if the column is no state after all: only one called `status` must be one. Raises Refused for unknown states.
    """
    words = table.cells[column].map(lambda value: "" if value is None else str(value).strip().lower())
    unknown = ~words.isin([*_STATUS_OF, *_UNFINISHED, ""])
    if unknown.any():
        if plain_name(column) != "status":
            return None
        values = listed([repr(value) for value in table.cells[column][unknown].unique().tolist()])
        raise Refused(
            f"{table.label}: {rows_named(unknown[unknown].index.tolist())}: status is not one of "
            f"{', '.join(STATUSES)}, finished, crashed, killed or running: {values}; correct it, or leave it empty"
        )
    running = words.isin(_UNFINISHED)
    ended = table
    if running.any():
        ended = _without(table, running, column)
    return words[~running].map(_STATUS_OF), ended


def _without(table: Table, running: pd.Series[bool], column: str) -> Table:
    states = listed(table.cells[column][running].unique().tolist())
    count, rows = int(running.sum()), rows_named(running[running].index.tolist())
    if running.all():
        raise Refused(f"{table.label}: none of its {count} runs has ended ({states}); there is nothing to compare yet")
    have = "run has" if count == 1 else "runs have"
    left = replace(table, cells=table.cells[~running])
    return left.noted(
        f"{table.label}: {count} {have} not ended ({states}) and {'is' if count == 1 else 'are'} left out: {rows}"
    )
