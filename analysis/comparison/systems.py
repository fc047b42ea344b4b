"""Summarizes the compared systems by the chosen metric, one row each, the best mean first.

In a comparison over data sets, each data set is one observation: a system's seeds are averaged first.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.comparison.failures import count_statuses, describe_collapse
from analysis.comparison.ranking import RANKING_COLUMNS, Place
from analysis.comparison.selection import is_selected_on_evaluation
from analysis.config import CompareConfig
from analysis.inference.descriptives import describe
from analysis.tables.normalize import KEYS, SCORELESS, data_set_labels

_TEXT = (
    "system", "control", "control_a", "control_b", "a", "b", "primary_method", "verdict", "reason", "advice",
    "sentence", "seeds", *KEYS,
)  # fmt: skip


def with_metric(runs: pd.DataFrame, wanted: str | None) -> tuple[pd.DataFrame, str]:
    """Return the runs with the wanted metric as their score, and its name. None: keep the score column.

    A metric given as a Python file is known by the name under which the runs were scored.

    Raises ValueError if the runs are scored by several metrics and none is named, or if they lack the named one.
    """
    named = sorted(runs["metric"].dropna().unique()) if "metric" in runs.columns else []
    if wanted is None or wanted.endswith(".py"):
        if len(named) > 1:
            raise ValueError(f"the scores are of several metrics ({', '.join(named)}); name one with compare.metric")
        return runs, named[0] if named else "score"
    if named == [wanted] or (wanted == "score" and not named):
        return runs, wanted
    column = next((name for name in (f"metric_{wanted}", wanted) if name in runs.columns), None)
    if column is None or not pd.api.types.is_numeric_dtype(runs[column]):
        raise ValueError(f"the runs have no metric {wanted!r}; they have: {', '.join(_metrics(runs, named))}")
    scores = runs[column].astype("float64").where(~runs["status"].isin(SCORELESS))
    return runs.assign(score=scores), wanted


def _metrics(runs: pd.DataFrame, named: list[str]) -> list[str]:
    columns = [name.removeprefix("metric_") for name in runs.columns if name.startswith("metric_")]
    return sorted({*named, *columns}) or ["score"]


def refuse_pruned(runs: pd.DataFrame) -> None:
    """Raise ValueError for runs that a search stopped early, because their scores are censored."""
    pruned = runs[runs["status"] == "pruned"]
    if not pruned.empty:
        systems = ", ".join(sorted(set(pruned["system"])))
        raise ValueError(
            f"{len(pruned)} runs were pruned by a search ({systems}); their scores are censored and cannot be "
            "compared: run the winners again with fresh seeds"
        )


def summarize(runs: pd.DataFrame, config: CompareConfig) -> pd.DataFrame:
    """Return one row per system, the best mean first; systems without a score come last."""
    controls = find_controls(runs, config)
    rows: list[dict[str, Any]] = []
    for system, own in runs.groupby("system", sort=True):
        scores = own["score"].dropna().tolist()
        rows.append(
            {"system": system, "control": controls.get(str(system))}
            | describe(scores, config.alpha)
            | count_statuses(own)
            | describe_collapse(own, config.alpha)
            | {"selected_on_evaluation": is_selected_on_evaluation(own)}
        )
    sign = -1.0 if config.direction == "maximize" else 1.0
    rows.sort(key=lambda row: (row["mean"] is None, sign * (row["mean"] or 0.0), row["system"]))
    return numeric(pd.DataFrame(rows))


def refuse_unknown_baseline(systems: Sequence[str], config: CompareConfig) -> None:
    """Raise ValueError for a `config.baseline` that is none of the systems."""
    if config.baseline is not None and config.baseline not in systems:
        near = difflib.get_close_matches(config.baseline, systems, n=1)
        question = f"; did you mean {near[0]!r}?" if near else ";"
        raise ValueError(
            f"compare.baseline: no system is called {config.baseline!r}{question} systems: {', '.join(systems)}"
        )


def with_ranking(systems: pd.DataFrame, places: Mapping[str, Place]) -> pd.DataFrame:
    """Return the summary with RANKING_COLUMNS; empty cells for systems that are not ranked."""
    rows = [places.get(name) for name in systems["system"]]
    added = {column: [None if row is None else getattr(row, column) for row in rows] for column in RANKING_COLUMNS}
    return numeric(systems.assign(**{name: pd.Series(cells, dtype=object) for name, cells in added.items()}))


def numeric(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with every non-text column as numbers, even where no row has a value."""
    untyped = [name for name in frame.columns if frame[name].dtype == object and name not in _TEXT]
    return frame.astype(dict.fromkeys(untyped, "float64"))


