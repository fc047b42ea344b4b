"""How names and numbers are printed: nothing acts, nothing pretends to be more exact than it is. And rows as JSON."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
METHODS = {
    "multi_bootstrap": "multi-bootstrap over items and seeds",
    "paired_t_and_sign_flip": "paired t and exact sign-flip",
    "paired_t": "paired t",
    "sign_flip": "exact sign-flip",
    "corrected_resampled_t": "corrected resampled t",
    "wilcoxon": "Wilcoxon signed-rank over data sets",
}
_LEVELS = ("0.010", "0.050", "0.100")  # rounded to one of them, a p-value would not show its side
_ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: object) -> str:
    """`text` with control, format, surrogate and line-breaking characters written as escapes, so that none acts."""
    written = str(text)
    if written.isascii() and written.isprintable():
        return written
    return "".join(
        character.encode("unicode_escape").decode("ascii") if unicodedata.category(character) in _ACTING else character
        for character in written
    )


def exists(value: Any) -> bool:
    """Whether there is a value: not None, not NaN, not an empty string."""
    return value is not None and value != "" and not (pd.api.types.is_scalar(value) and pd.isna(value))


def decimals(values: Iterable[float]) -> int:
    """How many decimals a column of such values needs: four below ten, fewer above."""
    largest = max((abs(value) for value in values if exists(value)), default=0.0)
    return 4 if largest < 10 else max(0, 4 - math.floor(math.log10(largest)))


def number(value: Any, places: int = 4) -> str:
    """A number with a true minus sign; a dash where it does not exist."""
    return f"{value:.{places}f}".replace("-", MINUS) if exists(value) else NONE


def signed(value: Any, places: int = 4) -> str:
    """A number that always shows its sign."""
    return f"{value:+.{places}f}".replace("-", MINUS) if exists(value) else NONE


def interval(low: Any, high: Any, places: int = 4) -> str:
    """Both ends of an interval; a dash where it does not exist."""
    return f"{number(low, places)} to {number(high, places)}" if exists(low) and exists(high) else NONE


def p_value(value: Any) -> str:
    """Three decimals, as far as a p-value carries meaning, four beside a usual level; below 0.001 only that it is."""
    if not exists(value):
        return NONE
    text = f"{value:.3f}"
    if text in _LEVELS and value != float(text):
        return f"{value:.4f}"
    return "<0.001" if value < 0.001 else text


def whole(value: Any) -> str:
    """A count; thousands are set apart by a narrow space."""
    return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if exists(value) else NONE


def listing(names: Sequence[str]) -> str:
    """a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers with neighbours joined: 42-45, 50."""
    groups: list[list[int]] = []
    for value in sorted(set(numbers)):
        if groups and value == groups[-1][-1] + 1:
            groups[-1].append(value)
        else:
            groups.append([value])
    return ", ".join(str(group[0]) if len(group) == 1 else f"{group[0]}\N{EN DASH}{group[-1]}" for group in groups)


def plural(count: int, noun: str) -> str:
    """1 run, 2 runs."""
    return f"{whole(count)} {noun}{'' if count == 1 else 's'}"


def better(direction: str) -> str:
    """Which way a score is good, in words."""
    return "higher is better" if direction == "maximize" else "lower is better"


def as_row(row: pd.Series[Any]) -> dict[str, Any]:
    """A row of a frame as plain Python values, None where a number or text is missing."""
    return {str(name): plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """A value of a frame as JSON has it: no numpy types, no NaN."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if value is None or pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
