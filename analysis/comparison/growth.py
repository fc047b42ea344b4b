"""What would decide an open pair: how many seeds, or items, would show the smallest difference that matters.

That difference is stated (`compare.rope`), never the observed one: planning for what was observed promises a result in
cases where there is nothing to find, and says that no number of seeds is enough where the true difference is large. A
pilot of few seeds knows its variances badly, so the answer is a range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.comparison.design import MANY, MOST_SEEDS, seeds_to_decide, t_power

COVERED = 0.8  # how often the range holds the number that the true variances need
WANTED = 0.8
MOST_ITEMS = 10_000_000


@dataclass(frozen=True)
class Range:
    """Fewest, best guess and most; None where no number is enough."""

    low: int | None
    best: int | None
    high: int | None


@dataclass(frozen=True)
class Growth:
    """What more seeds or items would do for a pair that is undecided for lack of them.

    A verdict needs at least `fewest` seeds. `seeds` (with these items) and `items` (with these seeds; None without item
    predictions) would show a true difference of `difference` with 80% power. All three are None where no difference is
    stated, or where there are too few seeds to know the variances.
    """

    fewest: int
    difference: float | None = None
    seeds: Range | None = None
    items: Range | None = None
    is_estimated: bool = True


@dataclass(frozen=True)
class Pilot:
    """Variances of a mean difference over n seeds and some items, and on how many degrees of freedom they rest.

    `seed_variance` is that of a single seed's difference, `item_variance` the part of the mean's variance that more
    seeds do not lower (0: the claim is about seeds alone, `items` is None). `answer_variance` is the part of
    `seed_variance` that more items lower, too: chance in single answers.
    """

    n: int
    seed_variance: float
    seed_df: float
    item_variance: float = 0.0
    item_df: float = MANY
    items: int | None = None
    answer_variance: float = 0.0

    def bounded(self, quantile: float) -> Pilot:
        """Return the pilot with both variances as large as the data allow at this quantile of the chi-square."""
        return Pilot(
            self.n,
            self.seed_variance * _factor(self.seed_df, quantile),
            self.seed_df,
            self.item_variance * _factor(self.item_df, quantile),
            self.item_df,
            self.items,
            self.answer_variance * _factor(self.seed_df, quantile),
        )


def _factor(df: float, quantile: float) -> float:
    from scipy import special

    if df >= MANY:
        return 1.0
    return float(df / (2 * special.gammaincinv(df / 2, quantile)))


def seeds_for(pilot: Pilot, difference: float, level: float, fewest: int) -> Range:
    """Return how many seeds show this true difference at `level` with 80% power, with these items."""
    low, best, high = (
        seeds_to_decide(difference, variances.seed_variance, variances.item_variance, level, WANTED)
        for variances in _three(pilot)
    )
    return Range(*(None if number is None else max(number, fewest) for number in (low, best, high)))


def items_for(pilot: Pilot, difference: float, level: float) -> Range | None:
    """Return how many items show this true difference at `level` with 80% power, with these seeds; None: no items."""
    if pilot.items is None:
        return None
    return Range(*(_items(variances, difference, level) for variances in _three(pilot)))


def _three(pilot: Pilot) -> tuple[Pilot, Pilot, Pilot]:
    tail = (1 - COVERED) / 2
    return pilot.bounded(1 - tail), pilot, pilot.bounded(tail)


def _items(pilot: Pilot, difference: float, level: float) -> int | None:
    assert pilot.items is not None
    of_answers = min(pilot.answer_variance, pilot.seed_variance) / pilot.n
    of_seeds, of_one_item = pilot.seed_variance / pilot.n - of_answers, (pilot.item_variance + of_answers) * pilot.items

    def enough(number: int) -> bool:
        variance = of_seeds + of_one_item / number
        share = of_seeds / variance if variance > 0 else 0.0
        df = min(pilot.seed_df / share**2, MANY) if share > 0 else MANY
        return variance == 0 or t_power(min(difference / math.sqrt(variance), 30.0), df, level) >= WANTED

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST_ITEMS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def written(numbers: Range, noun: str) -> str:
    """Write a range: `9 to 31 seeds (best guess 14)`, `at least 9 seeds (...)`, `more than 10000 seeds`."""
    if numbers.low is None:
        return f"more than {MOST_SEEDS if noun == 'seeds' else MOST_ITEMS} {noun}"
    if numbers.high is None:
        guess = "" if numbers.best is None else f"best guess {numbers.best}, "
        return f"at least {numbers.low} {noun} ({guess}without an upper limit)"
    if numbers.low == numbers.high:
        return f"{numbers.low} {noun}"
    return f"{numbers.low} to {numbers.high} {noun} (best guess {numbers.best})"
