"""The verdicts in plain words: a few sentences on all systems. A control never counts as the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.comparison.ranking import Place
from analysis.comparison.verdict import Verdict
from analysis.config import CompareConfig
from analysis.formatting import METHODS
from analysis.text.sentences import interval_of, listed, number, p_value

MOST_LISTED = 6  # systems whose wins are listed one by one; if there are more, they are summed up
_DECIDED = ("better", "worse")
_DEFAULTS = CompareConfig()
_Rows = Sequence[Mapping[str, Any]]


def headline(
    systems: Sequence[str],
    rows: _Rows,
    metric: str,
    controls: Mapping[str, str] | None = None,
    places: Mapping[str, Place] | None = None,
    config: CompareConfig = _DEFAULTS,
    collapsed: str = "",
) -> str:
    """Return what is known about all systems: which may be the best, which are better than which, and what is open.

    Up to six systems are listed one by one; with more, the best set, the largest difference and the number of decided
    pairs; with a baseline, what each system is compared with it. Each of the `controls` is compared with the others in
    a sentence of its own. `collapsed` says which systems have collapsed runs. The last sentence names the test.
    """
    marked = controls or {}
    compared = [name for name in systems if name not in marked]
    if len(systems) < 2:
        return f"Only {systems[0]} has runs: there is nothing to compare."
    if not compared:
        return f"On {metric}: every system is a negative control, so there is nothing to find."
    of_controls, carried = _about_controls(systems, rows, marked), _carried_by(rows)
    if len(rows) == 1:
        return _joined(f"On {metric}, {rows[0]['sentence']}.", *of_controls, carried)
    last = [collapsed, *of_controls, carried]
    own = [row for row in rows if row["a"] not in marked and row["b"] not in marked]
    if config.baseline is not None:
        return _joined(f"On {metric}, compared with baseline {config.baseline}:", _with_baseline(own, config), *last)
    best = _best_set(compared, places or {}, config.alpha)
    sentences = (
        [best, *_one_by_one(compared, own, best)]
        if len(compared) <= MOST_LISTED
        else _summed_up(compared, own, best, config)
    )
    return _joined(f"On {metric}:", *sentences, *last)


def _joined(*sentences: str) -> str:
    return " ".join(text for text in sentences if text)


def _carried_by(rows: _Rows) -> str:
    """Name the tests that the verdicts rest on."""
    methods = dict.fromkeys(row["primary_method"] for row in rows if row.get("primary_p") is not None)
    names = [METHODS.get(name, str(name)) for name in methods]
    return f"{'Test' if len(names) == 1 else 'Tests'}: {listed(names)}." if names else ""


def _best_set(systems: Sequence[str], places: Mapping[str, Place], alpha: float) -> str:
    """Name the systems that may be the best, if the runs leave any out."""
    possible = [name for name in systems if name in places and places[name].may_be_best is not False]
    if len(systems) < 3 or not places or len(possible) == len(systems):
        return ""
    if len(possible) == 1:
        return f"{possible[0]} is the best of {len(systems)} systems, with {1 - alpha:.0%} confidence."
    return f"The best of {len(systems)} systems is among {listed(possible)}, with {1 - alpha:.0%} confidence."


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
    """Say whether a negative control came out worse than every system that it was compared with, as it must."""
    missed = missed_by(control, rows, controls)
    if missed:
        return (
            f"The experiment is not sensitive: negative control {control} is not shown to be worse than "
            f"{listed(missed)}."
        )
    return f"Negative control {control} is worse than {_every_other(control, rows, controls)}, as it must be."


def _every_other(control: str, rows: _Rows, controls: Mapping[str, str]) -> str:
    others = {_other(row, control) for row in rows if control in (row["a"], row["b"])} - set(controls)
    return next(iter(others)) if len(others) == 1 else "every other system"


def _about_controls(systems: Sequence[str], rows: _Rows, controls: Mapping[str, str]) -> list[str]:
    """Return a sentence per control, those that are as they must be in one."""
    own = [name for name in systems if name in controls]
    passed = [name for name in own if not missed_by(name, rows, controls)]
    if len(passed) > 1:
        others = _every_other(passed[0], rows, controls)
        together = [f"Negative controls {listed(passed)} are worse than {others}, as they must be."]
    else:
        together = [about_control(name, rows, controls) for name in passed]
    return [*together, *(about_control(name, rows, controls) for name in own if name not in passed)]


def _other(row: Mapping[str, Any], system: str) -> str:
    return str(row["b"] if row["a"] == system else row["a"])


def _one_by_one(systems: Sequence[str], rows: _Rows, best: str) -> list[str]:
    won = _won(rows)
    parts = [
        f"{name} is better than {listed([_with_size(*loss) for loss in won[name]])}." for name in systems if name in won
    ]
    parts += [_equivalent(rows), *(_open(rows, verdict) for verdict in ("inconclusive", "undecidable"))]
    return parts if won or not rows else ["No single pair is decided." if best else _NO_WINNER, *parts]


_NO_WINNER = "No system is shown to be better than another."


def _won(rows: _Rows) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    """Return winner -> the systems that it is shown to be better than, each with its row."""
    losers: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for row in rows:
        if row["verdict"] in _DECIDED:
            winner, loser = ("a", "b") if row["verdict"] == "better" else ("b", "a")
            losers.setdefault(str(row[winner]), []).append((str(row[loser]), row))
    return losers


def _with_size(name: str, row: Mapping[str, Any]) -> str:
    """Write the name with the size of the difference, if the row has it."""
    if row.get("mean_diff") is None:
        return name
    return f"{name} (by {number(abs(row['mean_diff']))}, Holm {p_value(row['primary_p_holm'])})"


def _equivalent(rows: _Rows) -> str:
    equal = [row for row in rows if row["verdict"] == "equivalent"]
    if len(equal) <= 1:
        return "".join(f"{_capital(row['sentence'])}." for row in equal)
    return f"Practically equivalent: {'; '.join(listed([row['a'], row['b']]) for row in equal)}."


def _open(rows: _Rows, verdict: Verdict) -> str:
    left = [row for row in rows if row["verdict"] == verdict]
    if not left:
        return ""
    pairs = listed([f"{row['a']} against {row['b']}" for row in left])
    return f"{_capital(verdict)}{_shared_reason(left)}: {pairs}."


def _shared_reason(rows: _Rows) -> str:
    reasons = {row["reason"] for row in rows}
    return f" ({reasons.pop()})" if len(reasons) == 1 else ""


def _with_baseline(rows: _Rows, config: CompareConfig) -> str:
    """Group the other systems by what they are, compared with the baseline; every row has the baseline second."""
    parts = []
    for verdict in ("better", "worse", "equivalent", "inconclusive", "undecidable"):
        own = [row for row in rows if row["verdict"] == verdict]
        if own:
            names = listed([_with_size(row["a"], row) if verdict in _DECIDED else str(row["a"]) for row in own])
            reason = "" if verdict in _DECIDED else _shared_reason(own)
            parts.append(f"{names} {'is' if len(own) == 1 else 'are'} {verdict}{reason}")
    sizes = " Every difference, with its simultaneous interval, is in statistical_tests.csv." if len(rows) > 1 else ""
    return f"{'; '.join(parts)}.{sizes}"


def _summed_up(systems: Sequence[str], rows: _Rows, best: str, config: CompareConfig) -> list[str]:
    first = best or (_best_group(systems, rows) if _won(rows) else _NO_WINNER)
    return [first, _tally(rows), _largest(rows, config), "Every pair is in statistical_tests.csv."]


def _largest(rows: _Rows, config: CompareConfig) -> str:
    """Give the numbers of one pair of many: the largest difference."""
    measured = [row for row in rows if row.get("mean_diff") is not None]
    if not measured:
        return ""
    row = max(measured, key=lambda one: abs(one["mean_diff"]))
    interval = interval_of(row, config, is_one_of_many=True)
    shown = f"{row['a']} against {row['b']}, {number(row['mean_diff'])}"
    return f"The largest difference is that of {shown}{'' if interval is None else f' ({interval})'}."


def _best_group(systems: Sequence[str], rows: _Rows) -> str:
    """Name the systems that no other is shown to beat, and separately those without any verdict."""
    won = _won(rows)
    losers = {name for lost in won.values() for name, _ in lost}
    reached = {str(row[side]) for row in rows if row["verdict"] != "undecidable" for side in "ab"}
    group = [name for name in systems if name not in losers and name in reached]
    unknown = [name for name in systems if name not in reached]
    others = f" Nothing can be said about {listed(unknown)}." if unknown else ""
    if not group:
        return f"Every system is shown to be worse than another: the verdicts form a circle.{others}"
    if len(group) == 1 and group[0] in won:
        return f"{group[0]} leads: it is better than {_share(len(won[group[0]]), len(systems) - 1)}.{others}"
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
    parts = [f"{count} {'is' if count == 1 else 'are'} {name}" for name, count in numbers.items()]
    return f"Of {len(rows)} pairs {listed(parts)}{undecidable}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
