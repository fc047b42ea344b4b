"""The command `search`: looks for hyper-parameters, and on request compares the winners with fresh seeds."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.cli import options
from orchestrator.cli.session import command
from orchestrator.console.console import Console


@click.command()
@options.experiment_argument
@options.changes_options
@options.out_option
@options.layout_options
@click.option("--then-sweep", is_flag=True, help="Run each system's winner with the file's seeds, and compare.")
@click.option("--accept-new-data", is_flag=True, help="Accept that the data has changed; add runs for it.")
@click.option("--no-retry", is_flag=True, help="Skip runs that failed before.")
@click.option("--no-analyze", is_flag=True, help="Skip the analysis at the end.")
@click.option("--dry-run", is_flag=True, help="Only show what would be tried.")
@options.strict_option
@options.max_runs_option
@options.json_option
@command
def search(console: Console, experiment: str, then_sweep: bool, dry_run: bool, no_analyze: bool, **values: Any) -> int:
    """Search for hyper-parameters as the experiment's `search` part says. Running it again continues.

    Every system gets the same number of trials; the first one is the file's own settings. Trials that do badly end
    early. A larger `search.trials` or `search.hours` continues the same search.
    """
    from orchestrator.commands.search import search as execute
    from orchestrator.commands.search import with_winners
    from orchestrator.commands.sweep import sweep
    from orchestrator.config.data_check import check_data
    from orchestrator.config.resolve import resolve
    from orchestrator.console.live import shown
    from orchestrator.console.search_summary import report, show_plan
    from orchestrator.console.sweep_summary import report as report_sweep

    loaded = options.loaded(experiment, values)
    chosen = options.sweep_options(values)
    resolved = resolve(loaded, must_be_available=not dry_run)
    if dry_run:
        show_plan(console, resolved, check_data(resolved, strict=chosen.strict))
        return 0
    for note in resolved.notes:
        console.warning(note)

    with shown(console) as listener:
        searched = execute(resolved, chosen, listener)
    winners = with_winners(resolved, searched.studies)
    if not then_sweep or searched.is_interrupted or not winners.systems:
        return report(console, searched, analyze=not no_analyze, then_sweep=then_sweep)
    with shown(console) as listener:
        swept = sweep(winners, chosen, listener)
    return report_sweep(console, swept, analyze=not no_analyze, search=searched)
