"""Counts from how many epochs each system chose its best on the evaluation data: unequal numbers favour the larger.

Of two equal systems, one that reports the best of 10 epochs and one that reports the best of 3 are called different in
20 to 40% of cases at a level of 5%. Equal numbers raise both scores alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def is_selected_on_evaluation(runs: pd.DataFrame) -> bool:
    """Return whether any of these runs chose its best epoch by the score that it reports."""
    if not {"selected_on", "score_split"} <= set(runs.columns):
        return False
    return bool(((runs["selected_on"] == runs["score_split"]) & runs["score"].notna()).any())


def count_looks(runs: pd.DataFrame, experiment: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the number of epochs that each system chose from on the evaluation data, 1 where it chose elsewhere.

    It is what the experiment file plans, since early stopping only ends the same search sooner; where a search changed
    the settings or there is no file, the largest number that a run of the system finished. Systems whose number is
    unknown are left out.
    """
    looks: dict[str, int] = {}
    for system, own in runs.groupby("system", sort=True):
        scored = own[own["score"].notna()]
        if scored.empty:
            continue
        number = _epochs(scored, experiment or {}) if is_selected_on_evaluation(scored) else 1
        if number is not None:
            looks[str(system)] = number
    return looks


def _epochs(runs: pd.DataFrame, experiment: Mapping[str, Any]) -> int | None:
    finished = runs["epochs"].dropna() if "epochs" in runs.columns else pd.Series(dtype="float64")
    was_searched = "winner_of" in runs.columns and bool(runs["winner_of"].notna().any())
    planned = None if was_searched else _planned(runs.iloc[0], experiment)
    if planned is not None:
        return planned
    return int(finished.max()) if len(finished) else None


def _planned(run: pd.Series[Any], experiment: Mapping[str, Any]) -> int | None:
    """Return the epochs that the file has for the run's model or recipe, else for all."""
    of_model = _section(_section(experiment, "models"), run.get("model"))
    of_recipe = _section(_section(experiment, "recipes"), run.get("recipe"))
    for settings in (of_recipe, of_model, _section(experiment, "train")):
        if isinstance(settings.get("epochs"), int):
            return int(settings["epochs"])
    return None


def _section(settings: Mapping[str, Any], name: Any) -> Mapping[str, Any]:
    section = settings.get(name)
    return section if isinstance(section, Mapping) else {}


def unequal_looks(looks: Mapping[str, int], a: str, b: str) -> str | None:
    """Say that two systems chose from different numbers of epochs on the evaluation data, or None."""
    if a not in looks or b not in looks or looks[a] == looks[b]:
        return None
    more, fewer = (a, b) if looks[a] > looks[b] else (b, a)
    return (
        f"{more} is scored by the best of {_epoch(looks[more])} on the evaluation data and {fewer} by "
        f"{'that' if looks[fewer] == 1 else 'the best'} of {_epoch(looks[fewer])}, which favours {more}"
    )


def _epoch(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number} epochs"
