"""The commands that only need results: status, logs, results, verify, forget, analyze."""

from __future__ import annotations

import sys

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import command
from orchestrator.console.console import Console

where_argument = click.argument("where", required=False, metavar="[EXPERIMENT|DIR]")


@click.command()
@where_argument
@options.json_option
@command
def status(console: Console, where: str | None) -> None:
    """Show how far a sweep is, even while it runs."""
    from orchestrator.console import text
    from orchestrator.storage.find_results import open_results
    from orchestrator.storage.status import status_of

    sweep_status = status_of(open_results(where))
    for warning in sweep_status.warnings:
        console.warning(warning)
    if console.as_json:
        console.document(text.status_document(sweep_status))
        return
    console.data(f"{sweep_status.location}\n{text.status(sweep_status)}")


@click.command()
@click.argument("run")
@options.out_option
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the run or its sweep has ended.")
@options.json_option
@command
def logs(console: Console, run: str, out: str | None, follow: bool) -> None:
    """Show the log of a run, and why attempts at it failed. RUN is the start of its id, or system:seed."""
    from orchestrator.commands.results import document, followed, history
    from orchestrator.storage.find_results import find_run

    if follow and console.as_json:
        raise click.UsageError(
            "--follow prints lines as they come, --json one document at the end: use only one of them"
        )
    store, run_id = find_run(run, out)
    if follow:
        console.note(f"following run {run_id} in {store.location}; Ctrl-C to stop")
        for line in followed(store, run_id):
            console.data(line)
    elif console.as_json:
        console.document(document(store, run_id))
    else:
        console.data(history(store, run_id))


@click.command()
@where_argument
@click.option("--metric", metavar="NAME", help="Show this metric instead of the score.")
@click.option("--sort", metavar="COLUMN", help="Sort by a column or metric, smallest first; -COLUMN: largest first.")
@options.json_option
@command
def results(console: Console, where: str | None, metric: str | None, sort: str | None) -> None:
    """Show the runs and their scores."""
    from orchestrator.commands.results import ordered, rows, shown
    from orchestrator.console.console import table
    from orchestrator.storage.find_results import open_results

    store = open_results(where)
    runs, warnings = rows(store)
    runs = runs if sort is None else ordered(runs, sort)
    headings, lines = shown(runs, metric)
    for warning in warnings:
        console.warning(warning)
    if console.as_json:
        console.document({"location": store.location, "runs": runs, "warnings": list(warnings)})
    else:
        console.data(table(headings, lines))


@click.command()
@where_argument
@click.option("--repair", is_flag=True, help="Restore, rebuild or set aside damaged files; delete nothing.")
@options.json_option
@command
def verify(console: Console, where: str | None, repair: bool) -> int:
    """Check every file of the results that has a hash or a schema, and list the damage.

    Nothing is changed without --repair. Exit code 6 means damage, or, after a repair, damage that only a sweep, a
    search or a person can repair.
    """
    from orchestrator.commands.verify import document, verify
    from orchestrator.console import text
    from orchestrator.errors import EXIT_CORRUPT
    from orchestrator.storage.find_results import open_results

    verification = verify(open_results(where), where, repair=repair)
    for warning in verification.warnings:
        console.warning(warning)
    if console.as_json:
        console.document(document(verification))
    else:
        console.data(text.verification(verification))
    return EXIT_CORRUPT if verification.damage else 0


@click.command()
@click.argument("run")
@options.out_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.json_option
@command
def forget(console: Console, run: str, out: str | None, yes: bool) -> None:
    """Move a run's record aside, so that the next sweep runs it again. RUN is the start of its id, or system:seed."""
    from orchestrator.storage.find_results import find_run

    store, run_id = find_run(run, out)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("this needs confirmation, and there is no terminal to ask on; pass --yes")
        click.confirm(f"Forget run {run_id} in {store.location}?", abort=True, err=True)
    with store.lock():
        folder = store.forget(run_id)
        store.compact()
    if console.as_json:
        console.document({"run_id": run_id, "location": store.location, "moved_to": f"{store.location}/{folder}"})
    else:
        console.data(f"moved to {store.location}/{folder}")


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out", metavar="DIR", help="Folder for tables, figures and report. Default: analysis/ in the results directory."
)
@click.option("--metric", help="Compare by this metric instead of the experiment's.")
@click.option("--direction", type=click.Choice(["maximize", "minimize"]), help="Which scores are better.")
@click.option("--alpha", type=float, help="Family-wise error rate.")
@click.option("--rope", type=float, help="Smallest difference that matters.")
@click.option("--baseline", metavar="SYSTEM", help="Compare every other system with this one alone.")
@click.option("--score", metavar="COLUMN", help="In a table of another tool: the column of the scores.")
@click.option("--system", metavar="COLUMN[,COLUMN]", help="The column of the systems; several are joined.")
@click.option("--seed", metavar="COLUMN", help="The column of the seeds.")
@click.option("--item", metavar="COLUMN", help="The column of the items, where a row is the score of one item.")
@click.option("--ignore", metavar="COLUMN[,COLUMN]", help="Columns that may differ between the runs of one system.")
@click.option(
    "--generator-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the resampling."
)
@click.option(
    "--figures", default="svg", show_default=True, metavar="FORMAT[,FORMAT]", help="Formats of figures: svg, pdf, png."
)
@click.option("--no-figures", is_flag=True, help="Draw nothing: tables and a report without figures, in half the time.")
@options.json_option
@command
def analyze(
    console: Console,
    sources: tuple[str, ...],
    out: str | None,
    generator_seed: int,
    score: str | None,
    system: str | None,
    seed: str | None,
    item: str | None,
    ignore: str | None,
    figures: str,
    no_figures: bool,
    **values: str | float | None,
) -> None:
    """Compare systems. SOURCE is a results directory, or a table with system, seed and score.

    SOURCE can also be the name or file of an experiment with results under results/. Tables are CSV, Excel, Parquet or
    JSON, exports of W&B, MLflow and Optuna, and results of lm-eval, Inspect and the Trainer: see docs/analyze.md.
    """
    from analysis.tables.read import Columns
    from orchestrator.commands.analyze import analyze
    from orchestrator.console import text

    named, ignored = options.split_names(system) or (), options.split_names(ignore) or ()
    columns = Columns(score=score, system=named, seed=seed, item=item, ignore=ignored)
    compare = {name: value for name, value in values.items() if value is not None}
    formats = () if no_figures else tuple(name.strip() for name in figures.split(",") if name.strip())
    result = analyze(
        list(sources), out=out, compare=compare, columns=columns, generator_seed=generator_seed, figures=formats
    )
    for warning in result.analysis.warnings:
        console.warning(warning)
    if console.as_json:
        console.document({**result.analysis.to_json(), "report": result.report})
    else:
        console.data(text.comparison(result))
        console.note(f"report: {result.report}")
