"""The answer in plain words: one sentence a pair, and what would decide those that stay open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.comparison.all_pairs import Growth
from analysis.comparison.power import MOST_SEEDS
from analysis.config import Direction


def number(value: float | None) -> str:
    """Three significant digits; "unknown" for a number that does not exist."""
    return "unknown" if value is None or math.isnan(value) else f"{value:.3g}"


def p_value(p: float | None) -> str:
    """`p 0.0123`, or `p < 0.0001`."""
    return "p < 0.0001" if p is not None and p < 1e-4 else f"p {number(p)}"


def in_words(rows: Sequence[Mapping[str, Any]], alpha: float, direction: Direction) -> list[dict[str, Any]]:
    """The rows of `compare_all`, each with its `sentence` and its `advice` (None where nothing is to be advised)."""
    return [{**row, "advice": advice(row), "sentence": sentence(row, alpha, direction)} for row in rows]


def sentence(row: Mapping[str, Any], alpha: float, direction: Direction) -> str:
    """One comparison as a sentence without a full stop."""
    a, b, verdict = row["a"], row["b"], row["verdict"]
    if verdict in ("better", "worse"):
        return f"{a} is {verdict} than {b} {_by(row, alpha, direction)}"
    if verdict == "equivalent":
        return f"{a} and {b} are practically equivalent: {row['reason']}"
    return f"{a} against {b} is {verdict}: {row['reason']}{_observed(row, alpha)}"


def _by(row: Mapping[str, Any], alpha: float, direction: Direction) -> str:
    """The size of the difference, its interval turned so that it is positive where the difference is."""
    low, high = row["primary_ci_low"], row["primary_ci_high"]
    if row["mean_diff"] < 0:
        low, high = -high, -low
    interval = f"{1 - alpha:.0%} interval {number(low)} to {number(high)}"
    return f"by {number(abs(row['mean_diff']))} ({interval}, Holm {p_value(row['primary_p_holm'])})"


def _observed(row: Mapping[str, Any], alpha: float) -> str:
    """The difference and its interval; nothing where all differences are the same, which the reason says already."""
    low, high = row["primary_ci_low"], row["primary_ci_high"]
    if row["mean_diff"] is None or (low is not None and low == high):
        return ""
    interval = "" if low is None else f" ({1 - alpha:.0%} interval {number(low)} to {number(high)})"
    return f"; observed difference {number(row['mean_diff'])}{interval}"


def advice(row: Mapping[str, Any]) -> str | None:
    """What would decide an open pair: more seeds, or, where the items are the limit, more items; None for any other."""
    growth: Growth | None = row["growth"]
    if growth is None:
        return None
    if not growth.is_estimated:
        return f"a verdict takes at least {growth.fewest} seeds in common"
    return _estimated(row, growth.seeds)


def _estimated(row: Mapping[str, Any], needed: int | None) -> str:
    size = f"a true difference of {number(abs(row['mean_diff']))} (the observed one)"
    if needed is None and row["variance_items"]:
        limit = f"the variance of the {row['n_items']} items is too large"
        return f"no number of seeds would show {size}: {limit}; evaluate on more items"
    if needed is None:
        return f"more than {MOST_SEEDS} seeds would be needed to show {size}"
    if needed <= row["n_pairs"]:
        return f"{row['n_pairs']} seeds show {size} in 80% of experiments; this one was not among them"
    return f"about {needed} seeds in all would show {size} in 80% of experiments"
