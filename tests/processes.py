"""Fresh processes for tests: forked from a server that imported what training needs, and knows nothing of the test."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

_MODELS = ("bert", "deberta_v2", "modernbert", "roberta")
_IMPORTED = (
    "trainables.training.run",
    "trainables.tools.predictor",
    "trainables.training.token_cache",
    "trainables.tasks.token_classification",
    *(f"transformers.models.{name}.modeling_{name}" for name in _MODELS),
)


def in_processes(function: Callable[..., None], arguments: Sequence[tuple[Any, ...]], seconds: float = 120.0) -> None:
    """Call a module's function in one process for each of `arguments`, all at the same time; all must end well.

    Functions and arguments are pickled. What a process raises is on the captured stderr.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    processes = [context.Process(target=function, args=own) for own in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=seconds)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0] * len(arguments)
