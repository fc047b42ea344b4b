"""The verdicts in plain words: a few sentences on all systems, one per pair, and what would decide open pairs.

A control never counts as the best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.comparison.all_pairs import Growth
from analysis.comparison.design import MOST_SEEDS
from analysis.comparison.verdict import Verdict
from analysis.config import Direction

MOST_LISTED = 6  # systems whose wins are listed one by one; if there are more, they are summed up
_NAMED = 6  # names in one sentence; the others are counted
_DECIDED = ("better", "worse")
_Rows = Sequence[Mapping[str, Any]]


def headline(systems: Sequence[str], rows: _Rows, metric: str, controls: Mapping[str, str] | None = None) -> str:
    """Return what is known about all systems: which are better than which, which are equivalent, and what is open.

    Up to six systems are listed one by one; with more, the best group and the number of decided pairs. Each of the
    `controls` is compared with the others in its own sentence. With more than two systems, only the sentences of the
    pairs have numbers.
    """
    marked = controls or {}
    compared = [name for name in systems if name not in marked]
    if len(systems) < 2:
        return f"Only {systems[0]} has runs: there is nothing to compare."
    if not compared:
        return f"On {metric}: every system is a negative control, so there is nothing to find."
    of_controls = [about_control(name, rows, marked) for name in systems if name in marked]
    if len(rows) == 1:
        return " ".join([f"On {metric}, {rows[0]['sentence']}.", *of_controls])
    own = [row for row in rows if row["a"] not in marked and row["b"] not in marked]
    sentences = _one_by_one(compared, own) if len(compared) <= MOST_LISTED else _summed_up(compared, own)
    return f"On {metric}: " + " ".join(text for text in (*sentences, *of_controls) if text)


def missed_by(control: str, rows: _Rows, controls: Mapping[str, str]) -> list[str]:
    """Return the systems, without controls, that a negative control is not shown to be worse than."""
    return [
        _other(row, control)
        for row in rows
        if control in (row["a"], row["b"])
        and _other(row, control) not in controls
        and row["verdict"] != ("worse" if row["a"] == control else "better")
    ]


def about_control(control: str, rows: _Rows, controls: Mapping[str, str]) -> str:
    """Say whether a negative control came out worse than every system that is not a control, as it must."""
    missed = missed_by(control, rows, controls)
    if missed:
        return (
            f"The experiment is not sensitive: negative control {control} is not shown to be worse than "
            f"{listed(missed)}."
        )
    return f"Negative control {control} is worse than every other system, as it must be."


def _other(row: Mapping[str, Any], system: str) -> str:
    return str(row["b"] if row["a"] == system else row["a"])


def _one_by_one(systems: Sequence[str], rows: _Rows) -> list[str]:
    beaten = _beaten(rows)
    parts = [f"{name} is better than {listed(beaten[name])}." for name in systems if name in beaten]
    parts += [f"{_capital(row['sentence'])}." for row in rows if row["verdict"] == "equivalent"]
    parts += [_open(rows, verdict) for verdict in ("inconclusive", "undecidable")]
    return parts if _any_decided(rows) or not rows else [_NO_WINNER, *parts]


_NO_WINNER = "No system is shown to be better than another."


def _any_decided(rows: _Rows) -> bool:
    return any(row["verdict"] in _DECIDED for row in rows)


def _beaten(rows: _Rows) -> dict[str, list[str]]:
    """Return winner -> the systems that it is shown to be better than."""
    losers: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] in _DECIDED:
            winner, loser = ("a", "b") if row["verdict"] == "better" else ("b", "a")
            losers.setdefault(str(row[winner]), []).append(str(row[loser]))
    return losers


def _open(rows: _Rows, verdict: Verdict) -> str:
    left = [row for row in rows if row["verdict"] == verdict]
    if not left:
        return ""
    pairs = listed([f"{row['a']} against {row['b']}" for row in left])
    return f"{_capital(verdict)}{_shared_reason(left)}: {pairs}."


def _shared_reason(rows: _Rows) -> str:
    reasons = {row["reason"] for row in rows}
    return f" ({reasons.pop()})" if len(reasons) == 1 else ""


def _summed_up(systems: Sequence[str], rows: _Rows) -> list[str]:
    best = _best_group(systems, rows) if _any_decided(rows) else _NO_WINNER
    return [best, _tally(rows), "Every pair is in statistical_tests.csv."]


def _best_group(systems: Sequence[str], rows: _Rows) -> str:
    """Name the systems that no other is shown to beat, and separately those without any verdict."""
    beaten = _beaten(rows)
    losers = {name for names in beaten.values() for name in names}
    reached = {str(row[side]) for row in rows if row["verdict"] != "undecidable" for side in "ab"}
    group = [name for name in systems if name not in losers and name in reached]
    unknown = [name for name in systems if name not in reached]
    others = f" Nothing can be said about {listed(unknown)}." if unknown else ""
    if not group:
        return f"Every system is shown to be worse than another: the verdicts form a circle.{others}"
    if len(group) == 1 and group[0] in beaten:
        return f"{group[0]} leads: it is better than {_share(len(beaten[group[0]]), len(systems) - 1)}.{others}"
    are = "is" if len(group) == 1 else "are"
    share = f"{len(group)} of {len(systems)} systems {are} not shown to be worse than any other"
    return f"{share}: {listed(group)}.{others}"


def _share(won: int, others: int) -> str:
    return f"all {others} others" if won == others else f"{won} of {others} others, and none is shown to be better"


def _tally(rows: _Rows) -> str:
    counts = {
        "decided (better or worse)": [row for row in rows if row["verdict"] in _DECIDED],
        **{name: [row for row in rows if row["verdict"] == name] for name in ("equivalent", "inconclusive")},
        "undecidable": [row for row in rows if row["verdict"] == "undecidable"],
    }
    undecidable = _shared_reason(counts["undecidable"])
    numbers = {name: len(pairs) for name, pairs in counts.items() if pairs}
    if len(numbers) == 1:
        return f"All {len(rows)} pairs are {next(iter(numbers))}{undecidable}."
    parts = [f"{number} {'is' if number == 1 else 'are'} {name}" for name, number in numbers.items()]
    return f"Of {len(rows)} pairs {listed(parts)}{undecidable}."


def listed(names: Sequence[str]) -> str:
    """Join names as a, b and c; of many, the first six and the number of the others."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def number(value: float | None) -> str:
    """Write a number with three significant digits; "unknown" if there is none."""
    return "unknown" if value is None or math.isnan(value) else f"{value:.3g}"


