"""What every session of tests begins with: one thread a process, and the seed of its random faults, which is printed.

Models of the tests are too small for a second thread: threads of several processes would wait for each other in
busy loops, for four times the processor time. Where a run asks for more threads, they wait asleep.
"""

from __future__ import annotations

import contextlib
import os
import random

import pytest

from tests.fault_seed import VARIABLE

with contextlib.suppress(ImportError):  # the GPU command runs tests on machines that lack it
    import hypothesis

    hypothesis.settings.register_profile("soak", max_examples=5_000, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed, unless it is given; the processes of pytest-xdist and those that tests start inherit all of it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault(VARIABLE, str(random.SystemRandom().randrange(1_000_000)))


def pytest_report_header(config: pytest.Config) -> str:
    """Say how the same faults are dealt again."""
    return f"random faults: {VARIABLE}={os.environ[VARIABLE]}"
