"""The command line: one command per verb; each parses, calls one function and prints.

Start with `session.py` for what all commands share, and with `options.py` for their options; this file has the program
and the verbs that have no file of their own. May import everything in `orchestrator`, `analysis` and `trainables`, but
does so only when a command is called, so that help and listings stay quick.
"""

from __future__ import annotations

from typing import Any

import click

from orchestrator.cli import options as options
from orchestrator.cli.cluster import cluster
from orchestrator.cli.predict import export, predict
from orchestrator.cli.profile import probe, profile
from orchestrator.cli.results import analyze, forget, logs, results, status, verify
from orchestrator.cli.search import search
from orchestrator.cli.session import Commands, command
from orchestrator.console.console import Console

_KINDS = (
    *("tasks", "datasets", "models", "variants", "metrics"),
    *("searchers", "schedulers", "tests", "figures", "experiments"),
)
_SPREAD_HELP = "The same, from this standard deviation of score differences over seeds."


@click.group(cls=Commands, context_settings=options.CONTEXT)
@click.version_option(package_name="orchestrator", prog_name="orchestrate")
def main() -> None:
    """Find out which transformer, recipe or hyper-parameters are really better on your task, and by how much.

    EXPERIMENT is the name of a built-in experiment (see `list experiments`) or the path of a YAML file. Data goes to
    stdout, progress to stderr. Exit codes: 0 done, 1 bug, 2 usage or configuration, 3 failed or diverged runs,
    4 environment, 5 locked, 6 corrupt results, 129, 130 and 143 signals.
    """


@main.command("list")
@click.argument("kind", required=False, type=click.Choice(_KINDS), metavar="[KIND]")
@options.json_option
@command
def list_(console: Console, kind: str | None) -> None:
    """List the names that an experiment file can use, and the figures of a report.

    KIND is one of: tasks, datasets, models, variants, metrics, searchers, schedulers, tests, figures, experiments.
    """
    from dataclasses import asdict

    from orchestrator.commands.list import KINDS, entries
    from orchestrator.console import text

    kinds = {name: entries(name) for name in KINDS if kind in (None, name)}
    if console.as_json:
        console.document({name: [asdict(entry) for entry in part] for name, part in kinds.items()})
    else:
        console.data(text.listing(kinds))


@main.command()
@click.argument("data", nargs=-1, required=True)
@click.option("--task", metavar="TASK", help="What the data is for (`list tasks`). Default: what its columns fit.")
@click.option("--to", metavar="FILE", help="The file to write. Default: named after the data, in this folder.")
@options.json_option
@command
def init(console: Console, data: tuple[str, ...], task: str | None, to: str | None) -> None:
    """Look at a data file, a folder, or the files of several parts, and write an experiment file for them.

    It says how the data is read, which task it is for, and an alternative where that is not sure. The experiment file
    is one that `validate` accepts, with comments where something is to be decided. Nothing is overwritten.
    """
    from orchestrator.commands.init import start
    from orchestrator.console.data_preview import started_document, started_text

    started = start(data, task, to)
    for warning in (*started.facts.warnings, *started.data.warnings):
        console.warning(warning)
    if console.as_json:
        console.document(started_document(started))
    else:
        console.data(started_text(started))


@main.command()
@options.experiment_argument
@options.changes_options
@click.option("--file-only", is_flag=True, help="Check only the file; look up no names, data or models.")
@click.option("--no-data", is_flag=True, help="Leave the data aside: neither look for it nor read it.")
@options.json_option
@command
def validate(console: Console, experiment: str, file_only: bool, no_data: bool, **values: Any) -> None:
    """Check an experiment and its data, and print it with every default filled in; how the data is read goes to stderr.

    Python files that it names are not run, and what depends on them is not checked, unless --run-code is given.
    """
    from orchestrator.commands.validate import validate as check
    from orchestrator.config.yaml_file import dump
    from orchestrator.console.data_preview import data_document, preview_text

    run_code = values["run_code"]
    loaded = options.loaded(experiment, values, file_only)
    checked = check(loaded, file_only=file_only, run_code=run_code, with_data=not no_data)
    for warning in checked.warnings:
        console.warning(warning)
    content = checked.experiment.model_dump(mode="json")
    facts = checked.facts
    if console.as_json:
        data = None if facts is None else data_document(facts, checked.data)
        console.document({"experiment": content, "data": data})
        return
    if facts is not None and checked.data is not None:
        console.note(preview_text(facts, checked.data))
    console.data(dump(content).rstrip())


@main.command()
@command
def schema(console: Console) -> None:
    """Print the JSON Schema of experiment files, for editors."""
    import json

    from orchestrator.config.experiment import json_schema

    console.data(json.dumps(json_schema(), indent=2))


