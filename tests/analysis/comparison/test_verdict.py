"""Every rule of the verdict on made-up evidence, one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.comparison.verdict import Evidence, decide, is_beyond

CLEAR = Evidence(n=10, difference=0.03, p_holm=0.004, smallest_p_holm=0.002)


def word(evidence: Evidence, rope: float | None = None, direction: str = "maximize", alpha: float = 0.05) -> str:
    return decide(evidence, alpha, rope, direction)[0]  # type: ignore[arg-type]


def test_a_significant_difference_is_better_or_worse_by_its_sign_and_the_direction() -> None:
    assert word(CLEAR) == "better"
    assert word(replace(CLEAR, difference=-0.03)) == "worse"
    assert word(CLEAR, direction="minimize") == "worse"
    assert word(replace(CLEAR, difference=-0.03), direction="minimize") == "better"


def test_alpha_itself_is_not_below_alpha() -> None:
    assert word(replace(CLEAR, p_holm=0.05)) == "inconclusive"
    assert word(replace(CLEAR, p_holm=0.0499)) == "better"


def test_a_large_p_never_means_no_difference() -> None:
    verdict, reason = decide(replace(CLEAR, p_holm=0.9), 0.05, None, "maximize")
    assert verdict == "inconclusive"
    assert "no proof of equality" in reason


def test_a_significant_difference_below_the_region_is_equivalent_only_by_its_own_test() -> None:
    assert word(replace(CLEAR, tost_p=0.01), rope=0.05) == "equivalent"
    assert word(replace(CLEAR, tost_p=0.2), rope=0.05) == "better"


def test_a_difference_exceeds_the_margin_only_where_its_whole_interval_does() -> None:
    """The point estimate alone said so in 20 to 36% of cases at .75 to .9 of the margin."""
    assert is_beyond((0.011, 0.05), rope=0.01)
    assert is_beyond((-0.05, -0.011), rope=0.01)
    assert is_beyond((0.009, 0.05), rope=0.01) is False
    assert is_beyond((-0.05, 0.05), rope=0.01) is False
    assert is_beyond((0.02, 0.05), rope=None) is None
    assert is_beyond(None, rope=0.01) is None


def test_equivalence_needs_no_small_p_of_the_difference() -> None:
    assert word(replace(CLEAR, difference=0.001, p_holm=0.8, tost_p=0.001), rope=0.01) == "equivalent"


def test_too_few_seeds_to_ever_reach_alpha_is_undecidable_and_says_how_many_it_takes() -> None:
    evidence = replace(CLEAR, n=5, p_holm=0.0625, smallest_p_holm=0.0625, needed=6)
    verdict, reason = decide(evidence, 0.05, None, "maximize")
    assert verdict == "undecidable"
    assert reason == "5 seeds cannot give a Holm p below 0.0625, and 0.05 is needed: it takes at least 6 seeds"


@pytest.mark.parametrize(("n", "words"), [(0, "descriptive"), (2, "descriptive"), (3, "interval"), (4, "interval")])
def test_below_five_seeds_there_is_no_verdict(n: int, words: str) -> None:
    verdict, reason = decide(replace(CLEAR, n=n, tost_p=0.001), 0.05, 0.05, "maximize")
    assert verdict == "undecidable"
    assert words in reason


def test_a_deterministic_difference_is_undecidable_with_its_own_reason() -> None:
    note = "deterministic: difference = 0.1, no test"
    assert decide(replace(CLEAR, p_holm=None, note=note), 0.05, None, "maximize") == ("undecidable", note)


def test_unequal_failures_block_a_clear_difference() -> None:
    verdict, reason = decide(replace(CLEAR, blocked="failure rates differ"), 0.05, None, "maximize")
    assert (verdict, reason) == ("inconclusive", "failure rates differ")


def test_two_tests_that_disagree_are_inconclusive_and_named() -> None:
    evidence = replace(CLEAR, p_holm=0.0625, both_p_holm=(0.0123, 0.0625))
    reason = "paired t (Holm p 0.0123) and exact sign-flip (Holm p 0.0625) do not agree at 0.05"
    assert decide(evidence, 0.05, None, "maximize") == ("inconclusive", reason)
    assert "do not agree" in decide(replace(evidence, both_p_holm=(0.05, 0.049)), 0.05, None, "maximize")[1]


@pytest.mark.parametrize("both", [(0.05, 0.0625), (0.2, 0.3), (0.049, 0.01)])
def test_two_tests_that_agree_are_not_named(both: tuple[float, float]) -> None:
    evidence = replace(CLEAR, p_holm=0.0625, both_p_holm=both)
    reason = "Holm p 0.0625 is not below 0.05; that is no proof of equality"
    assert decide(evidence, 0.05, None, "maximize") == ("inconclusive", reason)
