"""Has processes do the steps: a spare one is importing while another measures, and each is ended at its limit."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from benchmarks.gpu.schedule import Step

GRACE_SECONDS = 3.0
Row = dict[str, Any]


class Worker:
    """One measuring process, leader of a session of its own, so that what it starts ends with it."""

    def __init__(self, environment: Mapping[str, str], log: Callable[[str], None]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=dict(environment),
            start_new_session=True,
        )
        self._rows: queue.Queue[Row | None] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._read_rows, daemon=True),
            threading.Thread(target=self._read_log, args=(log,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def answers(self, question: Mapping[str, Any], seconds: float) -> Iterator[Row]:
        """The rows of a task as they come, the last one of kind `end`, no longer than `seconds` from now."""
        deadline = time.monotonic() + seconds
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the process is gone: its rows say so by ending
            self._process.stdin.write(json.dumps(question, default=str) + "\n")
            self._process.stdin.flush()
        while (row := self._next(deadline, seconds))["kind"] != "end":
            if row["kind"] != "ready":
                yield row
        yield row

    def machine(self, seconds: float) -> Row | None:
        """What it says of the machine once it has imported; None where it ended, or said nothing, before that."""
        row = self._next(time.monotonic() + seconds, seconds)
        found: Row | None = row.get("machine")
        return found

    def _next(self, deadline: float, seconds: float) -> Row:
        """The next row that it writes, or one of kind `end` for what became of it."""
        try:
            row = self._rows.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return {"kind": "end", "result": "cut off", "reason": f"was not over after {seconds:.0f} s"}
        if row is not None:
            return row
        reason = f"the process ended with {_named(self._process.wait())}"
        return {"kind": "end", "result": "failed", "reason": reason}

    def end(self) -> None:
        """Kill it and everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # a driver may hold on to it; it is killed all the same
            self._process.wait(GRACE_SECONDS)
        for thread in self._threads:
            thread.join(GRACE_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()

    def _read_rows(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):  # a line that a kill cut off
                self._rows.put(json.loads(line))
        self._rows.put(None)

    def _read_log(self, log: Callable[[str], None]) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            log(line)


class Runner:
    """Does steps one after another. The next process is started ahead, so that its imports cost no time of a step."""

    def __init__(self, environment: Mapping[str, str], log: Callable[[str], None]) -> None:
        self._start = lambda: Worker(environment, log)
        self._current: Worker | None = None
        self._spare = self._start()

    def machine(self, seconds: float) -> Row | None:
        """What the first process says of the machine; None where the libraries cannot be imported."""
        return self._spare.machine(seconds)

    def rows(self, step: Step, question: Mapping[str, Any], seconds: float) -> Iterator[Row]:
        """The rows of a step as they come, the last one of kind `end`."""
        worker = self._worker(step)
        result = "cut off"
        for row in worker.answers(question, seconds):
            result = row["result"] if row["kind"] == "end" else result
            yield row
        if step.is_alone or result in ("failed", "cut off"):
            worker.end()
            if worker is self._current:
                self._current = None

    def end(self) -> None:
        """End every process."""
        for worker in filter(None, (self._current, self._spare)):
            worker.end()

    def _worker(self, step: Step) -> Worker:
        if step.is_alone:
            return self._taken()
        if self._current is None:
            self._current = self._taken()
        return self._current

    def _taken(self) -> Worker:
        """The spare process; another one begins to import in its place."""
        taken, self._spare = self._spare, self._start()
        return taken


def _named(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
