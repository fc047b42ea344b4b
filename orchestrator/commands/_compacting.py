"""Compacts while a sweep goes on, so that whoever looks at its results meanwhile reads few single records."""

from __future__ import annotations

import logging

from orchestrator.commands.events import Event
from orchestrator.errors import EnvironmentProblem
from orchestrator.executors.events import RunFinished
from orchestrator.storage import Store

logger = logging.getLogger(__name__)
FEWEST, SHARE = 250, 16  # reading a record takes about a millisecond, and compacting costs more the more there is


class Compacting:
    """Compacts after every 250 records, and later after a sixteenth more than there is. `problems`: what that found."""

    def __init__(self, store: Store, recorded: int) -> None:
        """`recorded` runs have a record by now, all of them compacted."""
        self._store = store
        self._compacted = recorded
        self._news = 0
        self.problems: tuple[str, ...] = ()

    def __call__(self, event: Event) -> None:
        """Count a record, and compact if it is time. A disk that is full says so when the sweep ends."""
        self._news += isinstance(event, RunFinished)
        if self._news < max(FEWEST, self._compacted // SHARE):
            return
        self._compacted, self._news = self._compacted + self._news, 0
        try:
            self.problems += self._store.compact().problems
        except EnvironmentProblem as error:
            logger.warning("the tables are not brought up to date yet: %s", error)