def p_value(p: float | None) -> str:
    """Write a p-value: `p 0.0123`, or `p < 0.0001`."""
    return "p < 0.0001" if p is not None and p < 1e-4 else f"p {number(p)}"


def in_words(rows: Sequence[Mapping[str, Any]], alpha: float, direction: Direction) -> list[dict[str, Any]]:
    """Return the rows of `compare_all`, each with its `sentence` and its `advice` (None if there is none)."""
    return [{**row, "advice": advice(row), "sentence": sentence(row, alpha, direction)} for row in rows]


def sentence(row: Mapping[str, Any], alpha: float, direction: Direction) -> str:
    """Write one comparison as a sentence without a full stop."""
    a, b, verdict = row["a"], row["b"], row["verdict"]
    if verdict in ("better", "worse"):
        return f"{a} is {verdict} than {b} {_by(row, alpha, direction)}"
    if verdict == "equivalent":
        return f"{a} and {b} are practically equivalent: {row['reason']}"
    return f"{a} against {b} is {verdict}: {row['reason']}{_observed(row, alpha)}"


def _by(row: Mapping[str, Any], alpha: float, direction: Direction) -> str:
    """Write the size of the difference, with the sign of the interval turned along with it."""
    low, high = row["primary_ci_low"], row["primary_ci_high"]
    if row["mean_diff"] < 0:
        low, high = -high, -low
    interval = f"{1 - alpha:.0%} interval {number(low)} to {number(high)}"
    return f"by {number(abs(row['mean_diff']))} ({interval}, Holm {p_value(row['primary_p_holm'])})"


def _observed(row: Mapping[str, Any], alpha: float) -> str:
    """Write the difference and its interval; nothing if all differences are equal, which the reason already says."""
    low, high = row["primary_ci_low"], row["primary_ci_high"]
    if row["mean_diff"] is None or (low is not None and low == high):
        return ""
    interval = "" if low is None else f" ({1 - alpha:.0%} interval {number(low)} to {number(high)})"
    return f"; observed difference {number(row['mean_diff'])}{interval}"


def advice(row: Mapping[str, Any]) -> str | None:
    """Say what would decide an open pair: more seeds or, if the items are the limit, more items; None for others."""
    growth: Growth | None = row["growth"]
    if growth is None:
        return None
    if not growth.is_estimated:
        return f"a verdict needs at least {growth.fewest} seeds in common"
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
