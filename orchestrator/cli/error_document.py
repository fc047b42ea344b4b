"""Under `--json` a command that fails leaves a document, too: the kind of error, what went wrong, and the exit code."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence

import click

from orchestrator.console.console import Console
from orchestrator.errors import EXIT_BUG, KINDS


@contextlib.contextmanager
def refusals_documented(arguments: Sequence[str]) -> Iterator[None]:
    """Leave the document of a command line that click refuses, and of a question that was answered with no."""
    try:
        yield
    except click.ClickException as error:
        document_error(arguments, error.format_message(), error.exit_code)
        raise
    except click.Abort:
        document_error(arguments, "not agreed to, and nothing was done", EXIT_BUG, kind="aborted")
        raise


def document_error(arguments: Sequence[str], message: str, code: int, kind: str | None = None) -> None:
    """Print the document of an error where the arguments ask for JSON. A stdout that cannot be written gets none."""
    if "--json" not in itertools.takewhile(lambda argument: argument != "--", arguments):
        return
    error = {"kind": kind or KINDS[code], "message": message, "exit_code": code}
    with contextlib.suppress(OSError):
        Console(as_json=True).document({"error": error})
