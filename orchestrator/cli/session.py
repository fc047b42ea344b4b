"""What all commands share: the console, logging, and how an error becomes a message and an exit code.

With `--json`, a command that fails also prints a document: the kind of error, the message and the exit code.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import functools
import itertools
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from orchestrator.cli.options import output_options
from orchestrator.console.console import ARGUMENTS, Console
from orchestrator.errors import EXIT_BUG, EXIT_CORRUPT, EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_USAGE, KINDS, UserError
from orchestrator.executors import hard_exit


@contextlib.contextmanager
def refusals_documented(arguments: Sequence[str]) -> Iterator[None]:
    """Print the error document of a command line that click refuses, or of a confirmation that was declined."""
    try:
        yield
    except click.ClickException as error:
        document_error(arguments, error.format_message(), error.exit_code)
        raise
    except click.Abort:
        document_error(arguments, "not confirmed; nothing was done", EXIT_BUG, kind="aborted")
        raise


def document_error(arguments: Sequence[str], message: str, code: int, kind: str | None = None) -> None:
    """Print the document of an error if the arguments ask for JSON, unless stdout cannot be written."""
    if "--json" not in itertools.takewhile(lambda argument: argument != "--", arguments):
        return
    error = {"kind": kind or KINDS[code], "message": message, "exit_code": code}
    with contextlib.suppress(OSError):
        Console(as_json=True).document({"error": error})


_ENVIRONMENT_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})


def exit_code(error: BaseException) -> int | None:
    """Return the exit code of an error; None for one that no user can solve: a bug of ours."""
    if isinstance(error, UserError):
        return error.exit_code
    if isinstance(error, OSError):
        return EXIT_ENVIRONMENT if error.errno in _ENVIRONMENT_ERRNOS else None
    return _foreign_exit_code(error)


def _foreign_exit_code(error: BaseException) -> int | None:
    """Return the exit code of an error of `analysis` or `trainables`, which are imported only here."""
    from analysis.registry import UnknownName
    from analysis.tables.folder import LinkedOutside
    from analysis.tables.schema import Corrupt
    from trainables.data.dataset import DataError
    from trainables.modeling.hub import ModelError
    from trainables.modeling.saved_model import DamagedWeights, NotSaved
    from trainables.system.private_parts import PrivatePartMissing

    if isinstance(error, Corrupt | DamagedWeights):
        return EXIT_CORRUPT
    if isinstance(error, PrivatePartMissing):
        return EXIT_ENVIRONMENT
    of_the_user = DataError | LinkedOutside | ModelError | NotSaved | UnknownName
    return EXIT_USAGE if isinstance(error, of_the_user) else None


PACKAGES = ("orchestrator", "trainables", "analysis")
_DEBUG, _CONSOLE = "orchestrate.debug", "orchestrate.console"


class Commands(click.Group):
    """The program: suggests the nearest command, and turns errors into one message and the right exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Do as click does, but end a process that has lost its Ray cluster at once, with the right exit code."""
        try:
            return super().main(*args, **extra)
        except SystemExit as left:
            hard_exit.end(left.code if isinstance(left.code, int) else 0)
            raise

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Do as click does, and keep the arguments, so that a sweep can say how to resume it."""
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
        """Do as click does, and suggest a command for one that is misspelled."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; see orchestrate --help"
            ctx.fail(f"no such command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print one line for an unexpected exception, and a traceback only with --debug."""
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
    """Give a command its console and the output options; the command returns its exit code."""

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
    """Writes log records as lines to the current stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def configure_logging(level: int) -> None:
    """Send our packages' log records to stderr; nothing else configures logging."""
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
