"""Summarizes a search: its trials ranked, one row per searched system, and warnings.

The expected best score of k trials follows Dodge et al. (2019, "Show Your Work") and Tang et al. (2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.config import Direction
from analysis.formatting import as_row, listing, plural
from analysis.inference.interface import Floats
from analysis.search.settings import planned_epochs
from analysis.tables.schema import STATUSES
from analysis.tables.trials import ENDED, PENDING

SUMMARY_COLUMNS = (
    "system", "model", "recipe", "trials", *STATUSES, PENDING, "epochs_run", "epochs_to_the_end", "epochs_share",
    "seconds", "default_score", "best_score", "gain", "best_trial", "best_run_id",
    "best_proposed_by", "best_parameters",
)  # fmt: skip


def summarize(ranked: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Return SUMMARY_COLUMNS of the trials that `rank_trials` returns, in its order of systems.

    `epochs_to_the_end`: what running every trial in full would take, including pending ones; `epochs_share`:
    `epochs_run` as a share of that. `default_score`: of the first trial, which has the experiment's own settings;
    `gain`: how much better the best trial is, positive if it is. Missing where a number does not exist.
    """
    sign = 1.0 if direction == "maximize" else -1.0
    rows = [_row(own, sign) for _, own in ranked.groupby("place", sort=True)]
    frame = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    numbers = ["epochs_run", "epochs_to_the_end", "epochs_share", "seconds", "default_score", "best_score", "gain"]
    return frame.astype({**dict.fromkeys(numbers, "float64"), "best_trial": "Int64"})


def _row(own: pd.DataFrame, sign: float) -> dict[str, Any]:
    counts = own["status"].value_counts()
    best = own[own["is_best"]]
    default = own.loc[own["proposed_by"] == "default", "value"]
    run, whole = own["epochs"].sum(), own["whole_epochs"].sum(min_count=len(own))
    row: dict[str, Any] = {
        **{name: own.iloc[0][name] for name in ("system", "model", "recipe")},
        "trials": len(own),
        **{status: int(counts.get(status, 0)) for status in (*STATUSES, PENDING)},
        "epochs_run": run,
        "epochs_to_the_end": whole,
        "epochs_share": run / whole if whole > 0 else None,
        "seconds": own["seconds"].sum(min_count=1),
        "default_score": default.iloc[0] if len(default) else None,
    }
    return row if best.empty else row | _of_best(best.iloc[0], row["default_score"], sign)


def _of_best(best: pd.Series[Any], default: float | None, sign: float) -> dict[str, Any]:
    return {
        "best_score": best["value"],
        "gain": None if default is None else sign * (best["value"] - default),
        "best_trial": best["trial"],
        "best_run_id": best["run_id"],
        "best_proposed_by": best["proposed_by"],
        "best_parameters": best["parameters"],
    }


OWN_END = (*ENDED, "diverged")  # trials that ended by themselves: no more epochs would have followed


