"""What a search found, as one value: its settings, its trials, one row a system, and what a reader must be told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.config import Direction
from analysis.formatting import as_row
from analysis.search.settings import SearchSettings, read_settings
from analysis.search.summary import about_comparison, about_search, standing, summarize
from analysis.tables.read import Results


@dataclass(frozen=True, eq=False)
class Findings:
    """`trials` as `ranking.standing` gives them, `systems` as `summary.summarize` does.

    `metric` is what the trials were compared by, which need not be the analysed one; larger is better where
    `direction` is maximize.
    """

    settings: SearchSettings
    metric: str
    direction: Direction
    trials: pd.DataFrame
    systems: pd.DataFrame
    cautions: tuple[str, ...]

    @property
    def budget(self) -> dict[str, float | None]:
        """Of all systems: trials, epochs run, epochs to the end of every trial, their share, seconds."""
        run, whole = self.systems["epochs_run"].sum(), self.systems["epochs_to_the_end"].sum(skipna=False)
        found = {
            "trials": len(self.trials),
            "epochs_run": run,
            "epochs_to_the_end": whole,
            "epochs_share": run / whole if whole > 0 else None,
            "seconds": self.systems["seconds"].sum(min_count=1),
        }
        return as_row(pd.Series(found, dtype=object))

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        return {
            "metric": self.metric,
            "direction": self.direction,
            "searcher": self.settings.searcher,
            "scheduler": self.settings.scheduler,
            "parameters": [parameter.name for parameter in self.settings.parameters],
            **self.budget,
            "systems": [_decoded(as_row(row)) for _, row in self.systems.iterrows()],
            "cautions": list(self.cautions),
        }


def read_findings(results: Results, metric: str, direction: Direction, systems: Sequence[str] = ()) -> Findings | None:
    """The findings of the trials of `results`; None without any. `systems`: the compared ones, the best first.

    `metric` and `direction` are those of the analysis, for results whose experiment file and runs do not say theirs.
    """
    if results.trials.empty:
        return None
    compare, block = (_section(results.experiment, name) for name in ("compare", "search"))
    known = results.trials["metric"].dropna() if "metric" in results.trials.columns else pd.Series(dtype=object)
    said = block.get("direction") or compare.get("direction") or direction
    judged: Direction = "minimize" if said == "minimize" else "maximize"
    trials = standing(results.trials, results.experiment, judged, systems)
    summary = summarize(trials, judged)
    return Findings(
        settings=read_settings(results.experiment, results.trials),
        metric=str(known.iloc[0]) if len(known) else str(block.get("metric") or compare.get("metric") or metric),
        direction=judged,
        trials=trials,
        systems=summary,
        cautions=(*about_search(summary), *about_comparison(summary, results.runs)),
    )


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    """The parameters are a text in the table, and values in the document."""
    written = row["best_parameters"]
    return row | {"best_parameters": None if written is None else json.loads(written)}


def _section(experiment: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found = (experiment or {}).get(name)
    return found if isinstance(found, Mapping) else {}
