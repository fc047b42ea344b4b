"""Published and hand-checked numbers: Student's sleep data, Holm, Demsar 2006, McNemar, power, Noether."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.comparison import design
from analysis.inference import descriptives
from analysis.inference.holm import holm
from analysis.inference.interface import TestOptions
from analysis.statistics import friedman, mcnemar, paired_t, sign_flip, wilcoxon

SLEEP = np.array(
    [
        [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
        [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
    ]
).T
DEMSAR_TABLE_6 = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
SIX = {"abs": 6e-7}


def test_the_paired_t_of_the_sleep_data_is_students() -> None:
    result = paired_t.run(SLEEP, TestOptions())
    assert result.statistic == pytest.approx(-4.062128, **SIX)
    assert result.df == 9
    assert result.p == pytest.approx(0.00283289, abs=5e-9)
    assert (result.ci_low, result.ci_high) == pytest.approx((-2.459886, -0.700114), **SIX)


def test_the_exact_tests_of_the_sleep_data_see_nine_differences_of_one_sign_and_one_zero() -> None:
    assert wilcoxon.run(SLEEP, TestOptions()).p == 0.00390625
    assert sign_flip.run(SLEEP, TestOptions()).p == 0.00390625


def test_the_effect_sizes_of_the_sleep_data_use_the_exact_gamma_factor() -> None:
    difference = SLEEP[:, 0] - SLEEP[:, 1]
    assert descriptives.paired_dz(difference) == pytest.approx(-1.284558, **SIX)
    assert descriptives.hedges_gz(difference) == pytest.approx(-1.173925, **SIX)
    assert descriptives.probability_of_superiority(difference, 0.05)[0] == 0.05


def test_holm_steps_down_and_keeps_the_order_of_the_input() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None, 0.04, float("nan"), 0.03, 0.005])[1] is None
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_friedman_reproduces_demsars_table_6_with_proper_ties() -> None:
    result = friedman.run(DEMSAR_TABLE_6, TestOptions())
    assert result.details["mean_ranks"] == pytest.approx([3.142857, 2.0, 2.928571, 1.928571], **SIX)
    assert result.details["statistic_uncorrected"] == pytest.approx(9.857143, **SIX)
    assert result.statistic == pytest.approx(10.952381, **SIX)
    assert result.p == pytest.approx(0.0119862, abs=5e-8)
    assert result.details["critical_difference"] == pytest.approx(1.253559, **SIX)


@pytest.mark.parametrize(("k", "q"), [(2, 1.9600), (3, 2.3437), (4, 2.5690), (5, 2.7278), (6, 2.8497)])
def test_nemenyis_quantiles_are_demsars(k: int, q: float) -> None:
    assert friedman.nemenyi_q(k, 0.05) == pytest.approx(q, abs=6e-5)


def test_mcnemar_gives_the_textbook_table_with_and_without_continuity() -> None:
    hits = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [794, 86, 150, 570], axis=0)
    result = mcnemar.run(hits, TestOptions())
    assert result.statistic == pytest.approx(17.355932, **SIX)
    assert result.details["chi_square_p"] == pytest.approx(3.09929e-5, abs=6e-11)
    assert result.details["corrected"] == pytest.approx(16.817797, **SIX)
    assert result.p == pytest.approx(3.71594e-5, abs=6e-11)


def test_power_of_ten_pairs_at_an_effect_of_one() -> None:
    assert design.power(10, 1.0) == pytest.approx(0.8030969, abs=6e-8)


@pytest.mark.parametrize(("dz", "pairs"), [(0.5, 34), (0.8, 15), (1.0, 10)])
def test_pairs_needed_for_eighty_percent_power(dz: float, pairs: int) -> None:
    assert design.pairs_needed(dz) == pairs


def test_noether_needs_29_runs_for_a_superiority_of_three_quarters() -> None:
    assert design.noether_pairs(0.75) == 29
    with pytest.raises(ValueError, match="no difference"):
        design.noether_pairs(0.5)


@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 6), (3, 7), (6, 8), (10, 9)])
def test_the_first_holm_step_needs_six_to_nine_seeds(comparisons: int, seeds: int) -> None:
    assert design.seeds_needed(comparisons) == seeds
    assert design.smallest_p(seeds, comparisons) < 0.05 <= design.smallest_p(seeds - 1, comparisons)


def test_five_seeds_can_never_reach_five_percent() -> None:
    assert design.smallest_p(5) == 0.0625
    assert design.smallest_p(0) == 1.0


def test_no_number_of_seeds_decides_a_level_below_the_monte_carlo_resolution() -> None:
    assert design.seeds_needed(1, alpha=1e-6) is None


def test_the_smallest_detectable_effect_has_the_wanted_power() -> None:
    dz = design.minimum_detectable_effect(10, comparisons=3)
    assert dz is not None
    assert design.power(10, dz, 0.05 / 3) == pytest.approx(0.8)
    assert design.minimum_detectable_effect(2) is None


def test_pairs_needed_refuses_an_effect_of_zero() -> None:
    with pytest.raises(ValueError, match="difference of 0"):
        design.pairs_needed(0.0)


def test_the_seeds_that_decide_are_the_pairs_that_power_asks_for() -> None:
    assert design.seeds_to_decide(0.5, 1.0, 0.0) == design.pairs_needed(0.5) == 34
    assert design.seeds_to_decide(-1.0, 1.0, 0.0) == 10
    assert design.seeds_to_decide(1.0, 0.0, 0.0) == 2


def test_where_items_are_the_limit_no_number_of_seeds_decides() -> None:
    assert design.seeds_to_decide(0.02, 1e-4, 0.01**2) is None
    few, many = design.seeds_to_decide(0.03, 4e-4, 0.0), design.seeds_to_decide(0.03, 4e-4, 0.01**2)
    assert few is not None
    assert many is not None
    assert few < many
    assert design.seeds_to_decide(0.0, 1.0, 0.0) is None
