"""Compares all pairs: computes what they share once, corrects over the family (Shaffer), gives a verdict per pair."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison.design import Design, seeds_needed
from analysis.comparison.failures import count_failures
from analysis.comparison.growth import Growth, Pilot, items_for, seeds_for
from analysis.comparison.item_counts import ItemCounts
from analysis.comparison.pair import Family, PairResult, compare, compare_over_items, compare_without_pairs
from analysis.comparison.seed_pairing import SeedPairing, read_seed_pairing
from analysis.comparison.verdict import FEWEST_FOR_INTERVALS, FEWEST_FOR_VERDICT, Evidence, decide, is_beyond
from analysis.config import CompareConfig
from analysis.inference.holm import holm
from analysis.inference.interface import differences
from analysis.inference.jackknife import influences
from analysis.inference.moderation import NOTHING, Prior, common_paired_variance, common_variance
from analysis.inference.pairing import Blocks, ScoreGrid, score_grid
from analysis.inference.resampling import resampled_scores
from analysis.inference.shaffer import shaffer
from analysis.statistics import sign_flip

Pair = tuple[str, str]
_OF_ITEMS, _OF_SIGNS = 10**6, 10**6 + 1  # generator streams that no pair uses


def compare_all(
    runs: pd.DataFrame,
    systems: Sequence[str],
    design: Design,
    config: CompareConfig,
    generator_seed: int,
    items: ItemCounts | None = None,
) -> tuple[list[dict[str, Any]], list[PairResult]]:
    """Compare every pair of systems once, in their order: the reported rows with verdicts, and their evidence.

    With `config.baseline`, every other system is compared with it alone, and these pairs are the family. A row holds
    values; its only text is the `reason`. Its `growth` is the Growth of an undecided pair, or None.
    """
    return compare_family(*open_family(runs, systems, design, config, generator_seed, items), generator_seed)


def open_family(
    runs: pd.DataFrame,
    systems: Sequence[str],
    design: Design,
    config: CompareConfig,
    generator_seed: int,
    items: ItemCounts | None = None,
) -> tuple[Family, ScoreGrid]:
    """Compute what all pairs share, and the scores that they are compared by."""
    grid, seeds = score_grid(runs, systems), read_seed_pairing(runs, config)
    number = len(_pairs(systems, config.baseline))
    family = Family(design, config, number, count_failures(runs), seeds, items)
    if design.method == "multi_bootstrap" and items is not None and number:
        grid = grid.among(items.index_of)
        family = replace(family, prior=_prior(grid, seeds), paired_priors=_paired_priors(grid, seeds))
        family = _with_items(family, items, generator_seed)
    return family, grid


def compare_family(
    family: Family, grid: ScoreGrid, generator_seed: int
) -> tuple[list[dict[str, Any]], list[PairResult]]:
    """Compare the pairs of an opened family; see `compare_all`."""
    design, pairs = family.design, _pairs(grid.systems, family.config.baseline)
    blocks = {pair: grid.blocks(pair) for pair in pairs}
    flips = _flips(blocks, generator_seed) if _has_flips(design) else {}
    results = []
    for number, (a, b) in enumerate(pairs):
        shared = len(blocks[a, b].keys)
        if design.is_flexible and shared == 0:
            results.append(compare_without_pairs(family, a, b, grid.own(a), grid.own(b)))
        elif design.is_flexible and shared == 1 and _are_judged_alone(family):
            results.append(compare_over_items(family, a, b, blocks[a, b]))
        else:
            generator = np.random.default_rng((generator_seed, number))
            results.append(compare(family, a, b, blocks[a, b], generator, flips.get((a, b))))
    return _judged(results, family, len(grid.systems)), results


def _pairs(systems: Sequence[str], baseline: str | None) -> list[Pair]:
    if baseline is None:
        return list(itertools.combinations(systems, 2))
    return [(system, baseline) for system in systems if system != baseline]


def _are_judged_alone(family: Family) -> bool:
    """Return whether the items of a single seed may be compared: only where another tool scored them."""
    return family.items is not None and family.items.is_given and family.moved is not None


def _with_items(family: Family, items: ItemCounts, generator_seed: int) -> Family:
    """Measure what each item does to each run, on the same resamples for all: runs keep what they share."""
    if items.refusal is not None or items.num_units < 2:
        return family
    generator = np.random.default_rng((generator_seed, _OF_ITEMS))
    resampled = resampled_scores(items.counts, items.value, family.config.resamples, generator)
    return replace(family, resampled=resampled, moved=influences(items.counts, items.value, items.unit_sizes))


def _prior(grid: ScoreGrid, seeds: SeedPairing) -> Prior:
    """Return what the systems together say about a variance over seeds, unless all pairs are compared seed by seed."""
    if seeds.declared == "paired":
        return NOTHING
    return common_variance([own[~np.isnan(own)] for own in grid.scores.T if not np.isnan(own).all()])


def _paired_priors(grid: ScoreGrid, seeds: SeedPairing) -> dict[str | None, Prior]:
    """Return what each group of systems with paired seeds says about the variance of a difference over seeds."""
    groups: dict[str, list[str]] = {}
    for system in grid.systems:
        name = seeds.group(system, system)
        if name is not None:
            groups.setdefault(name, []).append(system)
    return {name: common_paired_variance(grid.blocks(members).scores) for name, members in groups.items()}


def _has_flips(design: Design) -> bool:
    return not design.splits_vary or design.method == "sign_flip"


def _flips(blocks: dict[Pair, Blocks], generator_seed: int) -> dict[Pair, float]:
    """Return the Monte Carlo sign-flip p of all pairs too large for exact flips; pairs of one size share signs."""
    sizes = {len(complete.scores) for complete in blocks.values() if len(complete.scores) > sign_flip.EXACT_UP_TO}
    p: dict[Pair, float] = {}
    for size in sorted(sizes):
        members = [pair for pair, complete in blocks.items() if len(complete.scores) == size]
        stacked = np.stack([differences(blocks[pair].scores) for pair in members], axis=1)
        generator = np.random.default_rng((generator_seed, _OF_SIGNS, size))
        p |= dict(zip(members, sign_flip.monte_carlo(stacked, generator).tolist(), strict=True))
    return p


def _judged(results: Sequence[PairResult], family: Family, systems: int) -> list[dict[str, Any]]:
    config = family.config
    paired, primary, flips, other = (
        shaffer([result.row[name] for result in results], systems)
        for name in ("p", "primary_p", "p_sign_flip", "other_seeds_p")
    )
    equivalence = holm([result.row["tost_p"] for result in results])
    tested = [result.row["primary_p"] is not None for result in results]
    smallest = shaffer(
        [result.smallest_p if test else None for result, test in zip(results, tested, strict=True)], systems
    )
    rows = []
    for number, result in enumerate(results):
        p_holm, primary_p_holm = paired[number], primary[number]
        row = result.row | {"p_holm": p_holm, "primary_p_holm": primary_p_holm, "other_seeds_p_holm": other[number]}
        row["tost_p_holm"] = equivalence[number]
        row |= {f"significant_{level}": p_holm is not None and p_holm < float(f"0.{level}") for level in ("05", "01")}
        evidence = _evidence(result, row, smallest[number], sum(tested), family)
        evidence = replace(evidence, both_p_holm=_both_p_holm(row, flips[number]))
        row["verdict"], row["reason"] = decide(evidence, config.alpha, config.rope, config.direction)
        row["beyond_margin"] = is_beyond(evidence.interval, config.rope)
        growth = _growth(row, result, family)
        rows.append(row | {"growth": growth, **_numbers_to_decide(growth)})
    return rows


def _numbers_to_decide(growth: Growth | None) -> dict[str, int | None]:
    seeds, items = (None, None) if growth is None else (growth.seeds, growth.items)
    return {
        "seeds_to_decide": None if seeds is None else seeds.best,
        "seeds_to_decide_low": None if seeds is None else seeds.low,
        "seeds_to_decide_high": None if seeds is None else seeds.high,
        "items_to_decide_low": None if items is None else items.low,
        "items_to_decide_high": None if items is None else items.high,
    }


def _growth(row: dict[str, Any], result: PairResult, family: Family) -> Growth | None:
    """Return what would show the smallest difference that matters, for an open pair; None if it is not open."""
    if not _can_grow(row, result, family):
        return None
    fewest, margin = max(FEWEST_FOR_VERDICT, _fewest(family)), family.config.rope
    if result.n < FEWEST_FOR_INTERVALS:
        return Growth(fewest, is_estimated=False)
    if margin is None:
        return Growth(fewest)
    level, pilot = family.config.alpha / family.comparisons, _pilot(row, result)
    return Growth(fewest, margin, seeds_for(pilot, margin, level, fewest), items_for(pilot, margin, level))


def _pilot(row: dict[str, Any], result: PairResult) -> Pilot:
    if row["variance_seeds"] is None:
        return Pilot(result.n, row["std_diff"] ** 2, result.n - 1)
    seed_df = result.n - 1 if row["seeds"] == "paired" else 2 * (result.n - 1)
    items, item_df = row["n_items"], max(2.0, row["effective_items"] - 1)
    of_seeds, of_answers = (row[name] * result.n for name in ("variance_seeds", "variance_answers"))
    return Pilot(result.n, of_seeds, seed_df, row["variance_items"], item_df, items, of_answers)


def _can_grow(row: dict[str, Any], result: PairResult, family: Family) -> bool:
    """Return whether the pair lacks seeds or items: not blocked, not deterministic, not shown to be small."""
    if result.unit != "seed" or result.blocked is not None or result.note is not None:
        return False
    if row["verdict"] not in ("inconclusive", "undecidable"):
        return False
    if result.n < FEWEST_FOR_INTERVALS:
        return True
    shown = row["primary_p_holm"] is not None and row["primary_p_holm"] < family.config.alpha
    return bool(row["mean_diff"] and row["std_diff"]) and not shown


def _fewest(family: Family) -> int:
    """Return the number of seeds below which the primary test cannot reject at all."""
    exact = family.design.method in ("paired_t_and_sign_flip", "sign_flip")
    return (seeds_needed(family.comparisons, family.config.alpha) or 0) if exact else 0


def _evidence(
    result: PairResult, row: dict[str, Any], smallest_p_holm: float | None, tested: int, family: Family
) -> Evidence:
    alpha = family.config.alpha
    needed = seeds_needed(tested, alpha) if smallest_p_holm is not None and smallest_p_holm >= alpha else None
    return Evidence(
        n=result.n,
        difference=row["mean_diff"],
        p_holm=row["primary_p_holm"],
        smallest_p_holm=1.0 if smallest_p_holm is None else smallest_p_holm,
        tost_p=row["tost_p_holm"],
        note=result.note,
        blocked=result.blocked,
        needed=needed,
        unit=result.unit,
        interval=None if row["simultaneous_low"] is None else (row["simultaneous_low"], row["simultaneous_high"]),
    )


def _both_p_holm(row: dict[str, Any], flip_p_holm: float | None) -> tuple[float, float] | None:
    """Return the Holm p of the two tests over seeds, if the verdict takes both and both ran."""
    paired_p_holm = row["p_holm"]
    if row["primary_method"] != "paired_t_and_sign_flip" or paired_p_holm is None or flip_p_holm is None:
        return None
    return paired_p_holm, flip_p_holm
