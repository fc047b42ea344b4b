"""What a reader must know before believing an answer: warnings that follow from the runs and from the comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.comparison import PairResult
from analysis.config import CompareConfig
from analysis.pairing import describe_key
from analysis.sentences import number
from analysis.verdict import FEWEST_FOR_INTERVALS, FEWEST_FOR_VERDICT, FEWEST_WITHOUT_WARNING


def about_systems(systems: pd.DataFrame) -> list[str]:
    """Selected on evaluation data, collapsed runs, seeds without effect, systems without a score."""
    found = []
    marked = systems.loc[systems["selected_on_evaluation"], "system"].tolist()
    if marked:
        every = "all systems" if len(marked) == len(systems) else ", ".join(marked)
        found.append(f"selected on evaluation data: {every} report the best epoch by the very scores that are reported")
    for row in systems.to_dict("records"):
        if row["collapsed"]:
            share = f"{row['collapsed']} of {row['runs']} runs"
            found.append(f"{row['system']}: {share} collapsed (one answer for everything); they stay in")
        if row["n"] > 1 and row["min"] == row["max"]:
            found.append(f"{row['system']}: seed has no effect: all {row['n']} scores are {number(row['min'])}")
        if row["n"] == 0:
            found.append(f"{row['system']}: no run has a score")
    return found


def about_pairs(rows: Sequence[Mapping[str, Any]], results: Sequence[PairResult]) -> list[str]:
    """Pairs that were dropped, and numbers of pairs that say little."""
    found = []
    for row, result in zip(rows, results, strict=True):
        if result.dropped:
            keys = "; ".join(describe_key(key) for key in result.dropped[:10])
            more = "; ..." if len(result.dropped) > 10 else ""
            found.append(f"{row['a']} against {row['b']}: {len(result.dropped)} runs have no partner: {keys}{more}")
    sizes = sorted({result.n for result in results})
    return found + [warning for warning in map(_about_size, sizes) if warning is not None]


def _about_size(n: int) -> str | None:
    if n < FEWEST_FOR_INTERVALS:
        return f"{n} complete pairs: descriptive only"
    if n < FEWEST_FOR_VERDICT:
        return f"{n} complete pairs: intervals, but no verdict"
    if n < FEWEST_WITHOUT_WARNING:
        return f"{n} complete pairs: tests with so few rest on their assumptions; 10 or more are better"
    return None


def about_failures(rows: Sequence[Mapping[str, Any]], config: CompareConfig) -> list[str]:
    """Failure rates that differ: whoever fails more is compared on its lucky runs."""
    return [
        f"{row['a']} against {row['b']}: failure rates differ by {abs(row['failure_difference']):.0%} "
        f"(Fisher p {number(row['failure_p'])})"
        + ("; the verdict was allowed all the same" if config.allow_unequal_failures else "")
        for row in rows
        if row["failure_difference"]
    ]


def about_controls(
    rows: Sequence[Mapping[str, Any]], controls: Mapping[str, str], config: CompareConfig, known: set[str]
) -> list[str]:
    """A negative control must come out worse than every system that is none, or the experiment cannot see harm."""
    found = [
        f"control {name!r} is not a system or recipe of these runs" for name in config.controls if name not in known
    ]
    for control in controls:
        missed = [_other(row, control) for row in rows if _is_missed(row, control, controls)]
        if missed:
            found.append(
                f"the experiment is not sensitive: negative control {control} is not shown to be worse than "
                f"{', '.join(missed)}"
            )
    return found


def _other(row: Mapping[str, Any], system: str) -> str:
    return str(row["b"] if row["a"] == system else row["a"])


def _is_missed(row: Mapping[str, Any], control: str, controls: Mapping[str, str]) -> bool:
    if control not in (row["a"], row["b"]) or _other(row, control) in controls:
        return False
    return bool(row["verdict"] != ("worse" if row["a"] == control else "better"))
