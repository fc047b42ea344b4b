"""Which runs belong together: pairs and complete blocks by (seed, split_seed, fold), never by row order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.normalize import KEYS

Key = tuple[Any, ...]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Scores [n, systems] of the n keys for which every system has one; `dropped` are the keys that only some have."""

    keys: tuple[Key, ...]
    scores: Floats
    dropped: tuple[Key, ...]


def blocks(runs: pd.DataFrame, systems: Sequence[str]) -> Blocks:
    """Complete blocks of the scored runs of these systems, in the order of their keys."""
    by_system = [_scores(runs[runs["system"] == system]) for system in systems]
    seen = set().union(*by_system)
    complete = seen.intersection(*by_system)
    keys = sorted(complete, key=_order)
    scores = np.array([[scores[key] for scores in by_system] for key in keys], dtype=np.float64)
    dropped = sorted(seen - complete, key=_order)
    return Blocks(tuple(keys), scores.reshape(len(keys), len(systems)), tuple(dropped))


def average_over_seeds(found: Blocks) -> Blocks:
    """One row a (split_seed, fold): the mean over the seeds that were run on that same split."""
    groups: dict[Key, list[int]] = {}
    for row, (_, *split) in enumerate(found.keys):
        groups.setdefault(tuple(split), []).append(row)
    scores = np.array([found.scores[rows].mean(axis=0) for rows in groups.values()], dtype=np.float64)
    keys = tuple((None, *split) for split in groups)
    return Blocks(keys, scores.reshape(len(keys), found.scores.shape[1]), found.dropped)


def describe_key(key: Key) -> str:
    """A key for people: `seed 42` or `seed 42, split_seed 42, fold 3`."""
    return ", ".join(f"{name} {value}" for name, value in zip(KEYS, key, strict=True) if value is not None)


def _scores(runs: pd.DataFrame) -> dict[Key, float]:
    scored = runs[runs["score"].notna()]
    columns = [[None if pd.isna(value) else value for value in scored[name].tolist()] for name in KEYS]
    return dict(zip(zip(*columns, strict=True), scored["score"].tolist(), strict=True))


def _order(key: Key) -> tuple[tuple[int, float, str], ...]:
    return tuple(
        (0, 0.0, "") if value is None else (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")
        for value in key
    )
