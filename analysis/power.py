"""What a design can decide before it is paid for: smallest p, seeds needed, power, smallest detectable effect."""

from __future__ import annotations

import math

from analysis.statistics import sign_flip


def smallest_p(n: int, comparisons: int = 1) -> float:
    """Smallest Holm-adjusted p the exact sign-flip test can give with n seeds, at the first of `comparisons` steps."""
    return min(1.0, comparisons * sign_flip.TEST.smallest_p(n, 2)) if n >= 1 else 1.0


def seeds_needed(comparisons: int, alpha: float = 0.05) -> int | None:
    """Fewest seeds with which the first Holm step can reject at `alpha`: 6, 7, 8, 9 for 1, 3, 6, 10 comparisons at .05.

    None where no number of seeds can: the test over more than 16 seeds has 99,999 resamples.
    """
    candidates = range(1, sign_flip.EXACT_UP_TO + 2)
    return next((n for n in candidates if smallest_p(n, comparisons) < alpha), None)


def power(n: int, dz: float, alpha: float = 0.05) -> float:
    """Chance that a two-sided paired t-test with n pairs rejects, when the standardised difference is dz (n >= 2)."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().power(effect_size=abs(dz), nobs=n, alpha=alpha))


def minimum_detectable_effect(n: int, alpha: float = 0.05, comparisons: int = 1, wanted: float = 0.8) -> float | None:
    """Smallest |d_z| that n pairs detect with power `wanted` at alpha / comparisons; None for n < 3.

    Multiply by the standard deviation of the differences for the unit of the metric.
    """
    from scipy import optimize

    if n < 3:
        return None
    level = alpha / comparisons

    def shortfall(dz: float) -> float:
        return power(n, dz, level) - wanted

    high = 1.0
    while shortfall(high) < 0 and high < 1e6:
        high *= 2
    return float(optimize.brentq(shortfall, 0.0, high)) if shortfall(high) >= 0 else None


def pairs_needed(dz: float, alpha: float = 0.05, comparisons: int = 1, wanted: float = 0.8) -> int:
    """Fewest pairs with which a two-sided paired t-test detects |d_z| with power `wanted`; ValueError for d_z of 0."""
    if dz == 0:
        raise ValueError("no number of pairs detects a difference of 0")
    low, high = 1, 2
    while power(high, dz, alpha / comparisons) < wanted:
        low, high = high, high * 2
        if high > 2**40:
            raise ValueError(f"d_z {dz} is too small to plan for")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, dz, alpha / comparisons) >= wanted else (middle, high)
    return high


def noether_pairs(superiority: float, alpha: float = 0.05, wanted: float = 0.95) -> int:
    """Runs per system for a one-sided, unpaired rank test to see P(A > B) = `superiority` (Noether 1987).

    Raises ValueError for 0.5, which no number of runs tells from chance.
    """
    from scipy import stats

    if superiority == 0.5:
        raise ValueError("P(A > B) = 0.5 is no difference; no number of runs detects it")
    z = float(stats.norm.isf(alpha) + stats.norm.ppf(wanted))
    return math.ceil(z * z / (6 * (superiority - 0.5) ** 2))