def find_controls(runs: pd.DataFrame, config: CompareConfig) -> dict[str, str]:
    """Map systems to their kind of control, as recorded by the runs or set in `config.controls`."""
    controls: dict[str, str] = {}
    for system, own in runs.groupby("system", sort=True):
        names = [str(system), *_texts(own, "recipe")]
        kinds = [config.controls[name] for name in names if name in config.controls] + _texts(own, "control")
        if kinds:
            controls[str(system)] = kinds[0]
    return controls


def _texts(runs: pd.DataFrame, column: str) -> list[str]:
    return [str(value) for value in runs[column].dropna().unique()] if column in runs.columns else []


FEWEST_DATA_SETS = 6  # Demsar 2006: with fewer, no rank test over data sets can decide
TASK_COLUMNS = ("dataset", "task", "metric", "system", "n", "mean", "std", "rank", "scoreless")


def has_several_data_sets(runs: pd.DataFrame) -> bool:
    """Return whether the runs cover more than one data set or task."""
    return bool(data_set_labels(runs).nunique() > 1)


def data_set_means(runs: pd.DataFrame, larger_is_better: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Average over seeds: one row per (system, data set) with the data set's label as `seed`; and TASK_COLUMNS.

    A system without a score on a data set has none in its row either, and its status is failed.
    """
    labelled = runs.assign(_data_set=data_set_labels(runs))
    rows, tasks = [], []
    for (label, system), own in labelled.groupby(["_data_set", "system"], sort=True):
        scores = own["score"].dropna()
        score = float(scores.mean()) if len(scores) else float("nan")
        first = own.iloc[0]
        shared = {name: first.get(name) for name in ("task", "dataset", "metric", "model", "recipe", "control")}
        status = "completed" if len(scores) else "failed"
        rows.append({**shared, "system": system, "seed": label, "score": score, "status": status})
        spread = float(scores.std(ddof=1)) if len(scores) > 1 else float("nan")
        counts = {"n": len(scores), "mean": score, "std": spread, "scoreless": len(own) - len(scores)}
        tasks.append({**shared, "dataset": label, "system": system, **counts})
    table = pd.DataFrame(tasks)
    table["rank"] = table.groupby("dataset")["mean"].rank(ascending=not larger_is_better, method="average")
    averaged = pd.DataFrame(rows)
    nothing = pd.array([pd.NA] * len(averaged), dtype="Int64")
    return averaged.assign(split_seed=nothing, fold=nothing), table[list(TASK_COLUMNS)]


def data_set_warnings(tasks: pd.DataFrame) -> list[str]:
    """Return what a reader must know before trusting a comparison over data sets."""
    number = tasks["dataset"].nunique()
    warnings = []
    if number < FEWEST_DATA_SETS:
        warnings.append(
            f"only {number} data sets: a claim over tasks needs at least {FEWEST_DATA_SETS}, as each is one observation"
        )
    metrics = sorted(tasks["metric"].dropna().astype(str).unique())
    if len(metrics) > 1:
        warnings.append(
            f"the data sets are scored by different metrics ({', '.join(metrics)}): ranks can be compared, but the "
            "sizes of differences cannot"
        )
    uneven = tasks.groupby("dataset")["n"].nunique()
    if (uneven > 1).any():
        warnings.append(f"systems have different numbers of seeds on {', '.join(uneven[uneven > 1].index)}")
    return warnings