@main.command()
@options.experiment_argument
@options.changes_options
@options.out_option
@options.lanes_option
@options.max_runs_option
@click.option("--power", is_flag=True, help="Also show which differences these seeds can detect, from the runs so far.")
@click.option("--spread", type=click.FloatRange(min=0, min_open=True), metavar="STD", help=_SPREAD_HELP)
@click.option("--no-data", is_flag=True, help="Check the data, but do not show how it is read.")
@options.json_option
@command
def plan(console: Console, experiment: str, power: bool, spread: float | None, no_data: bool, **values: Any) -> None:
    """Show what a sweep would do: how it reads the data, its runs, what they can decide, time, disk. Starts nothing."""
    from orchestrator.config.resolve import resolve

    resolved = resolve(options.loaded(experiment, values), must_be_available=False)
    values["show_data"] = not no_data
    _show_plan(console, resolved, power=power or spread is not None, spread=spread, **values)


@main.command()
@options.experiment_argument
@options.changes_options
@options.out_option
@options.layout_options
@click.option("--accept-new-data", is_flag=True, help="Accept that the data has changed; add runs for it.")
@click.option("--no-retry", is_flag=True, help="Skip runs that failed before.")
@click.option("--no-analyze", is_flag=True, help="Skip the analysis at the end.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@options.strict_option
@options.max_runs_option
@options.json_option
@command
def sweep(console: Console, experiment: str, dry_run: bool, no_analyze: bool, **values: Any) -> int:
    """Run every cell of an experiment that has no record yet, then analyse. Running it again resumes."""
    from orchestrator.commands.sweep import sweep as execute
    from orchestrator.config.resolve import resolve
    from orchestrator.console.live import shown
    from orchestrator.console.sweep_summary import report

    loaded = options.loaded(experiment, values)
    chosen = options.sweep_options(values)
    resolved = resolve(loaded, must_be_available=not dry_run)
    if dry_run:
        limits: dict[str, Any] = {"max_runs": chosen.max_runs, "strict": chosen.strict}
        _show_plan(console, resolved, out=chosen.out, lanes=chosen.layout.lanes, **limits)
        return 0
    for note in resolved.notes:
        console.warning(note)
    with shown(console) as listener:
        result = execute(resolved, chosen, listener)
    return report(console, result, analyze=not no_analyze)


@main.command()
@options.experiment_argument
@click.option("--model", required=True, help="A model of the file, a preset, or a hub id.")
@click.option("--seed", required=True, type=click.IntRange(min=0), help="The seed of the run.")
@click.option("--recipe", default="default", show_default=True, help="A recipe of the file.")
@click.option("--fold", type=click.IntRange(min=0), help="A fold, if the experiment has folds.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY.SUB=VALUE", help="Change one key of the file; repeatable."
)
@click.option("--data", metavar="PATH", help="Where the data is.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first N items; not a real result.")
@options.run_code_option
@options.out_option
@options.json_option
@command
def run(console: Console, experiment: str, fold: int | None, out: str | None, **values: Any) -> int:
    """Run one cell in this process, without Ray, or together in all processes of torchrun."""
    from orchestrator.commands.run import in_ranks, run_cell
    from orchestrator.config.load import load
    from orchestrator.config.overrides import Changes
    from orchestrator.config.resolve import resolve
    from orchestrator.console.live import shown
    from orchestrator.console.sweep_summary import report_cell

    changes = Changes(
        models=(values["model"],),
        recipes=(values["recipe"],),
        seeds=str(values["seed"]),
        data=values["data"],
        limit=values["limit"],
        settings=values["settings"],
    )

    def lead(ranks: Any) -> int:
        loaded = load(experiment, changes, run_code=values["run_code"])
        with shown(console) as listener:
            result = run_cell(resolve(loaded), fold, listener, out, ranks)
        return report_cell(console, result)

    return in_ranks(lead)


@main.command()
@click.option("--out", default="results", show_default=True, metavar="DIR", help="Where results would go.")
@options.json_option
@command
def doctor(console: Console, out: str) -> int:
    """Check that this machine has what is needed, and say how to get what is missing."""
    from dataclasses import asdict
    from pathlib import Path

    from orchestrator.commands.doctor import examine
    from orchestrator.console import text
    from orchestrator.errors import EXIT_ENVIRONMENT

    checks = examine(Path(out))
    if console.as_json:
        console.document({"findings": [asdict(check) for check in checks]})
    else:
        console.data(text.machine_checks(checks))
    return EXIT_ENVIRONMENT if any(check.state == "problem" for check in checks) else 0


for _command in (search, status, logs, results, verify, forget, analyze, predict, export, probe, profile, cluster):
    main.add_command(_command)


def _show_plan(
    console: Console, resolved: Any, *, power: bool = False, spread: float | None = None, **values: Any
) -> None:
    from orchestrator.commands.plan import plan as make_plan
    from orchestrator.commands.plan import with_power
    from orchestrator.console import text

    planned = make_plan(resolved, **values)
    planned = with_power(planned, spread) if power else planned
    for warning in planned.warnings:
        console.warning(warning)
    if console.as_json:
        console.document(text.plan_document(planned))
    else:
        console.data(text.plan(planned))
