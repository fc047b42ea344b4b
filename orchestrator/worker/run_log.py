"""Keeps the log of one run, what training logs while it executes, beside the run's record."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.tables.folder import LinkedOutside
from orchestrator.storage import Store

FORMAT = "%(asctime)sZ %(levelname)s %(name)s: %(message)s"
SOURCES = ("trainables", "orchestrator.worker.execute")


REMOTE_SECONDS = 30.0


class _ToStore(logging.Handler):
    """Appends messages to the run's log: at once to a local file, rarely if each append rewrites the whole file."""

    def __init__(self, store: Store, run_id: str) -> None:
        super().__init__(logging.INFO)
        self._store = store
        self._run_id = run_id
        self._lines: list[str] = []
        self._written = time.monotonic()
        self._pause = 0.0 if store.is_local else REMOTE_SECONDS
        formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Buffer one message, and write the buffer when it is time."""
        self._lines.append(self.format(record) + "\n")
        if time.monotonic() - self._written >= self._pause:
            self.flush()

    def flush(self) -> None:
        """Write the buffer; a log that cannot be written is reported on stderr and never ends a run."""
        if not self._lines:
            return
        text, self._lines, self._written = "".join(self._lines), [], time.monotonic()
        try:
            self._store.append_log(self._run_id, text)
        except (OSError, LinkedOutside) as error:
            sys.stderr.write(f"the log of run {self._run_id} cannot be written: {error}\n")


@contextmanager
def logging_to(store: Store, run_id: str, *, enabled: bool) -> Iterator[None]:
    """Send everything that training and the worker log meanwhile to the run's log as well."""
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
        handler.flush()
        handler.close()
