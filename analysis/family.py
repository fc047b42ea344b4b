"""All pairs at once: Holm's correction over the family, then one verdict a pair."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import power
from analysis.comparison import PairResult, compare
from analysis.config import CompareConfig
from analysis.correction import holm
from analysis.design import Design
from analysis.sentences import sentence
from analysis.verdict import Evidence, decide


def compare_all(
    runs: pd.DataFrame, systems: Sequence[str], design: Design, config: CompareConfig, generator_seed: int
) -> tuple[list[dict[str, Any]], list[PairResult]]:
    """Every pair of systems once, in their order: the reported rows, verdicts included, and what they rest on."""
    pairs = list(itertools.combinations(systems, 2))
    results = [
        compare(runs, a, b, design, config, len(pairs), (generator_seed, number)) for number, (a, b) in enumerate(pairs)
    ]
    return _judged(results, config), results


def _judged(results: Sequence[PairResult], config: CompareConfig) -> list[dict[str, Any]]:
    paired = holm([result.row["p"] for result in results])
    primary = holm([result.row["primary_p"] for result in results])
    tested = [result.row["primary_p"] is not None for result in results]
    smallest = holm([result.smallest_p if test else None for result, test in zip(results, tested, strict=True)])
    rows = []
    for result, p_holm, primary_p_holm, smallest_p_holm in zip(results, paired, primary, smallest, strict=True):
        row = result.row | {"p_holm": p_holm, "primary_p_holm": primary_p_holm}
        row |= {f"significant_{level}": p_holm is not None and p_holm < float(f"0.{level}") for level in ("05", "01")}
        evidence = _evidence(result, primary_p_holm, smallest_p_holm, sum(tested), config.alpha)
        row["verdict"], row["reason"] = decide(evidence, config.alpha, config.rope, config.direction)
        rows.append(row | {"sentence": sentence(row, config.alpha, config.direction)})
    return rows


def _evidence(
    result: PairResult, p_holm: float | None, smallest_p_holm: float | None, tested: int, alpha: float
) -> Evidence:
    row = result.row
    needed = power.seeds_needed(tested, alpha) if smallest_p_holm is not None and smallest_p_holm >= alpha else None
    return Evidence(
        n=result.n,
        difference=row["mean_diff"],
        p_holm=p_holm,
        smallest_p_holm=1.0 if smallest_p_holm is None else smallest_p_holm,
        tost_p=row["tost_p"],
        note=result.note,
        blocked=result.blocked,
        disagreement=_disagreement(row, alpha),
        needed=needed,
    )


def _disagreement(row: dict[str, Any], alpha: float) -> str | None:
    both = (row["p"], row["p_sign_flip"])
    if row["primary_method"] != "paired_t_and_sign_flip" or None in both or (both[0] < alpha) == (both[1] < alpha):
        return None
    return f"paired t (p {both[0]:.3g}) and exact sign-flip (p {both[1]:.3g}) do not agree at {alpha:g}"
