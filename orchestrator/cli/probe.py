"""The command `probe`: which lengths and precisions a model can be trained in, and which kernels of attention fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import command
from orchestrator.console.console import Console, table

if TYPE_CHECKING:
    from orchestrator.commands.probe import KernelProbed, Probed


@click.command()
@options.experiment_argument
@options.changes_options
@click.option("--lengths", default="128,256,512", show_default=True, metavar="A,B", help="Pieces per item.")
@click.option("--precisions", default="fp32,bf16,fp16", show_default=True, metavar="A,B", help="Which precisions.")
@click.option("--steps", type=click.IntRange(min=1), default=4, show_default=True, help="Optimizer steps of a probe.")
@click.option(
    "--kernel-lengths",
    default="64,128,192,256,320",
    show_default=True,
    metavar="A,B",
    help="Lengths at which each kernel of attention is tried alone; '' leaves that out.",
)
@options.json_option
@command
def probe(console: Console, experiment: str, steps: int, **values: Any) -> int:
    """Train every system for a few steps at several lengths and precisions: finite, or not, and how much memory.

    Then try each kernel of attention that the device has: forwards and backwards, with and without mask and dropout,
    with usual and with very low scores. That takes about ten seconds on a processor, and on any device at most 480
    small passes for each size of heads.
    """
    from dataclasses import asdict

    from orchestrator.commands.probe import is_broken, probe_kernels
    from orchestrator.commands.probe import probe as run
    from orchestrator.config.resolve import resolve
    from orchestrator.errors import EXIT_FAILED_RUNS

    precisions = _precisions(values["precisions"])
    lengths, kernel_lengths = _lengths(values["lengths"]), _lengths(values["kernel_lengths"] or None)
    resolved = resolve(options.loaded(experiment, values))

    def hear(found: Probed) -> None:
        console.note(f"{found.system} {found.length} {found.precision}: {found.result} {found.reason or ''}".rstrip())

    def hear_kernel(found: KernelProbed) -> None:
        if found.result not in ("finite", "not here"):
            console.note(fault(found))

    results = run(resolved, lengths=lengths, precisions=precisions, steps=steps, hear=hear)
    kernels = probe_kernels(resolved, lengths=kernel_lengths, precisions=precisions, hear=hear_kernel)
    if console.as_json:
        console.document({"probes": [asdict(one) for one in results], "kernels": [asdict(one) for one in kernels]})
    else:
        console.data("\n\n".join([_table(results), *([kernels_table(kernels)] if kernels else [])]))
    broken = any(map(is_broken, results)) or any(map(is_broken, kernels))
    return EXIT_FAILED_RUNS if broken else 0


def _precisions(written: str) -> list[str]:
    from orchestrator.commands.probe import PRECISIONS

    chosen = [name.strip() for name in written.split(",")]
    if [name for name in chosen if name not in PRECISIONS]:
        raise click.UsageError(f"--precisions are of {', '.join(PRECISIONS)}, got {written!r}")
    return chosen


def _lengths(written: str | None) -> list[int]:
    parts = [] if written is None else [part.strip() for part in written.split(",")]
    if not all(part.isdecimal() and int(part) >= 4 for part in parts):
        raise click.UsageError(f"--lengths and --kernel-lengths are whole numbers from 4 on, got {written!r}")
    return [int(part) for part in parts]


def _table(results: list[Any]) -> str:
    columns = ["system", "length", "precision", "result", "loss", "step seconds", "peak GiB", "skipped"]
    rows = [
        [
            found.system,
            found.length,
            f"{found.precision} *" if found.configured else found.precision,
            found.result,
            found.loss,
            found.step_seconds,
            found.peak_memory_gib,
            found.skipped,
        ]
        for found in results
    ]
    return f"{table(columns, rows)}\n* the precision that the experiment would use"


def fault(found: KernelProbed) -> str:
    """Which kernel failed, at what."""
    if found.kernel == "-":
        return f"attention kernels: {found.reason}"
    dropout = "with" if found.dropout else "without"
    where = f"at length {found.length} in {found.precision} {dropout} dropout, heads of {found.head_size}"
    return f"sdpa/{found.kernel}: {found.reason}, {where}"


def kernels_table(results: list[KernelProbed]) -> str:
    """A line a kernel, size of heads and precision; then every fault, one line each."""
    groups: dict[tuple[str, int, str], list[KernelProbed]] = {}
    for found in results:
        groups.setdefault((found.kernel, found.head_size, found.precision), []).append(found)
    rows = [[_marked(of), of[0].head_size, of[0].precision, *_outcome(of)] for of in groups.values()]
    shown = table(["kernel of sdpa", "head size", "precision", "finite at", "fails at"], rows)
    faults = [fault(found) for found in results if found.result not in ("finite", "not here")]
    return "\n".join([shown, "* runs compute with it", *faults])


def _marked(of: list[KernelProbed]) -> str:
    return f"{of[0].kernel} *" if of[0].allowed else of[0].kernel


def _outcome(of: list[KernelProbed]) -> tuple[str | None, str | None]:
    """Lengths at which it never failed, and those at which it did; neither where the device lacks it."""
    failed = {found.length for found in of if found.result not in ("finite", "not here")}
    finite = {found.length for found in of if found.result == "finite"} - failed
    good, bad = (", ".join(map(str, sorted(lengths))) or None for lengths in (finite, failed))
    return good, bad
