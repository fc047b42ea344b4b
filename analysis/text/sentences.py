"""One comparison in plain words: the verdict with its numbers, and what would decide an open pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.comparison.growth import Growth, written
from analysis.config import CompareConfig
from analysis.formatting import as_row

_NAMED = 6  # names in one sentence; the others are counted


def listed(names: Sequence[str]) -> str:
    """Join names as a, b and c; of many, the first six and the number of the others."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def number(value: float | None) -> str:
    """Write a number with three significant digits; "unknown" if there is none."""
    return "unknown" if value is None or math.isnan(value) else f"{value:.3g}"


def p_value(p: float | None) -> str:
    """Write a p-value: `p 0.0123`, or `p < 0.0001`."""
    return "p < 0.0001" if p is not None and p < 1e-4 else f"p {number(p)}"


def in_words(
    rows: Sequence[Mapping[str, Any]], config: CompareConfig, systems: pd.DataFrame | None = None
) -> list[dict[str, Any]]:
    """Return the rows of `compare_all`, each with its `sentence` and its `advice` (None if there is none).

    `systems` is the summary; pairs in which a system has collapsed runs name them, too.
    """
    many = len(rows) > 1
    summary = {} if systems is None else {str(row["system"]): as_row(row) for _, row in systems.iterrows()}
    return [
        {**row, "advice": advice(row), "sentence": f"{sentence(row, config, many)}{_collapses(row, summary)}"}
        for row in rows
    ]


def _collapses(row: Mapping[str, Any], summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how often both systems collapsed and what the other runs score, if one of them has collapsed runs."""
    both = [summary[name] for name in (row["a"], row["b"]) if name in summary]
    if not any(one["collapsed"] for one in both):
        return ""
    means = listed([number(one["mean_without_collapse"]) for one in both])
    return f"; collapsed: {', '.join(map(collapse, both))}; mean of the other runs {means}"


def collapse(system: Mapping[str, Any]) -> str:
    """Write how often a system of the summary collapsed, with the exact interval of the rate."""
    interval = f"{system['collapse_low']:.0%} to {system['collapse_high']:.0%}" if system["n"] else "no run has a score"
    return f"{system['system']} {system['collapsed']:.0f} of {system['n']:.0f} runs ({interval})"


def sentence(row: Mapping[str, Any], config: CompareConfig, is_one_of_many: bool = False) -> str:
    """Write one comparison as a sentence without a full stop; of many, the intervals are simultaneous."""
    a, b, verdict = row["a"], row["b"], row["verdict"]
    if verdict in ("better", "worse"):
        return f"{a} is {verdict} than {b} {_by(row, config, is_one_of_many)}{_margin(row, config.rope)}"
    if verdict == "equivalent":
        return f"{a} and {b} are practically equivalent: {row['reason']}"
    return f"{a} against {b} is {verdict}: {row['reason']}{_observed(row, config, is_one_of_many)}"


def interval_of(row: Mapping[str, Any], config: CompareConfig, is_one_of_many: bool, sign: float = 1.0) -> str | None:
    """Write the interval that holds for all pairs together, turned along with the difference by `sign`; None: none."""
    low, high = row["simultaneous_low"], row["simultaneous_high"]
    if low is None:
        return None
    ends = sorted((sign * low, sign * high))
    kind = "simultaneous " if is_one_of_many else ""
    return f"{kind}{1 - config.alpha:.0%} interval {number(ends[0])} to {number(ends[1])}"


def _by(row: Mapping[str, Any], config: CompareConfig, is_one_of_many: bool) -> str:
    sign = math.copysign(1.0, row["mean_diff"])
    interval = interval_of(row, config, is_one_of_many, sign)
    if is_one_of_many and row["simultaneous_low"] <= 0 <= row["simultaneous_high"]:  # the stepwise p needs less
        low, high = sorted((sign * row["primary_ci_low"], sign * row["primary_ci_high"]))
        interval = f"{1 - config.alpha:.0%} interval of this pair alone {number(low)} to {number(high)}"
    return f"by {number(abs(row['mean_diff']))} ({interval}, Holm {p_value(row['primary_p_holm'])})"


def _margin(row: Mapping[str, Any], rope: float | None) -> str:
    if rope is None:
        return ""
    return (
        f", more than the margin of {rope:g}" if row["beyond_margin"] else f", perhaps by less than matters ({rope:g})"
    )


def _observed(row: Mapping[str, Any], config: CompareConfig, is_one_of_many: bool) -> str:
    """Write the difference and its interval; nothing if all differences are equal, which the reason already says."""
    low, high = row["simultaneous_low"], row["simultaneous_high"]
    if row["mean_diff"] is None or (low is not None and low == high):
        return ""
    interval = interval_of(row, config, is_one_of_many)
    return f"; observed difference {number(row['mean_diff'])}{'' if interval is None else f' ({interval})'}"


def advice(row: Mapping[str, Any]) -> str | None:
    """Say how many seeds or items would show the smallest difference that matters, for an open pair.

    A decided pair is warned of if such a difference is often missed: what is found then is too large on average (Gelman
    and Carlin 2014). None for others.
    """
    if row["verdict"] in ("better", "worse"):
        return _overestimated(row)
    growth: Growth | None = row["growth"]
    if growth is None:
        return None
    if not growth.is_estimated:
        return f"a verdict needs at least {growth.fewest} seeds in common"
    if growth.difference is None or growth.seeds is None:
        return None
    goal = f"to show a true difference of {growth.difference:g} in 80% of experiments takes"
    if row["n_items"] is None or growth.items is None:
        return f"{goal} {written(growth.seeds, 'seeds')}"
    items = f"{written(growth.items, 'items')} with these {row['n_pairs']} seeds"
    return f"{goal} {written(growth.seeds, 'seeds')} with these {row['n_items']} items, or {items}"


def _overestimated(row: Mapping[str, Any]) -> str | None:
    detectable = row["detectable_difference"]
    if detectable is None or abs(row["mean_diff"]) >= detectable:
        return None
    return (
        f"fewer than 80% of such experiments show a difference of this size (that takes {number(detectable)}): on "
        "average it is an overestimate"
    )
