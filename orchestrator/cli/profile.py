"""The commands `profile` (speed and memory) and `probe` (lengths, precisions and kernels that work)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import command
from orchestrator.console.console import Console, table

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.commands.probe import KernelProbed, Probed


TERA = 1e12


@click.command()
@options.experiment_argument
@options.changes_options
@click.option("--steps", type=click.IntRange(min=1), default=30, show_default=True, help="Steps that are measured.")
@click.option("--warmup", type=click.IntRange(min=0), metavar="N", help="Steps before those. Default: as many.")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Fresh processes a system, in turn."
)
@options.out_option
@options.json_option
@command
def profile(
    console: Console, experiment: str, steps: int, warmup: int | None, rounds: int, out: str | None, **values: Any
) -> int:
    """Train every system for some steps, each alone in a fresh process: speed, memory, and where the time goes."""
    from orchestrator.commands.profile import check, exit_code
    from orchestrator.commands.profile import profile as measure
    from orchestrator.config.data_check import check_data
    from orchestrator.config.resolve import resolve
    from orchestrator.storage.find_results import default_out

    resolved = resolve(options.loaded(experiment, values))
    place = out or default_out(resolved.experiment.experiment)
    check(place)
    check_data(resolved)

    def hear(row: dict[str, Any]) -> None:
        speed = row.get("samples_per_second")
        said = row.get("reason") or "" if speed is None else f"{speed:.1f} samples/s"
        console.note(f"round {row['round']} {row['system']}: {row['result']} {said}".rstrip())

    rows = measure(resolved, steps=steps, warmup=warmup, rounds=rounds, hear=hear)
    _tell(console, rows, place)
    return exit_code(rows)


def _tell(console: Console, rows: list[dict[str, Any]], out: str) -> None:
    """Write the files and show the table."""
    from analysis.tables import profile as tables
    from orchestrator.commands.profile import TABLE, write

    files = write(rows, out)
    frame = tables.to_table(rows).to_pandas()
    summary = tables.summary(frame)
    moved = tables.drift(frame)
    if moved > tables.NOISE:
        console.warning(
            f"the machine's own speed moved by {moved:.0%} between processes: smaller differences mean nothing here"
        )
    if console.as_json:
        profiles = [_plain(row) for row in summary.to_dict("records")]
        measured = [_plain(row) for row in frame.to_dict("records")]
        console.document({"profiles": profiles, "rounds": measured, "drift": moved, "out": out, "files": files})
        return
    console.data(_profile_table(summary))
    console.note(f"{out}/{TABLE}")


def _profile_table(summary: pd.DataFrame) -> str:
    columns = [
        *("system", "samples/s", "of rounds", "tokens/s", "step p50 ms", "p95", "peak GiB", "reserved", "padding"),
        *("TFLOP/s", "of ceiling", "forward", "backward", "optimizer", "host"),
    ]
    found = [_plain(row) for row in summary.to_dict("records")]
    reasons = [f"{row['system']}: {row['result']}: {row['reason']}" for row in found if row["reason"]]
    return "\n".join([table(columns, [_cells(row) for row in found]), *reasons])


def _cells(row: dict[str, Any]) -> list[Any]:
    """One line: what does not exist is a dash."""
    shares = [row[f"{phase}_share"] for phase in ("forward", "backward", "optimizer", "host")]
    return [
        row["system"],
        _number(row["samples_per_second"], 1),
        _range(row["samples_per_second_min"], row["samples_per_second_max"]),
        _number(row["tokens_per_second"], 0),
        _number(row["step_seconds_p50"], 1, 1e3),
        _number(row["step_seconds_p95"], 1, 1e3),
        _number(row["peak_memory_gib"], 2),
        _number(row["peak_reserved_gib"], 2),
        _number(row["padding_waste"], 0, 100, "%"),
        _number(row["model_operations_per_second"], 3, 1 / TERA),
        *(_number(share, 0, 100, "%") for share in (row["utilisation"], *shares)),
    ]


def _number(value: float | None, digits: int, factor: float = 1.0, unit: str = "") -> str | None:
    return None if value is None else f"{value * factor:.{digits}f}{unit}"


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.1f} to {high:.1f}"


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Missing values as None, whatever pandas made of them."""
    return {str(name): None if value is None or value != value else value for name, value in row.items()}


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
        console.data("\n\n".join([_probe_table(results), *([kernels_table(kernels)] if kernels else [])]))
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


def _probe_table(results: list[Any]) -> str:
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
