"""Writes results as aligned tables or one JSON document; data on stdout, the rest on stderr.

If a table is too wide for the terminal, rich wraps its cells. Otherwise columns are padded here, each as wide as its
longest cell: scripts read that, and rich takes 4 s for 10,000 rows that take 0.2 s here.
"""

from __future__ import annotations

import io
import json
import math
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

SCHEMA_VERSION = 1
ARGUMENTS = "orchestrate.arguments"
WRAPPED_ROWS = 1000
GAP = 2


@dataclass(frozen=True)
class Console:
    """The output of a command. `as_json`: data is one JSON document; `quiet`: only data, warnings and errors."""

    as_json: bool = False
    quiet: bool = False
    color: bool | None = None

    def data(self, text: str) -> None:
        """Print a part of the result on stdout."""
        click.echo(clean(text), color=self.color)

    def document(self, content: Mapping[str, Any]) -> None:
        """Print the whole result on stdout as one JSON document. Infinite numbers and NaN become null."""
        document = {"schema_version": SCHEMA_VERSION, **content}
        try:
            text = _as_json(document)
        except ValueError:  # infinite or NaN: rare, and looking for them takes as long as writing
            text = _as_json(_finite(document))
        click.echo(text)

    def note(self, text: str) -> None:
        """Print progress or a remark on stderr."""
        if not self.quiet:
            click.echo(clean(text), err=True, color=self.color)

    def warning(self, text: str) -> None:
        """Print what the user should know on stderr, also when quiet."""
        click.echo(f"{self._styled('warning:', 'yellow')} {clean(text)}", err=True, color=self.color)

    def error(self, text: str) -> None:
        """Print why the command ends on stderr."""
        click.echo(f"{self._styled('error:', 'red')} {clean(text)}", err=True, color=self.color)

    def _styled(self, text: str, color: str) -> str:
        return text if self.color is False else click.style(text, fg=color, bold=True)


def _as_json(content: Any) -> str:
    """Return the content as JSON. Raises ValueError for infinite numbers and NaN."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def clean(text: str) -> str:
    """Return the text without control characters except newlines, so that no name can control the terminal."""
    return "".join(
        char if char == "\n" or unicodedata.category(char)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows under headings, columns two spaces apart; numbers to the right, everything else to the left."""
    body = [[cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(row[index]) for row in rows) and bool(rows) for index in range(len(columns))]
    return aligned([list(columns), *body], numeric)


def aligned(lines: Sequence[Sequence[str]], to_the_right: Sequence[bool] | None = None) -> str:
    """Return lines of cells as columns two spaces apart, each as wide as its longest cell; by default to the left.

    On a terminal, the longest texts are wrapped if that makes the lines fit; never in a pipe or a file, nor for more
    than WRAPPED_ROWS lines.
    """
    from rich.cells import cell_len

    columns = list(zip(*lines, strict=True))
    sides = to_the_right or [False] * len(columns)
    widths = [max(map(cell_len, column)) for column in columns]
    if sys.stdout.isatty() and len(lines) <= WRAPPED_ROWS:
        narrower = _narrowed(columns, widths, shutil.get_terminal_size().columns)
        if narrower is not None:
            return _wrapped(columns, sides, narrower)
    padded = (
        (" " * GAP).join(
            f"{' ' * (width - cell_len(text))}{text}" if right else f"{text}{' ' * (width - cell_len(text))}"
            for text, width, right in zip(line, widths, sides, strict=True)
        )
        for line in lines
    )
    return "\n".join(map(str.rstrip, padded))


def _narrowed(columns: Sequence[Sequence[str]], widths: Sequence[int], available: int) -> list[int] | None:
    """Return widths that fit; the column narrows that can shrink most without breaking a word.

    None if that is not needed, or does not help.
    """
    from rich.cells import cell_len

    excess = _total(widths) - available
    words = [max(cell_len(word) for text in column for word in text.split() or [""]) for column in columns]
    widest = max(range(len(widths)), key=lambda index: widths[index] - words[index])
    if not 0 < excess <= widths[widest] - words[widest]:
        return None
    return [width - excess if index == widest else width for index, width in enumerate(widths)]


def _wrapped(columns: Sequence[Sequence[str]], sides: Sequence[bool], widths: Sequence[int]) -> str:
    from rich.console import Console as Terminal
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, GAP, 0, 0), pad_edge=False)
    for width, right in zip(widths, sides, strict=True):
        table.add_column(justify="right" if right else "left", width=width)
    for line in zip(*columns, strict=True):
        table.add_row(*map(Text, line))
    terminal = Terminal(file=io.StringIO(), width=_total(widths), color_system=None, legacy_windows=False)
    with terminal.capture() as capture:
        terminal.print(table)
    return "\n".join(map(str.rstrip, capture.get().splitlines()))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def cell(value: Any) -> str:
    """Return a value as table text: floats with four decimals, a dash for a missing value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return clean(str(value)).replace("\n", " ")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
