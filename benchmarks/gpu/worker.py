"""A process that measures: takes one step after another from standard input, and writes rows to standard output.

`python -m benchmarks.gpu.worker` imports what is slow to import, says so, and waits. Each line that it reads is a task
as JSON; each line that it writes a row, the last one of a task with `kind: end`. Whatever libraries print goes to
standard error. It ends after a failure: nothing is measured in a process that something has gone wrong in.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from benchmarks.gpu.task import Task, reason_of

OPTIONAL = ("accelerate", "peft", "bitsandbytes", "flash-attn", "triton", "datasets", "optuna")


def main() -> None:
    """Until standard input ends, or a task has failed."""
    rows = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    importlib.import_module("trainables.tools.profile")  # torch, transformers and the training
    _write(rows, {"kind": "ready", "machine": _machine()})
    for line in sys.stdin:
        if not _measure(json.loads(line), rows):
            sys.exit(1)


def _machine() -> dict[str, Any]:
    """What the numbers are measured on, with what those of a GPU depend on beyond the usual facts."""
    import torch

    from benchmarks.machine import installed, machine

    has_device = torch.cuda.is_available()
    facts = {**machine(), "device": "cuda" if has_device else "cpu"}
    facts |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()} if has_device else {}
    return facts | {name: installed(name) for name in OPTIONAL}


def _measure(question: Mapping[str, Any], rows: TextIO) -> bool:
    """Do one task; whether it came to its end."""
    task = Task(
        section=question["section"],
        number=question["number"],
        seconds=question["seconds"],
        folder=Path(question["folder"]),
        emit=lambda row: _write(rows, row),
        rehearse=question["rehearse"],
        done=frozenset(question["done"]),
        rows=question["rows"],
    )
    try:
        importlib.import_module(f"benchmarks.gpu.sections.{task.section}").measure(task)
    except Exception as error:  # noqa: BLE001 - it is written down, and this process ends
        _write(rows, {"kind": "end", "result": "failed", "reason": reason_of(error), "trace": _trace()})
        return False
    _write(rows, {"kind": "end", "result": "done" if task.is_whole else "out of time"})
    return True


def _trace() -> str:
    return traceback.format_exc()[-1500:]


def _write(rows: TextIO, row: Mapping[str, Any]) -> None:
    rows.write(json.dumps(row, default=str) + "\n")
    rows.flush()


if __name__ == "__main__":
    main()
