"""Keeps Ray's own lines off the terminal; they are in its session folder."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator import ray_private

logger = logging.getLogger(__name__)
LOGGERS = ("ray", "ray.tune", "ray.train")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Ray prints messages of the raylet on stdout, which belongs to data, and advises to switch its token off."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with ray_private.PRINT.replaced(_log), ray_private.TOKEN_ADVICE.replaced(_unadvised):
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _log(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    logger.debug("%s: %s", data.get("pid"), " ".join(data.get("lines", ())))


def _unadvised() -> None:
    """In the place of a warning: without its token, whoever reaches the dashboard runs code here."""
