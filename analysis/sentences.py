"""The answer in plain words: one sentence a pair, one headline for all systems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.config import Direction

_NAMED = 6  # more than this many names in one sentence of the headline are counted instead


def number(value: float | None) -> str:
    """Three significant digits; "unknown" for a number that does not exist."""
    return "unknown" if value is None or math.isnan(value) else f"{value:.3g}"


def p_value(p: float | None) -> str:
    """`p 0.0123`, or `p < 0.0001`."""
    return "p < 0.0001" if p is not None and p < 1e-4 else f"p {number(p)}"


def sentence(row: Mapping[str, Any], alpha: float, direction: Direction) -> str:
    """One comparison as a sentence without a full stop."""
    a, b, verdict = row["a"], row["b"], row["verdict"]
    if verdict in ("better", "worse"):
        return f"{a} is {verdict} than {b} {_by(row, alpha, direction)}"
    if verdict == "equivalent":
        return f"{a} and {b} are practically equivalent: {row['reason']}"
    observed = "" if row["mean_diff"] is None else f"; observed difference {number(row['mean_diff'])}"
    return f"{a} against {b} is {verdict}: {row['reason']}{observed}{_interval(row, alpha)}"


def _by(row: Mapping[str, Any], alpha: float, direction: Direction) -> str:
    """The size of the difference, its interval turned so that it is positive where the difference is."""
    low, high = row["primary_ci_low"], row["primary_ci_high"]
    if row["mean_diff"] < 0:
        low, high = -high, -low
    interval = f"{1 - alpha:.0%} interval {number(low)} to {number(high)}"
    return f"by {number(abs(row['mean_diff']))} ({interval}, Holm {p_value(row['primary_p_holm'])})"


def _interval(row: Mapping[str, Any], alpha: float) -> str:
    low, high = row["primary_ci_low"], row["primary_ci_high"]
    return "" if low is None else f" ({1 - alpha:.0%} interval {number(low)} to {number(high)})"


def advice(row: Mapping[str, Any], needed: int | None) -> str:
    """What would decide an open pair: more seeds, or, where the items are the limit, more items."""
    size = f"a true difference of {number(abs(row['mean_diff']))} (the observed one)"
    if needed is None:
        limit = f" of the {row['n_items']} items" if row["n_items"] else ""
        return f"no number of seeds would show {size}: the variance{limit} is too large; evaluate on more items"
    if needed <= row["n_pairs"]:
        return f"{row['n_pairs']} seeds suffice to show {size} in 80% of experiments; this one was not among them"
    return f"about {needed} seeds in all would show {size} in 80% of experiments"


def headline(systems: Sequence[str], rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """What is known about all systems: who is better than whom, what is equivalent, and what stays open.

    With more than two systems the numbers stand with the pairs, not here.
    """
    if len(systems) < 2:
        return f"Only {systems[0]} has runs: there is nothing to compare."
    if len(rows) == 1:
        return f"On {metric}, {rows[0]['sentence']}."
    parts = [_wins(system, rows) for system in systems]
    parts += [f"{_capital(row['sentence'])}." for row in rows if row["verdict"] == "equivalent"]
    parts += [_open(rows, verdict) for verdict in ("inconclusive", "undecidable")]
    if not any(row["verdict"] in ("better", "worse") for row in rows):
        parts.insert(0, "No system is shown to be better than another.")
    return f"On {metric}: " + " ".join(part for part in parts if part)


def _wins(system: str, rows: Sequence[Mapping[str, Any]]) -> str:
    won = (("better", "a", "b"), ("worse", "b", "a"))
    beaten = [
        str(row[loser])
        for row in rows
        for verdict, winner, loser in won
        if (row["verdict"], row[winner]) == (verdict, system)
    ]
    return f"{system} is better than {_listed(beaten)}." if beaten else ""


def _open(rows: Sequence[Mapping[str, Any]], verdict: str) -> str:
    left = [row for row in rows if row["verdict"] == verdict]
    if not left:
        return ""
    reasons = {row["reason"] for row in left}
    why = f" ({reasons.pop()})" if len(reasons) == 1 else ""
    pairs = _listed([f"{row['a']} against {row['b']}" for row in left])
    return f"{_capital(verdict)}{why}: {pairs}."


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
