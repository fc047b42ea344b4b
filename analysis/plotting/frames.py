"""The frames that many figures are made from: the scored runs, their epochs and their predictions, system by system."""

from __future__ import annotations

import pandas as pd

from analysis.result import Analysis
from analysis.tables.normalize import KEYS

SCORED = ("completed", "collapsed")


class NotApplicable(ValueError):
    """The columns are there but hold nothing that a figure could show; the message says why."""


def runs_of(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """The compared runs that have all these columns, one row each: place, system, seed, its other keys, the columns.

    `place` is the rank of the system in `analysis.systems` (0 is the best mean): it decides the row and the colour.
    Left out: runs without a score and runs that a search pruned, whose numbers are not comparable.
    """
    runs = analysis.results.runs
    places = {system: place for place, system in enumerate(analysis.systems["system"])}
    kept = runs[runs["status"].isin(SCORED) & runs["score"].notna() & runs["system"].isin(list(places))]
    known = [name for name in ("run_id", *KEYS) if name in kept.columns and kept[name].notna().any()]
    extra = [name for name in columns if name not in known]
    frame = kept.assign(place=kept["system"].map(places))[["place", "system", *known, *extra]].dropna(subset=extra)
    if frame.empty:
        raise NotApplicable(f"no scored run has {', '.join(columns)}")
    order = ["place", *(name for name in KEYS if name in known)]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def scores(analysis: Analysis) -> pd.DataFrame:
    """One row a run: its score, the name of the metric, and the `unit` that the score is of."""
    return runs_of(analysis, "score").assign(metric=analysis.metric, unit=analysis.unit)


def epochs_of(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """The epochs of the compared runs: place, system, run_id, the run's keys, epoch, the columns."""
    return _joined(analysis, analysis.results.epochs, "epoch", *columns)


def predictions_of(analysis: Analysis, *columns: str) -> pd.DataFrame:
    """The predictions that the scores were computed from: place, system, run_id, the run's keys, the columns."""
    predictions, runs = analysis.results.predictions, analysis.results.runs
    if {"split"} <= set(predictions.columns) and {"score_split", "run_id"} <= set(runs.columns):
        scored = predictions["run_id"].map(runs.drop_duplicates("run_id").set_index("run_id")["score_split"])
        predictions = predictions[scored.isna() | (predictions["split"] == scored)]
    return _joined(analysis, predictions, *columns)


def _joined(analysis: Analysis, table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    runs = runs_of(analysis, "run_id")
    frame = runs.merge(table[["run_id", *columns]], on="run_id", how="inner", sort=False, validate="one_to_many")
    if frame.empty:
        raise NotApplicable(f"no scored run has {', '.join(columns)}")
    return frame
