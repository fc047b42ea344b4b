"""Checks what only all runs together show: names that could be one system, and scores in two units."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal

import pandas as pd

from analysis.tables.foreign import vocabulary
from analysis.tables.foreign.table import Refused, listed, plain_name

_LEAST_PERCENT = 5.0  # a percentage below it could as well be another measure
_OF_A_RUN = (
    *("system", "seed", "score", "status", "state", "error"),
    *vocabulary.KEYS,
    *vocabulary.DATA_SET,
    *vocabulary.KEPT,
)
_RATIOS = (20.0, 500.0)  # between scores in percent and in 0..1 of systems that are worth comparing


def refuse_pooled(parts: Sequence[tuple[str, pd.DataFrame]], ignored: Sequence[str]) -> None:
    """Raise Refused for a column that has one value in the runs of a system in one source, and another in the next.

    `parts` are the sources' names and runs; `pooling` has checked each of them alone.
    """
    if len(parts) < 2:
        return
    seen: dict[tuple[str, ...], tuple[str, str]] = {}
    skipped = {*_OF_A_RUN, *(plain_name(name) for name in ignored)}
    for label, runs in parts:
        for (system, name, *data_set), value in _constants(runs, skipped).items():
            before, first = seen.setdefault((system, name, *data_set), (label, value))
            if value != first:
                raise Refused(
                    f"{label}: system {system!r} has {name} {value}, but {first} in {before}; they are not one system: "
                    f"--system with {name!r} if each is a system of its own, or --ignore {name!r} if it does not matter"
                )


def _constants(runs: pd.DataFrame, skipped: Collection[str]) -> dict[tuple[str, ...], str]:
    """Return the only value of each column that may be a setting, by system, column and data set."""
    names = [name for name in map(str, runs.columns) if plain_name(name) not in skipped]
    names = [name for name in names if not vocabulary.is_outcome(name)]
    keys = ["system", *(name for name in vocabulary.DATA_SET if name in runs.columns)]
    constants = {}
    for key, own in runs.groupby(keys, sort=False, dropna=False):
        for name in names:
            values = own[name].dropna().unique().tolist()
            if len(values) == 1 and (len(own) > 1 or vocabulary.is_setting(name)):  # one row alone may be measured
                constants[str(key[0]), name, *map(str, key[1:])] = str(values[0])
    return constants


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
