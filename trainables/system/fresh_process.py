"""Calls a function in a fresh interpreter: JSON in, JSON out, so that what it loads or breaks stays over there.

    for answer in answers("trainables.tools.probe:run_all", question): ...

The question goes over as one line, every answer comes back as one line as soon as there is it. What libraries print
goes to standard error, of which only the last line is kept, for the error. The process ends with this one, however
this one ends: it watches its standard input, which is closed then.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Any


class ProcessFailed(RuntimeError):
    """The process ended before its function did."""


def answer(function: str, question: Any, environment: Mapping[str, str] | None = None) -> Any:
    """What the function `module:name` returns for this question. Raises ProcessFailed."""
    (only,) = answers(function, question, environment)
    return only


def answers(function: str, question: Any, environment: Mapping[str, str] | None = None) -> Iterator[Any]:
    """What the function `module:name` returns, or yields one after another. Raises ProcessFailed after the last one.

    `environment`: of the process, in place of this one's. To stop asking ends the process.
    """
    command = [sys.executable, "-P", "-m", __name__, function]
    with tempfile.TemporaryFile() as log:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        process = subprocess.Popen(command, env=environment, **pipes)  # type: ignore[call-overload]
        try:
            with contextlib.suppress(BrokenPipeError):  # it is gone already, and its log says why
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                if line.endswith(b"\n"):  # else the end of the process cut it off
                    yield json.loads(line)
            if process.wait():
                raise ProcessFailed(f"its process ended with {process.returncode}: {_last_line(log)}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    """The fresh process: the argument is the function, the first line of standard input the question."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    question = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    module, _, name = sys.argv[1].partition(":")
    returned = getattr(importlib.import_module(module), name)(question)
    for result in returned if isinstance(returned, Iterator) else [returned]:
        results.write(json.dumps(result) + "\n")
        results.flush()


if __name__ == "__main__":
    main()
