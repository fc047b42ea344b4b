"""Correctness on the device: the tests of `tests/gpu`, one row a test as soon as it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import benchmarks.gpu
from benchmarks.gpu.task import SpoiledDevice, Task, spoils_the_device

ROOT = Path(benchmarks.gpu.__file__).parents[2]
FILES = ("attention_kernels", "precision", "memory", "recipes", "kernel_choice")  # what compiles comes last
COMPILED = "compiled"  # in the names of tests that compile
OPTIONS = ("-q", "-p", "no:cacheprovider", "-W", "default", "-o", "filterwarnings=", "--tb=short", f"--rootdir={ROOT}")


class Rows:
    """Keeps the outcome of every test as a row, does no test twice, and stops when the time is over."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.spoiled = False
        self.unreadable: list[str] = []

    def pytest_collectreport(self, report: Any) -> None:
        """Note a file that cannot be imported: pytest then ends with the code of a session that was interrupted."""
        if report.failed:
            self.unreadable.append(f"{report.nodeid or 'tests'}: {str(report.longrepr).strip().splitlines()[-1][:400]}")

    def pytest_collection_modifyitems(self, session: Any, config: Any, items: list[Any]) -> None:
        """Leave out what an earlier pass did, and leave what is compiled to the last."""
        left = [item for item in items if item.nodeid not in self._task.done]
        if self._task.number != "third":
            left = [item for item in left if COMPILED not in item.nodeid]
        config.hook.pytest_deselected(items=[item for item in items if item not in left])
        items[:] = left

    def pytest_runtest_logreport(self, report: Any) -> None:
        """The call of a test is its row; what went wrong before or after it is one, too."""
        if report.when != "call" and report.passed:
            return
        outcome = report.outcome if report.when == "call" or report.skipped else "failed"
        reason = _reason(report)
        trace = {"trace": str(report.longrepr)[-1500:]} if report.failed else {}
        self._task.row(report.nodeid, outcome, seconds=round(report.duration, 2), reason=reason, **trace)
        self.spoiled = self.spoiled or (report.failed and spoils_the_device(str(report.longrepr)))

    def pytest_runtest_teardown(self, item: Any, nextitem: Any) -> None:
        """Ends the session between two tests; what was not begun has no row, and a later pass does it."""
        if nextitem is not None and (self._task.left() < 0 or self.spoiled):
            item.session.shouldstop = "the device is broken" if self.spoiled else "the time of this pass is over"


def measure(task: Task) -> None:
    """Every test that no earlier pass did, in order of worth."""
    files = [str(ROOT / "tests" / "gpu" / f"test_{name}.py") for name in FILES]
    rows = Rows(task)
    code = pytest.main([*OPTIONS, "-m", "gpu", *files], plugins=[rows])
    if rows.spoiled:
        raise SpoiledDevice("a test")
    if rows.unreadable:
        raise RuntimeError(f"tests cannot be imported: {'; '.join(rows.unreadable)}")
    task.is_whole = code != pytest.ExitCode.INTERRUPTED
    allowed = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
    if code not in (*allowed, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"the tests could not be run (pytest ended with {code}): the log says why")


def _reason(report: Any) -> str | None:
    if report.skipped:
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        return str(reason).removeprefix("Skipped: ")
    if not report.failed:
        return None
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", None) or str(report.longrepr)
    return str(crash).strip().splitlines()[0][:400]
