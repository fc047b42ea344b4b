"""Every trial beside the others: what it reached, what its end would cost, and which one is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.config import Direction
from analysis.formatting import as_row
from analysis.search.settings import planned_epochs
from analysis.tables.trials import ENDED, PENDING

OWN_END = (*ENDED, "diverged")  # what ended by itself: no more epochs would have followed


def standing(
    trials: pd.DataFrame, experiment: Mapping[str, Any] | None, direction: Direction, first: Sequence[str] = ()
) -> pd.DataFrame:
    """The trials with what follows from them, system by system, each in the order of its trials.

    `place`: 0, 1, ... for the systems in `first`, in that order, then for the others by their best trial.
    `value`: what trials are compared by, the best epoch's score on the
    validation part; NaN unless the trial came to its end. `reached`: the same of every trial that has one, stopped
    ones included. `best_so_far`: of `value` up to this trial; `is_best`: the first trial with the best value of its
    system. `whole_epochs`: the epochs that it would take to its end (its own, where it came there or diverged).
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
    frame["place"] = frame["system"].map(_places(frame.assign(gains=gains), first))
    return frame.sort_values(["place", "trial"], kind="stable", ignore_index=True)


def _places(frame: pd.DataFrame, first: Sequence[str]) -> dict[str, int]:
    """Rank of each system: those named first keep their rank among all of them."""
    tops = frame.groupby("system")["gains"].max()
    others = sorted((name for name in tops.index if name not in first), key=lambda name: (-tops[name], name))
    return {name: place for place, name in enumerate([*first, *others]) if name in tops.index}


def _whole_epochs(frame: pd.DataFrame, experiment: Mapping[str, Any] | None) -> pd.Series[float]:
    planned = [planned_epochs(experiment, as_row(trial)) for _, trial in frame.iterrows()]
    whole = pd.Series(planned, index=frame.index, dtype="float64")
    own = frame["status"].isin(OWN_END)
    return frame["epochs"].astype("float64").where(own, whole)
