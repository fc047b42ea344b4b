"""Shaffer's correction: the factors of the paper, never above Holm, and Holm where nothing follows from anything."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.inference.holm import holm
from analysis.inference.shaffer import MOST_SYSTEMS, adjust, factors, shaffer


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        (2, [1]),
        (3, [3, 1, 1]),
        (4, [6, 3, 3, 3, 2, 1]),
        (5, [10, 6, 6, 6, 6, 4, 4, 3, 2, 1]),
        (6, [15, 10, 10, 10, 10, 10, 7, 7, 7, 6, 4, 4, 3, 2, 1]),
    ],
)
def test_the_factors_are_those_that_logic_allows(systems: int, expected: list[int]) -> None:
    """Of four systems, one false equality leaves three equal pairs at most: three equal systems beside the other."""
    assert factors(systems, len(expected)).tolist() == expected


def test_adjusted_p_are_worked_out_by_hand() -> None:
    """Three systems: .01 x 3, then .02 and .04 once each, never below an earlier one. Holm would say .03 .04 .04."""
    assert shaffer([0.02, 0.01, 0.04], 3) == pytest.approx([0.03, 0.03, 0.04])
    assert shaffer([0.9, None, float("nan"), 0.02], 4) == pytest.approx([0.9, None, None, 0.04])


def test_a_comparison_with_one_system_gets_holms_p() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    assert shaffer(p, 5) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert shaffer(p, 5) == holm(p)


def test_no_adjusted_p_is_above_holms() -> None:
    generator = np.random.default_rng(0)
    for systems in (3, 5, 8):
        p = generator.random(systems * (systems - 1) // 2) ** 4
        ours, theirs = adjust(p, systems), np.array(holm(p.tolist()))
        assert (ours <= theirs + 1e-15).all()
        assert ours.min() == theirs.min()


def test_very_many_systems_are_corrected_in_no_time() -> None:
    systems = MOST_SYSTEMS + 1
    pairs = systems * (systems - 1) // 2
    assert factors(systems, pairs)[[0, 1, -1]].tolist() == [pairs, pairs - 1, 1]
    with pytest.raises(ValueError, match="3 systems have 3 pairs, got 4"):
        factors(3, 4)
