"""`orchestrate probe`: tries each model at several lengths and precisions, and each attention kernel alone.

Every model has a process of its own, and so do the kernels: a crash there breaks nothing else.
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
KERNEL_LENGTHS = (64, 128, 192, 256, 320)  # multiples of 128, and 64 more: one kernel failed there
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
ITEMS = 64


@dataclass(frozen=True)
class Probed:
    """How one system did at one length and precision; `configured`: the experiment would use that precision."""

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
    """How one attention kernel did at one length; `configured`: a system of the experiment would use it."""

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
    on_result: Callable[[Probed], None] = lambda result: None,
) -> list[Probed]:
    """Probe every system of the experiment; call `on_result` with each result as it comes. Writes nothing."""
    results: list[Probed] = []
    for system in resolved.systems:
        for result in _of_system(system, lengths, precisions, steps):
            results.append(result)
            on_result(result)
    return results


def probe_kernels(
    resolved: ResolvedExperiment,
    *,
    lengths: Sequence[int] = KERNEL_LENGTHS,
    precisions: Sequence[str] = PRECISIONS,
    on_result: Callable[[KernelProbed], None] = lambda result: None,
) -> list[KernelProbed]:
    """Probe this machine's attention kernels with the head sizes of the experiment's models. Writes nothing."""
    configs = [system.config.model for system in resolved.systems if system.unsupported is None]
    used = {config.precision for config in configs}
    models = {config.model_dump_json(): config.model_dump(mode="json") for config in configs}
    request = {"models": list(models.values()), "lengths": list(lengths), "precisions": list(precisions)}
    results: list[KernelProbed] = []
    for result in _of_kernels(request, {*used, "-"}) if models and lengths else ():
        results.append(result)
        on_result(result)
    return results


def is_broken(probed: Probed | KernelProbed) -> bool:
    """Return whether something that the experiment would use does not work here."""
    return probed.configured and probed.result not in ("finite", "not here")


def _of_kernels(request: dict[str, Any], used: set[str]) -> Iterator[KernelProbed]:
    try:
        for line in fresh_process.stream("trainables.tools.kernel_probe:run_all", request):
            yield KernelProbed(**line, configured=line["allowed"] and line["precision"] in used)
    except ProcessFailed as error:
        yield KernelProbed("-", 0, 0, "-", 0.0, "failed", allowed=True, configured=True, reason=str(error))


def _of_system(system: System, lengths: Sequence[int], precisions: Sequence[str], steps: int) -> Iterator[Probed]:
    if system.unsupported is not None:
        yield Probed(system.name, 0, "-", "not here", configured=True, reason=system.unsupported)
        return
    config = system.config.model_copy(update={"init_from": None})
    split = config.split.model_copy(update={"train_items": config.split.train_items or ITEMS})
    request = {
        "config": config.model_copy(update={"split": split}).model_dump(mode="json"),
        "lengths": list(lengths),
        "precisions": list(precisions),
        "steps": steps,
    }
    try:
        for line in fresh_process.stream("trainables.tools.probe:run_all", request):
            yield Probed(system.name, configured=line["precision"] == config.model.precision, **line)
    except ProcessFailed as error:
        yield Probed(system.name, 0, "-", "failed", configured=True, reason=str(error))
