"""What a results directory holds, from listings alone: 10,000 runs in about a second, whatever the files weigh."""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.tables.attempts import ATTEMPTS, numbers
from analysis.tables.folder import Folder
from orchestrator.storage import records

RUNS = "runs"
RUN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Scan:
    """`committed`: run_id -> the name of its record file (None: there is none that fits). `tried`: run_id without a
    record -> the numbers of its attempts, ascending."""

    committed: dict[str, str | None]
    tried: dict[str, list[int]]


def scan(root: Folder) -> Scan:
    """List every run. Folders that are no runs are left out. Reads a file only where two records compete."""
    found = Scan({}, {})
    for run_id, names in _listings(root):
        if records.RUN in names:
            found.committed[run_id] = records.only(names) or records.current(root.child(f"{RUNS}/{run_id}"), names)
        elif numbers := _attempt_numbers(root, run_id, names):
            found.tried[run_id] = numbers
    return found


def run_ids(root: Folder) -> list[str]:
    """Every run that has a folder, sorted."""
    return [name for name in root.child(RUNS).names() if RUN_ID.fullmatch(name)]


def _listings(root: Folder) -> Iterator[tuple[str, list[str]]]:
    runs = root.child(RUNS)
    if root.is_local:
        for run_id in run_ids(root):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                yield run_id, os.listdir(f"{runs.path}/{run_id}")  # noqa: PTH208 - 10,000 times, and names are enough
        return
    found: dict[str, list[str]] = defaultdict(list)
    for path in runs.files():
        run_id, _, name = path.partition("/")
        found[run_id].append(name)
    yield from ((run_id, names) for run_id, names in sorted(found.items()) if RUN_ID.fullmatch(run_id))


def _attempt_numbers(root: Folder, run_id: str, names: list[str]) -> list[int]:
    if root.is_local and ATTEMPTS in names:
        return numbers(root.child(f"{RUNS}/{run_id}/{ATTEMPTS}").names())
    prefix = f"{ATTEMPTS}/"
    return numbers([name.removeprefix(prefix) for name in names if name.startswith(prefix)])
