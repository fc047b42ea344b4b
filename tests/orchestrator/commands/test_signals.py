"""Signals become stop requests: gently once and twice, at once the third time, and the exit code of the first."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from orchestrator.commands._execution import stopping
from orchestrator.config.run_spec import RunSpec
from orchestrator.executors import StopMode
from orchestrator.executors.events import Event


class Listener:
    """An executor that only remembers how it was asked to stop."""

    def __init__(self) -> None:
        """Nobody asked yet."""
        self.modes: list[str] = []

    def execute(self, runs: Sequence[RunSpec], on_event: Callable[[Event], None]) -> None:
        """There is nothing to run."""

    def stop(self, mode: StopMode) -> None:
        """Remember."""
        self.modes.append(mode)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_one_signal_asks_for_a_checkpoint_and_decides_the_exit_code(number: int, code: int) -> None:
    listener, messages = Listener(), list[str]()
    with stopping(listener, messages.append) as signals:
        os.kill(os.getpid(), number)
    assert listener.modes == ["checkpoint"]
    assert signals.exit_code == code
    assert "2 more to stop at once" in messages[0]


def test_the_third_signal_stops_at_once() -> None:
    listener, messages = Listener(), list[str]()
    with stopping(listener, messages.append) as signals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
    assert listener.modes == ["checkpoint", "checkpoint", "now"]
    assert signals.exit_code == 130


def test_a_closed_terminal_is_one_request_however_often_it_is_told() -> None:
    listener = Listener()
    with stopping(listener, print) as signals:
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
    assert listener.modes == ["checkpoint", "checkpoint"]
    assert signals.exit_code == 129


def test_without_a_signal_there_is_no_exit_code_and_handlers_are_put_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with stopping(Listener(), print) as signals:
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    assert signals.exit_code is None
    assert {number: signal.getsignal(number) for number in before} == before


def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    listener, before = Listener(), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping(listener, print) as signals:
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert listener.modes == []
    assert signals.exit_code is None


WORKS_ON = """
import sys, time
from pathlib import Path
from orchestrator.commands._execution import stopping
from tests.orchestrator.commands.test_signals import Listener

listener, log = Listener(), lambda text: print(text, file=sys.stderr, flush=True)
with stopping(listener, log) as signals:
    log("ready")
    while not listener.modes:
        time.sleep(0.01)
log("the results are here")
Path(sys.argv[1]).write_text(" ".join(listener.modes))
sys.exit(signals.exit_code)
"""


def test_what_is_told_to_a_terminal_that_was_closed_does_not_end_the_work(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", WORKS_ON, str(tmp_path / "modes")]
    takes_terminal = partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0)
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, **streams, start_new_session=True, preexec_fn=takes_terminal) as process:
        os.close(theirs)
        assert b"ready" in os.read(ours, 100)
        os.close(ours)
        assert process.wait(60) == 129
    assert (tmp_path / "modes").read_text() == "checkpoint"
