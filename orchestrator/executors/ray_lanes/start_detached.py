"""Starts Ray so that signals for this process stay its own, and so that no process of Ray goes unnoticed.

Ctrl-C, `timeout` and a closed terminal signal a whole process group. In the driver's group Ray would end before runs
could stop with a checkpoint, so that what Ray starts gets sessions of its own.
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
    """While Ray starts: a SIGTERM is heard as usual, and `started` gets the id of each process, which leads a session.

    `environment` says for a command what it finds changed. Ray replaces the handler of SIGTERM twice, in Python at once
    and in C when it connects.
    """

    usual = ray_private.POPEN.get()

    def start(command: Sequence[str], *, env: Mapping[str, str], **named: Any) -> Any:
        process = usual(command, env={**env, **environment(command)}, **named, start_new_session=True)
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
    found = signal.getsignal(signal.SIGTERM)
    is_main = threading.current_thread() is threading.main_thread()
    return found if is_main and found is not None else None  # type: ignore[return-value]
