"""What a benchmark's numbers were measured on, and how they are written down: JSON and a Markdown page beside it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch

from trainables.system.hardware import hardware_name

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("torch", "transformers", "ray", "numpy")
NOT_INSTALLED = "not installed"


def machine() -> dict[str, Any]:
    """Hardware and versions, without the machine's name."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware_name(device),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        **{name: installed(name) for name in LIBRARIES},
    }


def installed(name: str) -> str:
    """The version of a package, or that there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return NOT_INSTALLED


def environment(threads: int | None) -> dict[str, str]:
    """What a fresh process that measures is started with: this folder to import from, and so many threads for OpenMP.

    None: as many as it chooses.
    """
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, **({} if threads is None else {"OMP_NUM_THREADS": str(threads)})}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def write(name: str, title: str, command: str, document: Mapping[str, Any], table: Sequence[Mapping[str, Any]]) -> Path:
    """Write `results/<name>.json` and `.md`; returns the page's path. Every row of `table` has the same keys."""
    RESULTS.mkdir(exist_ok=True)
    facts = machine()
    content = {"benchmark": name, "command": command, "machine": facts, **document}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    columns = list(table[0])
    lines = [
        f"# {title}",
        "",
        f"{facts['date']} · {', '.join(f'{key} {facts[key]}' for key in facts if key != 'date')}",
    ]
    lines += ["", f"`{command}`", "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in table]
    page = RESULTS / f"{name}.md"
    page.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return page
