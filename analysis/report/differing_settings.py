"""Find the settings that differ between systems, so that no reader takes a larger budget for better quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.formatting import NONE, exists, ranges
from analysis.result import Analysis

RECORDED = (
    "model_revision",
    "precision",
    "attention",
    "parameters",
    "trainable_parameters",
    "init_from",
    "selected_on",
    "score_split",
    "train_items",
    "evaluation_items",
    "truncated_words",
    "world_size",
    "cpu_threads",
    "device",
    "hardware",
    "torch_version",
    "transformers_version",
    "ray_version",
    "python_version",
    "orchestrate_version",
    "orchestrate_commit",
    "git_commit",
)


def differing(analysis: Analysis) -> pd.DataFrame:
    """Return one row per differing setting and one column per system (of `analysis.systems`), as text.

    Settings are what the experiment file says about a model and a recipe, or a search chose instead, and what the runs
    recorded. If the runs of a system differ among themselves, all values are listed; a system without a finished run
    recorded nothing, which is no difference. If all systems mix the same values, `results` has a warning instead.
    """
    systems = [str(name) for name in analysis.systems["system"]]
    runs = {str(name): own for name, own in analysis.results.runs.groupby("system")}
    shared = flat(_section(analysis.results.experiment or {}, "train"))
    rows = []
    for of_system, defaults in ((_written, shared), (_recorded, {})):
        table = {name: of_system(analysis, runs[name]) for name in systems}
        known = systems if of_system is _written else [name for name in systems if any(table[name].values())]
        for setting in dict.fromkeys(key for name in systems for key in table[name]):
            values = [table[name].get(setting) or defaults.get(setting) or NONE for name in systems]
            if len({value for name, value in zip(systems, values, strict=True) if name in known}) > 1:
                rows.append([setting, *values])
    return pd.DataFrame(rows, columns=["setting", *systems])


def _recorded(analysis: Analysis, own: pd.DataFrame) -> dict[str, str]:
    return {name.replace("_", " "): _values(own[name]) for name in RECORDED if name in own.columns}


def _values(column: pd.Series[Any]) -> str:
    values = column.dropna().unique()
    if pd.api.types.is_numeric_dtype(column) and all(float(value).is_integer() for value in values):
        numbers = [int(value) for value in values]
        return ranges(numbers) if len(numbers) > 1 else "".join(map(str, numbers))
    return " | ".join(sorted(map(str, values)))


def _written(analysis: Analysis, own: pd.DataFrame) -> dict[str, str]:
    """Return what the experiment file says only about the model and recipe of a system's runs."""
    experiment = analysis.results.experiment or {}
    first = own.iloc[0]
    settings: dict[str, str] = {}
    for section, column in (("models", "model"), ("recipes", "recipe")):
        if exists(name := first.get(column)):
            settings |= flat(_section(_section(experiment, section), name))
    return settings | _searched(analysis, first)


def _searched(analysis: Analysis, run: pd.Series[Any]) -> dict[str, str]:
    """Return what the search chose for a run with the settings of a trial, by the names in the experiment file."""
    if analysis.search is None or not exists(trial := run.get("winner_of")):
        return {}
    trials = analysis.search.trials
    chosen = json.loads(next(iter(trials.loc[trials["run_id"] == trial, "parameters"]), "{}"))
    own = ("train.", f"recipes.{run.get('recipe')}.")
    return {
        name.removeprefix(next((part for part in own if name.startswith(part)), "")): str(value)
        for name, value in chosen.items()
    }


def _section(value: Mapping[str, Any], name: Any) -> Mapping[str, Any]:
    section = value.get(name)
    return section if isinstance(section, Mapping) else {}


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten settings to `outer.inner` -> text; an empty mapping (a variant without options) is "on"."""
    settings: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            settings |= flat(inner, f"{prefix}{key}.")
        else:
            settings[f"{prefix}{key}"] = "on" if inner == {} else str(inner)
    return settings
