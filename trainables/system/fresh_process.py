"""Calls a function in a fresh interpreter, with JSON in and out, so that whatever it loads or breaks stays there.

    for result in stream("trainables.tools.probe:run_all", argument): ...

The argument is sent as one line, and each result comes back as one line as soon as it is ready. What libraries print
goes to standard error; only its last line is kept, for the error message. The process ends when this one ends, for any
reason: it watches its standard input, which is closed then.
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


def call(function: str, argument: Any, environment: Mapping[str, str] | None = None) -> Any:
    """Return the result of the function `module:name` for this argument. Raises ProcessFailed."""
    (result,) = stream(function, argument, environment)
    return result


def stream(function: str, argument: Any, environment: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Yield each result of the function `module:name`, or the one that it returns. Raises ProcessFailed at the end.

    `environment` replaces that of this process. Closing the iterator ends the process.
    """
    command = [sys.executable, "-P", "-m", __name__, function]
    with tempfile.TemporaryFile() as log:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
        process = subprocess.Popen(command, env=environment, **pipes)  # type: ignore[call-overload]
        try:
            with contextlib.suppress(BrokenPipeError):  # the process has ended, and its log says why
                process.stdin.write(json.dumps(argument).encode() + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                if line.endswith(b"\n"):  # else the process ended in the middle of the line
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
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    """Run in the fresh process: its argument names the function, standard input's first line is the argument."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    argument = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    module, _, name = sys.argv[1].partition(":")
    returned = getattr(importlib.import_module(module), name)(argument)
    for result in returned if isinstance(returned, Iterator) else [returned]:
        results.write(json.dumps(result) + "\n")
        results.flush()


if __name__ == "__main__":
    main()
