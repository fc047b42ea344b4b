"""What a reader must know before believing a search: warnings that follow from its trials and from what came after."""

from __future__ import annotations

import pandas as pd

from analysis.formatting import listing, plural
from analysis.tables.trials import PENDING

ONE_SEED = (
    "every trial is one run with one seed: the best of many is partly the luckiest, so its score is too good, and a "
    "small gain over the default settings may be none"
)


def about_search(systems: pd.DataFrame) -> list[str]:
    """Luck and settings mixed in every score, and trials that did not end."""
    found = [ONE_SEED]
    for status, said in ((PENDING, "not ended yet"), ("failed", "failed")):
        number = int(systems[status].sum())
        if number:
            have, them = ("has", "it") if number == 1 else ("have", "them")
            found.append(f"{plural(number, 'trial')} {have} {said}: the search, started again, runs {them}")
    scoreless = systems.loc[systems["best_score"].isna(), "system"].tolist()
    if scoreless:
        found.append(f"no trial of {listing([str(name) for name in scoreless])} came to its end")
    return found


def about_comparison(systems: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """What the search does to a comparison after it: unequal budgets, and scores on the items that it chose by."""
    return [*_unequal(systems), *_same_items(runs)]


def _unequal(systems: pd.DataFrame) -> list[str]:
    """A model that was tried more often has had more chances."""
    counts = systems["trials"]
    if counts.nunique() < 2:
        return []
    fewest, most = (systems["system"].iloc[int(place)] for place in (counts.argmin(), counts.argmax()))
    return [
        f"budgets are unequal: from {plural(int(counts.min()), 'trial')} ({fewest}) to {int(counts.max())} ({most}); "
        "who was tried more often had more chances"
    ]


def _same_items(runs: pd.DataFrame) -> list[str]:
    """Where settings were chosen by the items that the compared scores are of."""
    if "score_split" not in runs.columns or not (runs["score"].notna() & (runs["score_split"] == "validation")).any():
        return []
    return [
        "the search chose the hyper-parameters on the same validation items that the compared scores are of: these "
        "are optimistic for every system, more so for one with more to tune; scores on a test part (split.test) are not"
    ]
