"""Starts Ray in sessions of its own, so that signals for this process do not reach it, and notes every process.

Ctrl-C, `timeout` and a closed terminal signal a whole process group. In the driver's group Ray would end before runs
could stop with a checkpoint.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator import ray_private

Environment = Callable[[Sequence[str]], Mapping[str, str]]


def _unchanged(command: Sequence[str]) -> Mapping[str, str]:
    return {}


@contextlib.contextmanager
def detached(started: Callable[[int], None], environment: Environment = _unchanged) -> Iterator[None]:
    """While Ray starts, keep the handler of SIGTERM, and pass `started` the id of each process, which leads a session.

    `environment` returns the environment variables to change for a command. Ray replaces the handler of SIGTERM twice:
    in Python at once, and in C when it connects.
    """

    original = ray_private.POPEN.get()

    def start(command: Sequence[str], *, env: Mapping[str, str], **named: Any) -> Any:
        process = original(command, env={**env, **environment(command)}, **named, start_new_session=True)
        started(process.pid)
        return process

    handler = _own_handler()
    try:
        with ray_private.POPEN.replaced(start), ray_private.SET_SIGTERM_HANDLER.replaced(lambda handler: None):
            yield
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)


def _own_handler() -> signal.Handlers | None:
    handler = signal.getsignal(signal.SIGTERM)
    is_main = threading.current_thread() is threading.main_thread()
    return handler if is_main and handler is not None else None  # type: ignore[return-value]
