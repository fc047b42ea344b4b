"""The results of a search as one value: its settings, its trials, one row per system, and warnings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.config import Direction
from analysis.formatting import as_row
from analysis.search.settings import SearchSettings, read_settings
from analysis.search.summary import about_comparison, about_search, rank_trials, summarize
from analysis.tables.read import Results


@dataclass(frozen=True, eq=False)
class Findings:
    """`trials` come from `summary.rank_trials`, `systems` from `summary.summarize`.

    `metric` is what the trials were compared by, which may differ from the analysed metric; larger is better if
    `direction` is maximize.
    """

    settings: SearchSettings
    metric: str
    direction: Direction
    trials: pd.DataFrame
    systems: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def budget(self) -> dict[str, float | None]:
        """The cost over all systems: trials, epochs run, epochs of all trials run in full, their share, seconds."""
        run, whole = self.systems["epochs_run"].sum(), self.systems["epochs_to_the_end"].sum(skipna=False)
        totals = {
            "trials": len(self.trials),
            "epochs_run": run,
            "epochs_to_the_end": whole,
            "epochs_share": run / whole if whole > 0 else None,
            "seconds": self.systems["seconds"].sum(min_count=1),
        }
        return as_row(pd.Series(totals, dtype=object))

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints about the search."""
        return {
            "metric": self.metric,
            "direction": self.direction,
            "searcher": self.settings.searcher,
            "scheduler": self.settings.scheduler,
            "parameters": [parameter.name for parameter in self.settings.parameters],
            **self.budget,
            "systems": [_decoded(as_row(row)) for _, row in self.systems.iterrows()],
            "cautions": list(self.warnings),
        }


def read_findings(results: Results, metric: str, direction: Direction, systems: Sequence[str] = ()) -> Findings | None:
    """Return the findings of the trials of `results`; None without trials. `systems`: the compared ones, best first.

    `metric` and `direction` belong to the analysis, and apply where the experiment file and the runs name none.
    """
    if results.trials.empty:
        return None
    compare, block = (_section(results.experiment, name) for name in ("compare", "search"))
    known = results.trials["metric"].dropna() if "metric" in results.trials.columns else pd.Series(dtype=object)
    named = block.get("direction") or compare.get("direction") or direction
    searched: Direction = "minimize" if named == "minimize" else "maximize"
    trials = rank_trials(results.trials, results.experiment, searched, systems)
    summary = summarize(trials, searched)
    return Findings(
        settings=read_settings(results.experiment, results.trials),
        metric=str(known.iloc[0]) if len(known) else str(block.get("metric") or compare.get("metric") or metric),
        direction=searched,
        trials=trials,
        systems=summary,
        warnings=(*about_search(summary), *about_comparison(summary, results.runs)),
    )


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    """Decode the parameters, which are JSON text in the table and values in the document."""
    written = row["best_parameters"]
    return row | {"best_parameters": None if written is None else json.loads(written)}


def _section(experiment: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    section = (experiment or {}).get(name)
    return section if isinstance(section, Mapping) else {}
