"""Keeps Ray's own lines off the terminal; they are in its session folder."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from ray._private import worker
from ray._private.authentication import authentication_token_setup

logger = logging.getLogger(__name__)
LOGGERS = ("ray", "ray.tune", "ray.train")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Ray prints messages of the raylet on stdout, which belongs to data, and advises to switch its token off."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    usual = worker.print_to_stdstream, authentication_token_setup._warn_token_auth_enabled
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    worker.print_to_stdstream, authentication_token_setup._warn_token_auth_enabled = _log, _unadvised
    try:
        yield
    finally:
        worker.print_to_stdstream, authentication_token_setup._warn_token_auth_enabled = usual
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _log(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    logger.debug("%s: %s", data.get("pid"), " ".join(data.get("lines", ())))


def _unadvised() -> None:
    """In the place of a warning: without its token, whoever reaches the dashboard runs code here."""
