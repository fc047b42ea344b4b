"""What every command shares: its console, logging, and how an error becomes a message and an exit code."""

from __future__ import annotations

import difflib
import errno
import functools
import logging
import os
import traceback
from collections.abc import Callable
from typing import Any

import click

from orchestrator.cli.error_document import document_error, refusals_documented
from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.options import output_options
from orchestrator.console.console import ARGUMENTS, Console
from orchestrator.errors import EXIT_BUG, EXIT_INTERRUPTED
from orchestrator.executors import hard_exit

PACKAGES = ("orchestrator", "trainables", "analysis")
_DEBUG, _CONSOLE = "orchestrate.debug", "orchestrate.console"


class Commands(click.Group):
    """The program: suggests the nearest command, and turns errors into one message and the right exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """As click does; a process that has lost its Ray cluster ends at once, with the code that it should."""
        try:
            return super().main(*args, **extra)
        except SystemExit as left:
            hard_exit.end(left.code if isinstance(left.code, int) else 0)
            raise

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does; the arguments are kept, so that a sweep can say how to resume it."""
        if parent is not None:
            return super().make_context(info_name, args, parent, **extra)
        given = list(args)
        with refusals_documented(given):
            ctx = super().make_context(info_name, args, **extra)
        ctx.meta[ARGUMENTS] = given
        return ctx

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a command that is misspelt."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; see orchestrate --help"
            ctx.fail(f"no such command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an unexpected exception is one line, and a traceback only with --debug."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        given = ctx.meta[ARGUMENTS]
        try:
            with refusals_documented(given):
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            document_error(given, "interrupted", EXIT_INTERRUPTED)
            ctx.exit(EXIT_INTERRUPTED)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            ctx.exit(_explain(error, ctx))


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command its console and the options for what it says; what it returns is the exit code."""

    @functools.wraps(function)
    def wrapper(*args: Any, verbose: bool, quiet: bool, no_color: bool, debug: bool, **values: Any) -> None:
        color = False if no_color or os.environ.get("NO_COLOR") else None
        console = Console(as_json=values.pop("as_json", False), quiet=quiet, color=color)
        meta = click.get_current_context().meta
        meta[_DEBUG], meta[_CONSOLE] = debug, console
        configure_logging(logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING)
        code = function(console, *args, **values)
        if code:
            click.get_current_context().exit(code)

    return output_options(wrapper)


class _ToStderr(logging.Handler):
    """Log records as lines on whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def configure_logging(level: int) -> None:
    """The one place that decides where our packages' log records go."""
    handler = _ToStderr(level)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    for name in PACKAGES:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)


def _explain(error: Exception, ctx: click.Context) -> int:
    console: Console = ctx.meta.get(_CONSOLE, Console())
    if ctx.meta.get(_DEBUG):
        click.echo("".join(traceback.format_exception(error)), err=True)
    code, text = exit_code(error), str(error)
    if code is None:
        first_line = next(iter(text.splitlines()), "")
        text = f"{type(error).__name__}: {first_line}\nthis is a bug; run again with --debug to see where"
        code = EXIT_BUG
    console.error(text)
    document_error(ctx.meta[ARGUMENTS], text, code)
    return code
