"""The commands `profile` (speed and memory) and `probe` (which lengths, precisions and kernels work)."""

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
@click.option("--steps", type=click.IntRange(min=1), default=30, show_default=True, help="Steps to measure.")
@click.option(
    "--warmup", type=click.IntRange(min=0), metavar="N", help="Steps to run before measuring. Default: as many."
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Fresh processes per system, in turn."
)
@options.out_option
@options.json_option
@command
def profile(
    console: Console, experiment: str, steps: int, warmup: int | None, rounds: int, out: str | None, **values: Any
) -> int:
    """Measure the speed and memory of every system, and where its time goes.

    Each system trains for some steps, alone in fresh processes.
    """
    from orchestrator.commands.profile import check, exit_code
    from orchestrator.commands.profile import profile as measure
    from orchestrator.config.data_check import check_data
    from orchestrator.config.resolve import resolve
    from orchestrator.storage.find_results import default_out

    resolved = resolve(options.loaded(experiment, values))
    folder = out or default_out(resolved.experiment.experiment)
    check(folder)
    check_data(resolved)

    def on_result(row: dict[str, Any]) -> None:
        speed = row.get("samples_per_second")
        detail = row.get("reason") or "" if speed is None else f"{speed:.1f} samples/s"
        console.note(f"round {row['round']} {row['system']}: {row['result']} {detail}".rstrip())

    rows = measure(resolved, steps=steps, warmup=warmup, rounds=rounds, on_result=on_result)
    _report(console, rows, folder)
    return exit_code(rows)


def _report(console: Console, rows: list[dict[str, Any]], out: str) -> None:
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
    rows = [_plain(row) for row in summary.to_dict("records")]
    reasons = [f"{row['system']}: {row['result']}: {row['reason']}" for row in rows if row["reason"]]
    return "\n".join([table(columns, [_cells(row) for row in rows]), *reasons])


def _cells(row: dict[str, Any]) -> list[Any]:
    """Return the cells of one line; a missing value becomes a dash."""
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
    """Return the row with every missing value as None, whatever pandas made of it."""
    return {str(name): None if value is None or value != value else value for name, value in row.items()}


@click.command()
@options.experiment_argument
@options.changes_options
@click.option("--lengths", default="128,256,512", show_default=True, metavar="A,B", help="Tokens per item.")
@click.option("--precisions", default="fp32,bf16,fp16", show_default=True, metavar="A,B", help="Precisions to try.")
@click.option("--steps", type=click.IntRange(min=1), default=4, show_default=True, help="Optimizer steps per probe.")
@click.option(
    "--kernel-lengths",
    default="64,128,192,256,320",
    show_default=True,
    metavar="A,B",
    help="Lengths at which to try each attention kernel alone; '' for none.",
)
@options.json_option
@command
def probe(console: Console, experiment: str, steps: int, **values: Any) -> int:
    """Try every system at several lengths and precisions, and every attention kernel alone.

    Systems train for a few steps, to see whether the loss is finite and how much memory they need. Kernels run forwards
    and backwards, with and without mask and dropout, with usual and with very low scores: about ten seconds on a
    processor, and on any device at most 480 small passes per head size.
    """
    from dataclasses import asdict

    from orchestrator.commands.probe import is_broken, probe_kernels
    from orchestrator.commands.probe import probe as run
    from orchestrator.config.resolve import resolve
    from orchestrator.errors import EXIT_FAILED_RUNS

    precisions = _precisions(values["precisions"])
    lengths, kernel_lengths = _lengths(values["lengths"]), _lengths(values["kernel_lengths"] or None)
    resolved = resolve(options.loaded(experiment, values))

    def on_result(row: Probed) -> None:
        console.note(f"{row.system} {row.length} {row.precision}: {row.result} {row.reason or ''}".rstrip())

    def on_kernel(row: KernelProbed) -> None:
        if row.result not in ("finite", "not here"):
            console.note(fault(row))

    results = run(resolved, lengths=lengths, precisions=precisions, steps=steps, on_result=on_result)
    kernels = probe_kernels(resolved, lengths=kernel_lengths, precisions=precisions, on_result=on_kernel)
    if console.as_json:
        console.document({"probes": [asdict(row) for row in results], "kernels": [asdict(row) for row in kernels]})
    else:
        console.data("\n\n".join([_probe_table(results), *([kernels_table(kernels)] if kernels else [])]))
    broken = any(map(is_broken, results)) or any(map(is_broken, kernels))
    return EXIT_FAILED_RUNS if broken else 0


def _precisions(written: str) -> list[str]:
    from orchestrator.commands.probe import PRECISIONS

    chosen = [name.strip() for name in written.split(",")]
    if [name for name in chosen if name not in PRECISIONS]:
        raise click.UsageError(f"--precisions must be some of {', '.join(PRECISIONS)}, got {written!r}")
    return chosen


def _lengths(written: str | None) -> list[int]:
    parts = [] if written is None else [part.strip() for part in written.split(",")]
    if not all(part.isdecimal() and int(part) >= 4 for part in parts):
        raise click.UsageError(f"--lengths and --kernel-lengths must be whole numbers of at least 4, got {written!r}")
    return [int(part) for part in parts]


def _probe_table(results: list[Any]) -> str:
    columns = ["system", "length", "precision", "result", "loss", "step seconds", "peak GiB", "skipped"]
    rows = [
        [
            row.system,
            row.length,
            f"{row.precision} *" if row.configured else row.precision,
            row.result,
            row.loss,
            row.step_seconds,
            row.peak_memory_gib,
            row.skipped,
        ]
        for row in results
    ]
    return f"{table(columns, rows)}\n* the precision that the experiment would use"


def fault(probed: KernelProbed) -> str:
    """Describe which kernel failed, and where."""
    if probed.kernel == "-":
        return f"attention kernels: {probed.reason}"
    dropout = "with" if probed.dropout else "without"
    where = f"at length {probed.length} in {probed.precision} {dropout} dropout, heads of {probed.head_size}"
    return f"sdpa/{probed.kernel}: {probed.reason}, {where}"


def kernels_table(results: list[KernelProbed]) -> str:
    """Return one line per kernel, head size and precision; then every fault, one line each."""
    groups: dict[tuple[str, int, str], list[KernelProbed]] = {}
    for row in results:
        groups.setdefault((row.kernel, row.head_size, row.precision), []).append(row)
    lines = [[_marked(rows), rows[0].head_size, rows[0].precision, *_outcome(rows)] for rows in groups.values()]
    shown = table(["kernel of sdpa", "head size", "precision", "finite at", "fails at"], lines)
    faults = [fault(row) for row in results if row.result not in ("finite", "not here")]
    return "\n".join([shown, "* runs use it", *faults])


def _marked(rows: list[KernelProbed]) -> str:
    return f"{rows[0].kernel} *" if rows[0].allowed else rows[0].kernel


def _outcome(rows: list[KernelProbed]) -> tuple[str | None, str | None]:
    """Return the lengths at which it never failed, and those at which it did; neither if the device lacks it."""
    failed = {row.length for row in rows if row.result not in ("finite", "not here")}
    finite = {row.length for row in rows if row.result == "finite"} - failed
    good, bad = (", ".join(map(str, sorted(lengths))) or None for lengths in (finite, failed))
    return good, bad
