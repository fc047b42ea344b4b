"""The command `probe`: which lengths and precisions a model can be trained in."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import command
from orchestrator.screen.console import Console, table


@click.command()
@options.experiment_argument
@options.changes_options
@click.option("--lengths", default="128,256,512", show_default=True, metavar="A,B", help="Pieces per item.")
@click.option("--precisions", default="fp32,bf16,fp16", show_default=True, metavar="A,B", help="Which precisions.")
@click.option("--steps", type=click.IntRange(min=1), default=4, show_default=True, help="Optimizer steps of a probe.")
@options.json_option
@command
def probe(console: Console, experiment: str, lengths: str, precisions: str, steps: int, **values: Any) -> int:
    """Train every system for a few steps at several lengths and precisions: finite, or not, and how much memory."""
    from dataclasses import asdict

    from orchestrator.errors import EXIT_FAILED_RUNS
    from orchestrator.probe import PRECISIONS, Probed
    from orchestrator.probe import probe as run
    from orchestrator.spec.experiment_file import load
    from orchestrator.spec.resolve import resolve

    chosen = [name.strip() for name in precisions.split(",")]
    unknown = [name for name in chosen if name not in PRECISIONS]
    if unknown or not all(part.strip().isdecimal() and int(part) >= 4 for part in lengths.split(",")):
        raise click.UsageError(f"--lengths are whole numbers from 4 on, --precisions are of {', '.join(PRECISIONS)}")
    resolved = resolve(load(experiment, options.changes(values)))

    def hear(found: Probed) -> None:
        console.note(f"{found.system} {found.length} {found.precision}: {found.result} {found.reason or ''}".rstrip())

    results = run(
        resolved, lengths=[int(part) for part in lengths.split(",")], precisions=chosen, steps=steps, hear=hear
    )
    if console.as_json:
        console.document({"probes": [asdict(found) for found in results]})
    else:
        console.data(_table(results))
    broken = any(found.configured and found.result not in ("finite", "not here") for found in results)
    return EXIT_FAILED_RUNS if broken else 0


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
