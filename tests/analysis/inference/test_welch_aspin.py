"""The test of a mean with two estimated variances: exact at both ends, at its level in between, also in the tail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from analysis.inference.welch_aspin import critical_value, equivalent_df, p_value, satterthwaite, two_system_factor

SHARES = np.array([0.1, 0.3, 0.5, 0.7, 0.8, 0.9])


def level(df: float, alpha: float, share: float, critical: bool = True) -> float:
    """Exact level over alpha, where the second part is known: the mean over quantiles of a chi-square."""
    edges = np.concatenate([np.geomspace(1e-9, 0.01, 4_000), np.linspace(0.01, 1 - 1e-9, 40_000)])
    middle = (edges[1:] + edges[:-1]) / 2
    w = stats.chi2.ppf(middle, df) / df
    total = share * w + 1 - share
    estimated = share * w / total
    if critical:
        reach = critical_value(alpha, estimated, df, np.inf)
    else:
        reach = stats.t.isf(alpha / 2, satterthwaite(estimated, 1 / df, 0.0))
    return float(np.sum(np.diff(edges) * 2 * special.ndtr(-reach * np.sqrt(total))) / alpha)


@pytest.mark.parametrize(
    ("df", "family", "satterthwaite_level"),
    [(4, 1, 1.17), (4, 15, 2.69), (4, 45, 4.48), (8, 45, 1.83)],
)
def test_the_level_is_alpha_in_the_tail_where_satterthwaite_has_several_times_that(
    df: float, family: int, satterthwaite_level: float
) -> None:
    """Alpha of the first step in families of 1, 15 and 45 pairs, with five and nine seeds."""
    alpha = 0.05 / family
    levels = [level(df, alpha, share) for share in SHARES]
    assert max(levels) <= 1.03
    assert min(levels) >= 0.88
    plain = max(level(df, alpha, share, critical=False) for share in SHARES)
    assert plain == pytest.approx(satterthwaite_level, rel=0.03)


def test_at_five_percent_the_level_is_exact_to_half_a_percent() -> None:
    assert [level(4, 0.05, share) for share in SHARES] == pytest.approx([1.0] * len(SHARES), abs=0.005)


def test_where_one_part_is_all_there_is_it_is_students_t() -> None:
    """t tables: 2.776 with 4, 3.182 with 3, 2.228 with 10, 1.960 with a known variance; 4.604 with 4 at 1%."""
    assert critical_value(0.05, [1.0, 1.0, 0.0, 0.0], [4, 3, 4, 4], [9, 9, 10, np.inf]) == pytest.approx(
        [2.7764, 3.1824, 2.2281, 1.9600], abs=1e-4
    )
    assert critical_value(0.01, 1.0, 4, np.inf) == pytest.approx(4.6041, abs=1e-4)
    assert p_value([2.776445, 4.604095, 0.0, -2.776445], 1.0, 4, 50) == pytest.approx([0.05, 0.01, 1.0, 0.05])
    assert p_value(30.0, 1.0, 4, np.inf) == pytest.approx(2 * stats.t.sf(30.0, 4))
    assert equivalent_df(0.05, 1.0, 7, 100) == pytest.approx(7.0)
    assert equivalent_df(0.05, 0.0, 7, np.inf) > 1e6


def test_both_parts_may_change_places() -> None:
    assert critical_value(0.01, 0.3, 4, 12) == pytest.approx(critical_value(0.01, 0.7, 12, 4))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.35, 0.8, 1.0])
def test_p_falls_with_the_statistic_and_is_alpha_at_the_critical_value(share: float) -> None:
    statistics = np.linspace(0, 60, 3_000)
    p = p_value(statistics, share, 4.7, 33.0)
    assert (np.diff(p) <= 0).all()
    for alpha in (0.4, 0.05, 0.0123, 0.05 / 45, 3e-6):
        assert p_value(critical_value(alpha, share, 4.7, 33.0), share, 4.7, 33.0) == pytest.approx(alpha, rel=1e-6)


def test_unequal_spreads_of_two_systems_cost_a_few_percent_and_equal_ones_nothing() -> None:
    """Five seeds each; a sixth of the variance from one system needs 2 to 10% more than Student's t."""
    assert two_system_factor([0.0, 0.5, 1.0], 4, 4) == pytest.approx([1.0, 1.0, 1.0])
    factor = two_system_factor([1 / 6, 5 / 6], 4, 4)
    assert factor[0] == pytest.approx(factor[1])
    assert 1.02 < factor[0] < 1.1
    assert two_system_factor(1 / 6, 64, 64) == pytest.approx(1.0, abs=0.001)
    assert equivalent_df(0.05, 1.0, 7, 100, 1.05) < equivalent_df(0.05, 1.0, 7, 100)
