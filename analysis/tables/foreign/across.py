"""Checks what only all runs together show: names that could be one system, and scores in two units."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import Literal

import pandas as pd

from analysis.tables.foreign.table import Refused, listed

_LEAST_PERCENT = 5.0  # a percentage below it could as well be another measure
_RATIOS = (20.0, 500.0)  # between scores in percent and in 0..1 of systems that are worth comparing


def similar_names(runs: pd.DataFrame) -> list[str]:
    """Warn of systems whose names differ only in case or space, or are the same number."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in runs["system"].unique().tolist():
        alike[_form(str(name))].append(str(name))
    return [
        f"systems {' and '.join(map(repr, names))} are kept apart, but their names differ only in how they are "
        "written: if they are one system, write them alike"
        for names in alike.values()
        if len(names) > 1
    ]


def _form(name: str) -> str:
    text = "".join(unicodedata.normalize("NFKC", name).casefold().split())
    try:
        return repr(float(text)) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


def refuse_two_units(runs: pd.DataFrame, direction: Literal["maximize", "minimize"]) -> list[str]:
    """Raise Refused if some scores on a data set are in percent and others in 0..1; warn where smaller is better.

    An error in 0..1 beside one far above 1 can be real, and so can times.
    """
    scored = runs[runs["score"].notna() & (runs["score"] > 0)]
    for _, own in scored.groupby(scored["dataset"].fillna("") if "dataset" in scored.columns else lambda _: ""):
        small, large = own[own["score"] <= 1], own[(own["score"] >= _LEAST_PERCENT) & (own["score"] <= 100)]
        if small.empty or len(small) + len(large) < len(own):
            continue
        ratio = float(large["score"].median() / small["score"].median()) if len(large) else 0.0
        if not _RATIOS[0] <= ratio <= _RATIOS[1]:
            continue
        message = (
            f"the scores of {_named(large)} look like percent and those of {_named(small)} like shares of 1; write all "
            "scores in one unit"
        )
        if direction == "maximize":
            raise Refused(message)
        return [message]
    return []


def _named(runs: pd.DataFrame) -> str:
    first = runs.iloc[0]
    systems = listed([repr(str(name)) for name in runs["system"].unique().tolist()], 3)
    return f"{systems} (such as {first['score']:.4g} in seed {first['seed']})"
