"""The log of one run: what the engine logs while it executes, kept beside the run's record."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.storage import Store

FORMAT = "%(asctime)sZ %(levelname)s %(name)s: %(message)s"
SOURCES = ("trainables", "orchestrator.worker")


class _ToStore(logging.Handler):
    """Appends every message to the run's log."""

    def __init__(self, store: Store, run_id: str) -> None:
        super().__init__(logging.INFO)
        self._store = store
        self._run_id = run_id
        formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; a log that cannot be written is told on stderr and never ends a run."""
        try:
            self._store.append_log(self._run_id, self.format(record) + "\n")
        except OSError:
            self.handleError(record)


@contextmanager
def logging_to(store: Store, run_id: str, *, enabled: bool) -> Iterator[None]:
    """Everything the engine and the worker log meanwhile goes to the run's log as well."""
    if not enabled:
        yield
        return
    handler = _ToStore(store, run_id)
    loggers = [logging.getLogger(name) for name in SOURCES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(min(logger.level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        handler.close()