def rank_trials(
    trials: pd.DataFrame, experiment: Mapping[str, Any] | None, direction: Direction, first: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the trials with columns derived from them, system by system, each in the order of its trials.

    `place`: 0, 1, ... for the systems in `first`, in that order, then for the others by their best trial.
    `value`: what trials are compared by, the best epoch's score on the validation part; NaN unless the trial ran in
    full. `reached`: the same for every trial that has one, stopped ones included. `best_so_far`: the best `value` up to
    this trial; `is_best`: the first trial with the best value of its system. `whole_epochs`: the epochs it would take
    to run in full (its own, if it did or diverged).
    """
    frame = trials.sort_values(["system", "trial"], kind="stable", ignore_index=True)
    ended = frame["status"].isin(ENDED)
    reached = frame["best_score"].where(frame["best_score"].notna(), frame["score"])
    frame = frame.assign(
        value=reached.where(ended),
        reached=reached.where(~frame["status"].isin([PENDING, "failed", "diverged"])),
        whole_epochs=_whole_epochs(frame, experiment),
    )
    sign = 1.0 if direction == "maximize" else -1.0
    gains = (sign * frame["value"]).fillna(-np.inf)
    so_far = gains.groupby(frame["system"]).cummax()
    best = gains.groupby(frame["system"]).transform("max")
    first_best = (gains == best) & np.isfinite(gains) & ~frame.assign(gains=gains).duplicated(["system", "gains"])
    frame = frame.assign(best_so_far=(sign * so_far).where(np.isfinite(so_far)), is_best=first_best)
    frame["place"] = frame["system"].map(_system_ranks(frame.assign(gains=gains), first))
    return frame.sort_values(["place", "trial"], kind="stable", ignore_index=True)


def _system_ranks(frame: pd.DataFrame, first: Sequence[str]) -> dict[str, int]:
    """Rank the systems in `first`, where one without trials leaves its rank unused, then the others by best trial."""
    tops = frame.groupby("system")["gains"].max()
    others = sorted((name for name in tops.index if name not in first), key=lambda name: (-tops[name], name))
    return {name: rank for rank, name in enumerate([*first, *others]) if name in tops.index}


def _whole_epochs(frame: pd.DataFrame, experiment: Mapping[str, Any] | None) -> pd.Series[float]:
    planned = [planned_epochs(experiment, as_row(trial)) for _, trial in frame.iterrows()]
    whole = pd.Series(planned, index=frame.index, dtype="float64")
    own = frame["status"].isin(OWN_END)
    return frame["epochs"].astype("float64").where(own, whole)


ONE_SEED = (
    "every trial is one run with one seed: the best of many is partly the luckiest, so its score is too good, and a "
    "small gain over the default settings may be none"
)


def about_search(systems: pd.DataFrame) -> list[str]:
    """Warn that luck and settings are mixed in every score, and of trials that did not run in full."""
    warnings = [ONE_SEED]
    for status, state in ((PENDING, "not ended yet"), ("failed", "failed")):
        number = int(systems[status].sum())
        if number:
            have, them = ("has", "it") if number == 1 else ("have", "them")
            warnings.append(f"{plural(number, 'trial')} {have} {state}: the search, started again, runs {them}")
    scoreless = systems.loc[systems["best_score"].isna(), "system"].tolist()
    if scoreless:
        warnings.append(f"no trial of {listing([str(name) for name in scoreless])} ran to its end")
    return warnings


def about_comparison(systems: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Warn how the search affects a comparison after it: unequal budgets, and scores on the items it chose by."""
    return [*_unequal(systems), *_same_items(runs)]


def _unequal(systems: pd.DataFrame) -> list[str]:
    """Warn of systems that were tried more often, and so had more chances."""
    counts = systems["trials"]
    if counts.nunique() < 2:
        return []
    fewest, most = (systems["system"].iloc[int(row)] for row in (counts.argmin(), counts.argmax()))
    return [
        f"budgets are unequal: from {plural(int(counts.min()), 'trial')} ({fewest}) to {int(counts.max())} ({most}); "
        "a system that was tried more often had more chances"
    ]


def _same_items(runs: pd.DataFrame) -> list[str]:
    """Warn if settings were chosen by the items that the compared scores are on."""
    if "score_split" not in runs.columns or not (runs["score"].notna() & (runs["score_split"] == "validation")).any():
        return []
    return [
        "the search chose the hyper-parameters on the same validation items that the compared scores are on: these "
        "are optimistic for every system, and more so for one with more to tune; scores on a test part (split.test) "
        "are not"
    ]


def expected_best(scores: Floats) -> Floats:
    """Return E[largest of k of n >= 1 scores], k = 1 .. n, over all subsets without replacement; larger is better.

    Sum over i of s_(i) C(i - 1, k - 1) / C(n, k): the unbiased form (Tang et al. 2020) of the estimator of Dodge et al.
    (2019), which draws with replacement and is too low near n. It assumes that the scores are independent draws. The
    last value is the largest score itself: the nearer k is to n, the fewer subsets are averaged.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    expected = np.empty(n)
    for k in range(1, n + 1):
        ranks = np.arange(n, k, -1)  # the weight of rank i - 1 is (i - k) / (i - 1) of that of rank i
        weights = np.concatenate([[k / n], k / n * np.cumprod((ranks - k) / (ranks - 1))])
        expected[k - 1] = weights @ ordered[::-1][: n - k + 1]
    return expected
