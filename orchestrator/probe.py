"""`orchestrate probe`: each model for a few steps at several lengths and precisions, each model in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.spec.resolve import Resolved
from orchestrator.spec.system import System
from trainables.engine.config import Precision

LENGTHS, STEPS = (128, 256, 512), 4
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
ITEMS = 64


@dataclass(frozen=True)
class Probed:
    """What one system's process said of one length and precision; `configured`: what the experiment would use."""

    system: str
    length: int
    precision: str
    result: str
    configured: bool
    reason: str | None = None
    loss: float | None = None
    step_seconds: float | None = None
    peak_memory_gib: float | None = None
    skipped: int = 0


def probe(
    resolved: Resolved,
    *,
    lengths: Sequence[int] = LENGTHS,
    precisions: Sequence[str] = PRECISIONS,
    steps: int = STEPS,
    hear: Callable[[Probed], None] = lambda found: None,
) -> list[Probed]:
    """Probe every system of the experiment; `hear` gets each result as it comes. Writes nothing."""
    found: list[Probed] = []
    for system in resolved.systems:
        if system.unsupported is not None:
            found.append(Probed(system.name, 0, "-", "not here", configured=True, reason=system.unsupported))
            hear(found[-1])
            continue
        for result in _of_system(system, lengths, precisions, steps):
            found.append(result)
            hear(result)
    return found


def _of_system(system: System, lengths: Sequence[int], precisions: Sequence[str], steps: int) -> list[Probed]:
    config = system.config.model_copy(update={"init_from": None})
    split = config.split.model_copy(update={"train_items": config.split.train_items or ITEMS})
    question = {
        "config": config.model_copy(update={"split": split}).model_dump(mode="json"),
        "lengths": list(lengths),
        "precisions": list(precisions),
        "steps": steps,
    }
    command = [sys.executable, "-m", "trainables.engine.probing"]
    ended = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, check=False)
    lines: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    used = config.model.precision
    found = [Probed(system.name, configured=line["precision"] == used, **line) for line in lines]
    if ended.returncode != 0:
        last = next((line for line in reversed(ended.stderr.splitlines()) if line.strip()), "")
        reason = f"its process ended with {ended.returncode}: {last.strip()}"
        found.append(Probed(system.name, 0, "-", "failed", configured=True, reason=reason))
    return found
