"""Which settings differ between systems, so that no reader takes a difference in budget for one in quality."""

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
    """One row a setting, one column a system (of `analysis.systems`), as text; only settings that are not all the same.

    Settings are what the experiment file says about a model and a recipe, or a search chose instead, and what the runs
    recorded. A system whose
    runs differ among themselves has all its values; one without a finished run recorded nothing, which is no
    difference. A mixture that all systems share is a warning of `results` instead.
    """
    systems = [str(name) for name in analysis.systems["system"]]
    runs = {str(name): own for name, own in analysis.results.runs.groupby("system")}
    shared = flat(_section(analysis.results.experiment or {}, "train"))
    rows = []
    for of_system, defaults in ((_written, shared), (_recorded, {})):
        table = {name: of_system(analysis, runs[name]) for name in systems}
        told = systems if of_system is _written else [name for name in systems if any(table[name].values())]
        for setting in dict.fromkeys(key for name in systems for key in table[name]):
            values = [table[name].get(setting) or defaults.get(setting) or NONE for name in systems]
            if len({value for name, value in zip(systems, values, strict=True) if name in told}) > 1:
                rows.append([setting, *values])
    return pd.DataFrame(rows, columns=["setting", *systems])


def _recorded(analysis: Analysis, own: pd.DataFrame) -> dict[str, str]:
    return {name.replace("_", " "): _values(own[name]) for name in RECORDED if name in own.columns}


def _values(column: pd.Series[Any]) -> str:
    found = column.dropna().unique()
    if pd.api.types.is_numeric_dtype(column) and all(float(value).is_integer() for value in found):
        return ranges(int(value) for value in found) if len(found) > 1 else "".join(str(int(value)) for value in found)
    return " | ".join(sorted(map(str, found)))


def _written(analysis: Analysis, own: pd.DataFrame) -> dict[str, str]:
    """What the experiment file says about the model and recipe of a system's runs only."""
    experiment = analysis.results.experiment or {}
    first = own.iloc[0]
    found: dict[str, str] = {}
    for section, column in (("models", "model"), ("recipes", "recipe")):
        if exists(name := first.get(column)):
            found |= flat(_section(_section(experiment, section), name))
    return found | _searched(analysis, first)


def _searched(analysis: Analysis, run: pd.Series[Any]) -> dict[str, str]:
    """What the search chose for a run that has the settings of a trial, by the names that the file has for them."""
    if analysis.search is None or not exists(trial := run.get("winner_of")):
        return {}
    tried = analysis.search.trials
    chosen = json.loads(next(iter(tried.loc[tried["run_id"] == trial, "parameters"]), "{}"))
    own = ("train.", f"recipes.{run.get('recipe')}.")
    return {
        name.removeprefix(next((part for part in own if name.startswith(part)), "")): str(value)
        for name, value in chosen.items()
    }


def _section(value: Mapping[str, Any], name: Any) -> Mapping[str, Any]:
    section = value.get(name)
    return section if isinstance(section, Mapping) else {}


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as `outer.inner` -> text; an empty mapping (a variant without options) is "on"."""
    found: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            found |= flat(inner, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = "on" if inner == {} else str(inner)
    return found
