"""Turns evidence into one of five verdicts: pure rules, so that each can be checked without a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analysis.config import Direction

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "undecidable"]
FEWEST_FOR_INTERVALS, FEWEST_FOR_VERDICT, FEWEST_WITHOUT_WARNING = 3, 5, 10


@dataclass(frozen=True)
class Evidence:
    """What is known about one pair: `p_holm` and `smallest_p_holm` come from the primary test, the difference is a - b.

    `n` counts what both systems share: seeds, splits, data sets or items (`unit`); without that, the runs of each.
    `smallest_p_holm` is the smallest Holm p possible with that many. `tost_p` is corrected over the equivalence tests
    of all pairs, a family of its own; `interval` is the simultaneous one of the difference. `note` says why there is no
    test; `blocked` why a verdict would mislead; `needed` how many units could decide. `both_p_holm` belong to the
    paired t and the exact sign-flip, each corrected separately, where the verdict takes both.
    """

    n: int
    difference: float | None
    p_holm: float | None
    smallest_p_holm: float
    tost_p: float | None = None
    note: str | None = None
    blocked: str | None = None
    both_p_holm: tuple[float, float] | None = None
    needed: int | None = None
    unit: str = "seed"
    interval: tuple[float, float] | None = None


def counted(n: int, unit: str) -> str:
    """Return a count with its unit: 1 seed, 2 seeds."""
    return f"{n} {unit}{'' if n == 1 else 's'}"


def in_common(n: int, unit: str) -> str:
    """Say how few seeds (splits, data sets, items) two systems share, or how few runs one of them has."""
    if unit == "run":  # runs have nothing in common: the smaller number of the two systems
        return f"only {counted(n, unit)} of one of them"
    return f"only {counted(n, unit)} in common" if n else f"no {unit} in common"


def decide(evidence: Evidence, alpha: float, rope: float | None, direction: Direction) -> tuple[Verdict, str]:
    """Decide what may be said about a compared with b, and why. p > alpha never becomes "no difference".

    With a region of practical equivalence, a difference that the equivalence tests place inside it is `equivalent`
    even if it is surely not zero; whether one is surely beyond it is another question: `is_beyond`.
    """
    undecidable = _undecidable(evidence)
    if undecidable is not None:
        return "undecidable", undecidable
    if evidence.blocked is not None:
        return "inconclusive", evidence.blocked
    assert evidence.difference is not None
    if evidence.tost_p is not None and evidence.tost_p < alpha:
        return "equivalent", f"the difference lies within {rope:g} of zero (TOST, Holm p {evidence.tost_p:.3g})"
    if evidence.p_holm is not None and evidence.p_holm < alpha:
        gained = evidence.difference > 0 if direction == "maximize" else evidence.difference < 0
        return ("better" if gained else "worse"), f"Holm p {evidence.p_holm:.3g} is below {alpha:g}"
    if evidence.smallest_p_holm >= alpha:
        return "undecidable", _too_few(evidence, alpha)
    return "inconclusive", _inconclusive(evidence, alpha)


def is_beyond(interval: tuple[float, float] | None, rope: float | None) -> bool | None:
    """Return whether the whole interval of a difference lies outside [-rope, rope]; None without either."""
    if interval is None or rope is None:
        return None
    low, high = interval
    return low > rope or high < -rope


def _undecidable(evidence: Evidence) -> str | None:
    if evidence.n < FEWEST_FOR_INTERVALS:
        return f"{in_common(evidence.n, evidence.unit)}: descriptive only"
    if evidence.note is not None:
        return evidence.note
    if evidence.n < FEWEST_FOR_VERDICT:
        return f"{in_common(evidence.n, evidence.unit)}: an interval, but no verdict below {FEWEST_FOR_VERDICT}"
    return None


def _too_few(evidence: Evidence, alpha: float) -> str:
    few = f"{counted(evidence.n, evidence.unit)} cannot give a Holm p below {evidence.smallest_p_holm:.3g}"
    reason = f"{few}, and {alpha:g} is needed"
    return (
        reason if evidence.needed is None else f"{reason}: it takes at least {counted(evidence.needed, evidence.unit)}"
    )


def _inconclusive(evidence: Evidence, alpha: float) -> str:
    if evidence.both_p_holm is not None and _disagree(evidence.both_p_holm, alpha):
        paired, flip = evidence.both_p_holm
        both = f"paired t (Holm p {paired:.3g}) and exact sign-flip (Holm p {flip:.3g})"
        return f"{both} do not agree at {alpha:g}"
    return f"Holm p {evidence.p_holm:.3g} is not below {alpha:g}; that is no proof of equality"


def _disagree(both_p_holm: tuple[float, float], alpha: float) -> bool:
    """Return whether only one of the two tests would reject by itself."""
    paired, flip = both_p_holm
    return (paired < alpha) != (flip < alpha)
