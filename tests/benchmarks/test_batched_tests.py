"""What the benchmark computes for thousands of families at once is what the product computes for one."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.analyze import analyze_results
from analysis.config import CompareConfig
from analysis.inference.jackknife import bell_mccaffrey_df, influences
from analysis.inference.moderation import NOTHING, common_variance
from analysis.inference.shaffer import shaffer
from analysis.statistics import multi_bootstrap
from benchmarks.batched_tests import by_holm, by_shaffer, independent_p, of_items, paired_p
from benchmarks.false_positives import commit, too_high
from benchmarks.simulated_families import Family, draw, level_row
from benchmarks.simulated_items import Cell, giant, log_normal
from benchmarks.simulated_items import draw as draw_hits
from tests.analysis.items import study

HITS = draw_hits(Cell(items=150, seeds=6, apart=1.0, seed_effect=0.2, systems=4), 12, np.random.default_rng(1))


@pytest.mark.parametrize("seeds", ["independent", "paired"])
def test_a_family_of_hits_gets_the_p_of_the_product(seeds: str) -> None:
    options = CompareConfig(resamples=1_000, seeds=seeds)  # type: ignore[arg-type]
    batched = (independent_p if seeds == "independent" else paired_p)(of_items(HITS))
    adjusted = by_shaffer(batched, 4)
    for number in range(3):
        found = analyze_results(study(HITS[number].astype(float)), options=options).comparisons
        rows = {tuple(sorted((row["a"], row["b"]))): row for row in found.to_dict("records")}
        pairs = [rows[f"s{a}", f"s{b}"] for a, b in zip(*np.triu_indices(4, 1), strict=True)]
        assert [row["primary_p"] for row in pairs] == pytest.approx(batched[number].tolist(), rel=1e-5)
        assert [row["primary_p_holm"] for row in pairs] == pytest.approx(adjusted[number].tolist(), rel=1e-5)


def test_both_sides_of_the_gate_occur_and_are_the_products() -> None:
    of = draw(Family(systems=4, seeds=5, share=0.8), 60, np.random.default_rng(0))
    batched, opened = independent_p(of), 0
    for number, scores in enumerate(of.scores):
        prior = common_variance(list(scores))
        opened += prior != NOTHING
        root = np.linalg.cholesky(of.shared[number])
        moved = np.repeat(root.T[:, None, :2], 5, axis=1)
        p = multi_bootstrap.independent(scores[:2].T, moved, of.item_df, prior).p()
        assert p == pytest.approx(batched[number, 0], rel=1e-6)
    assert 10 < opened < 50


def test_the_corrections_are_those_of_the_product() -> None:
    p = np.random.default_rng(0).random((5, 6)) ** 3
    assert by_shaffer(p, 4) == pytest.approx(np.array([shaffer(row.tolist(), 4) for row in p], dtype=float))
    assert by_holm(p).shape == p.shape


def test_clusters_have_the_variance_of_the_product() -> None:
    """The benchmark's formula for a mean over clusters is the jackknife of the same items."""
    sizes = log_normal(1.0, 12)
    means = np.random.default_rng(0).normal(size=12)
    counts = np.stack([means * sizes, sizes], axis=1).astype(float)
    moved = influences([counts], lambda sums: sums[..., 0] / sums[..., 1], sizes)
    share = sizes / sizes.sum()
    pulled = share * (means - means @ share) / (1 - share)
    assert float((moved**2).sum()) == pytest.approx(float((pulled**2).sum()) * (1 - share.min()))
    assert bell_mccaffrey_df(sizes) < 11
    assert giant(0.5, 11)[0] == 100


def test_a_level_twice_alpha_is_red_and_alpha_itself_is_not() -> None:
    row = level_row(Family(systems=4, seeds=5, share=0.8), 4_000, 0)
    assert too_high([row], "ours") == []
    assert too_high([row], "alpha_doubled") == [row]
    assert too_high([row | {"reachable": False}, row], "alpha_doubled") == [row]


def test_families_that_were_called_different_too_often_keep_their_level() -> None:
    """Ten systems, five seeds, most of the variance by seeds: 11.7% before, 3.1% now, in 10,000 repetitions."""
    row = level_row(Family(systems=10, seeds=5, share=0.8), 1_500, 1)
    assert row["before"] > 0.09
    assert row["ours"] < 0.05


def test_the_random_cells_are_seeded_by_a_commit() -> None:
    assert int(commit()[:8], 16) >= 0
