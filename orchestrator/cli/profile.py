"""The command `profile`: how fast each system trains, what memory it takes and where its time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import command
from orchestrator.console.console import Console, table

if TYPE_CHECKING:
    import pandas as pd

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
    console.data(_table(summary))
    console.note(f"{out}/{TABLE}")


def _table(summary: pd.DataFrame) -> str:
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
