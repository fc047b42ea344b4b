"""Options that several commands share, so that each is spelled and explained once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from orchestrator.commands.sweep import SweepOptions
    from orchestrator.config.loaded import Loaded

Command = TypeVar("Command", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

experiment_argument = click.argument("experiment")

out_option = click.option(
    "--out", metavar="DIR", help="Results directory or URI (s3://, gs://). Default: results/<experiment>."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
strict_option = click.option("--strict", is_flag=True, help="Refuse evaluation items that are also training items.")
max_runs_option = click.option(
    "--max-runs", type=click.IntRange(min=1), default=10_000, show_default=True, help="Largest grid to accept."
)
lanes_option = click.option("--lanes", type=click.IntRange(min=1), help="Number of runs at the same time.")


run_code_option = click.option(
    "--run-code", is_flag=True, help="Run the Python files that the experiment names, even in a results directory."
)


def changes_options(command: Command) -> Command:
    """Add the options that change an experiment; `loaded` takes their values."""
    options = (
        click.option(
            "--set", "settings", multiple=True, metavar="KEY.SUB=VALUE", help="Change one key of the file; repeatable."
        ),
        click.option("--models", metavar="A,B", help="Compare these models instead of the file's."),
        click.option("--recipes", metavar="A,B", help="Use only these recipes of the file."),
        click.option("--seeds", metavar="42-51", help="Use these seeds instead of the file's."),
        click.option("--data", metavar="PATH", help="Where the data is."),
        run_code_option,
        click.option(
            "--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first N items; not a real result."
        ),
    )
    return _with(options, command)


def layout_options(command: Command) -> Command:
    """Add the options for how a grid is executed; `sweep_options` reads their values."""
    options = (
        click.option("--workers", type=click.IntRange(min=1), help="Number of processes that train one run together."),
        lanes_option,
        click.option(
            "--address",
            envvar="RAY_ADDRESS",
            metavar="ADDRESS",
            help="Address of a running Ray cluster (also: RAY_ADDRESS). Default: one on this machine.",
        ),
        click.option("--in-process", is_flag=True, help="Execute run after run in this process, without Ray."),
        click.option("--attempts", type=click.IntRange(min=1), help="Maximum attempts per run in this sweep."),
        click.option(
            "--stall-timeout",
            type=click.FloatRange(min=1),
            metavar="SECONDS",
            help="Rebuild a lane after this long without progress.",
        ),
    )
    return _with(options, command)


def output_options(command: Command) -> Command:
    """Add the options for messages on stderr."""
    options = (
        click.option("-v", "--verbose", is_flag=True, help="Print more on stderr."),
        click.option("--quiet", is_flag=True, help="Print only warnings and errors on stderr."),
        click.option("--no-color", is_flag=True, help="Use no colours (also: NO_COLOR)."),
        click.option("--debug", is_flag=True, help="Show tracebacks."),
    )
    return _with(options, command)


def loaded(experiment: str, values: dict[str, Any], file_only: bool = False) -> Loaded:
    """Read the experiment, taking the values of `changes_options` out of a command's arguments."""
    from orchestrator.config.load import load
    from orchestrator.config.overrides import Changes

    changes = Changes(
        models=split_names(values.pop("models")),
        recipes=split_names(values.pop("recipes")),
        seeds=values.pop("seeds"),
        data=values.pop("data"),
        limit=values.pop("limit"),
        settings=values.pop("settings"),
    )
    return load(experiment, changes, run_code=values.pop("run_code"), file_only=file_only)


def sweep_options(values: dict[str, Any]) -> SweepOptions:
    """Build the options that `sweep` and `search` share from a command's arguments."""
    from orchestrator.commands._execution import LayoutOptions
    from orchestrator.commands.sweep import SweepOptions

    return SweepOptions(
        out=values["out"],
        layout=LayoutOptions(
            in_process=values["in_process"],
            workers=values["workers"],
            lanes=values["lanes"],
            address=values["address"],
            stall_seconds=values["stall_timeout"],
            attempts=values["attempts"],
        ),
        accept_new_data=values["accept_new_data"],
        retry=not values["no_retry"],
        strict=values["strict"],
        max_runs=values["max_runs"],
    )


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in a list with commas; None for an option that was not given."""
    return None if text is None else tuple(filter(None, (name.strip() for name in text.split(","))))


def _with(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
