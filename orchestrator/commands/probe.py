"""`orchestrate probe`: each model for a few steps at several lengths and precisions, each kernel of attention alone.

Every model has a process of its own, and so have the kernels: what breaks there breaks nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import System
from trainables.config import Precision
from trainables.system import fresh_process
from trainables.system.fresh_process import ProcessFailed

LENGTHS, STEPS = (128, 256, 512), 4
KERNEL_LENGTHS = (64, 128, 192, 256, 320)  # multiples of 128, and 64 more than those: where a kernel was seen to fail
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


@dataclass(frozen=True)
class KernelProbed:
    """How one kernel of attention did at one length; `configured`: a system of the experiment would compute with it."""

    kernel: str
    head_size: int
    length: int
    precision: str
    dropout: float
    result: str
    allowed: bool
    configured: bool
    reason: str | None = None


def probe(
    resolved: ResolvedExperiment,
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


def probe_kernels(
    resolved: ResolvedExperiment,
    *,
    lengths: Sequence[int] = KERNEL_LENGTHS,
    precisions: Sequence[str] = PRECISIONS,
    hear: Callable[[KernelProbed], None] = lambda found: None,
) -> list[KernelProbed]:
    """Probe the kernels that this machine has, with heads of the sizes of the experiment's models. Writes nothing."""
    configs = [system.config.model for system in resolved.systems if system.unsupported is None]
    used = {config.precision for config in configs}
    models = {config.model_dump_json(): config.model_dump(mode="json") for config in configs}
    question = {"models": list(models.values()), "lengths": list(lengths), "precisions": list(precisions)}
    probed: list[KernelProbed] = []
    for result in _of_kernels(question, {*used, "-"}) if models and lengths else ():
        probed.append(result)
        hear(result)
    return probed


def is_broken(found: Probed | KernelProbed) -> bool:
    """Whether something that the experiment would use does not work here."""
    return found.configured and found.result not in ("finite", "not here")


def _of_kernels(question: dict[str, Any], used: set[str]) -> Iterator[KernelProbed]:
    try:
        for line in fresh_process.stream("trainables.tools.kernel_probe:run_all", question):
            yield KernelProbed(**line, configured=line["allowed"] and line["precision"] in used)
    except ProcessFailed as error:
        yield KernelProbed("-", 0, 0, "-", 0.0, "failed", allowed=True, configured=True, reason=str(error))


def _of_system(system: System, lengths: Sequence[int], precisions: Sequence[str], steps: int) -> Iterator[Probed]:
    config = system.config.model_copy(update={"init_from": None})
    split = config.split.model_copy(update={"train_items": config.split.train_items or ITEMS})
    question = {
        "config": config.model_copy(update={"split": split}).model_dump(mode="json"),
        "lengths": list(lengths),
        "precisions": list(precisions),
        "steps": steps,
    }
    try:
        for line in fresh_process.stream("trainables.tools.probe:run_all", question):
            yield Probed(system.name, configured=line["precision"] == config.model.precision, **line)
    except ProcessFailed as error:
        yield Probed(system.name, 0, "-", "failed", configured=True, reason=str(error))
