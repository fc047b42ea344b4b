"""Formats names, numbers and rows: no text can act on a screen, no number shows more precision than it has."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
METHODS = {
    "multi_bootstrap": "crossed variance components over items and seeds",
    "paired_t_and_sign_flip": "paired t and exact sign-flip",
    "paired_t": "paired t",
    "sign_flip": "exact sign-flip",
    "corrected_resampled_t": "corrected resampled t",
    "wilcoxon": "Wilcoxon signed-rank over data sets",
    "welch": "Welch t over runs that are not paired by seed",
    "items": "t over resampled items of one seed",
}
_LEVELS = ("0.010", "0.050", "0.100")  # a p-value rounded to one of these would not show which side it is on
_ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: object) -> str:
    """Return `text` with control, format, surrogate and line-breaking characters escaped, so that none acts."""
    written = str(text)
    if written.isascii() and written.isprintable():
        return written
    return "".join(
        character.encode("unicode_escape").decode("ascii") if unicodedata.category(character) in _ACTING else character
        for character in written
    )


def exists(value: Any) -> bool:
    """Return whether there is a value: not None, not NaN, not an empty string."""
    return value is not None and value != "" and not (pd.api.types.is_scalar(value) and pd.isna(value))


def decimals(values: Iterable[float]) -> int:
    """Return the number of decimals for a column of these values: four below ten, fewer above."""
    largest = max((abs(value) for value in values if exists(value)), default=0.0)
    return 4 if largest < 10 else max(0, 4 - math.floor(math.log10(largest)))


def number(value: Any, places: int = 4) -> str:
    """Format a number with a true minus sign; a dash if it does not exist."""
    return f"{value:.{places}f}".replace("-", MINUS) if exists(value) else NONE


def signed(value: Any, places: int = 4) -> str:
    """Format a number that always shows its sign."""
    return f"{value:+.{places}f}".replace("-", MINUS) if exists(value) else NONE


def interval(low: Any, high: Any, places: int = 4) -> str:
    """Format both ends of an interval; a dash if it does not exist."""
    return f"{number(low, places)} to {number(high, places)}" if exists(low) and exists(high) else NONE


def p_value(value: Any) -> str:
    """Format a p-value with three decimals, four next to a usual level; `<0.001` below that."""
    if not exists(value):
        return NONE
    text = f"{value:.3f}"
    if text in _LEVELS and value != float(text):
        return f"{value:.4f}"
    return "<0.001" if value < 0.001 else text


def whole(value: Any) -> str:
    """Format a count, with narrow spaces between thousands."""
    return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if exists(value) else NONE


def listing(names: Sequence[str]) -> str:
    """Join names: a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def ranges(numbers: Iterable[int]) -> str:
    """Join whole numbers, with consecutive ones as a range: 42-45, 50."""
    groups: list[list[int]] = []
    for value in sorted(set(numbers)):
        if groups and value == groups[-1][-1] + 1:
            groups[-1].append(value)
        else:
            groups.append([value])
    return ", ".join(str(group[0]) if len(group) == 1 else f"{group[0]}\N{EN DASH}{group[-1]}" for group in groups)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: 1 run, 2 runs."""
    return f"{whole(count)} {noun}{'' if count == 1 else 's'}"


def better(direction: str) -> str:
    """Say which direction of a score is better."""
    return "higher is better" if direction == "maximize" else "lower is better"


def as_row(row: pd.Series[Any]) -> dict[str, Any]:
    """Return a row of a frame as plain Python values, None where a number or text is missing."""
    return {str(name): plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """Return a value of a frame as JSON has it: no numpy types, no NaN."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
