"""Groups runs into pairs and complete blocks by (seed, split_seed, fold), never by row order."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.tables.normalize import KEYS

Key = tuple[Any, ...]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Scores [n, systems] of the n keys for which every system has a score; `dropped` are keys that only some have.

    `rows` [n, systems] are the positions of these runs in the frame they came from.
    """

    keys: tuple[Key, ...]
    scores: Floats
    dropped: tuple[Key, ...]
    rows: Rows


@dataclass(frozen=True, eq=False)
class ScoreGrid:
    """Scores [keys, systems] of all runs, NaN where a cell has no score, and the position of each run (-1: none)."""

    systems: tuple[str, ...]
    keys: tuple[Key, ...]
    scores: Floats
    rows: Rows

    def own(self, system: str) -> Floats:
        """Return the scores of all runs of one system, in the order of their keys."""
        scores: Floats = self.scores[:, self.systems.index(system)]
        return scores[~np.isnan(scores)]

    def blocks(self, systems: Sequence[str]) -> Blocks:
        """Return the complete blocks of these systems, in the order of their keys."""
        columns = [self.systems.index(system) for system in systems]
        scores = self.scores[:, columns]
        there = ~np.isnan(scores)
        complete, some = there.all(axis=1), there.any(axis=1)
        dropped = tuple(self.keys[row] for row in np.flatnonzero(some & ~complete))
        keys = tuple(self.keys[row] for row in np.flatnonzero(complete))
        return Blocks(keys, scores[complete], dropped, self.rows[:, columns][complete])

    def among(self, rows: Container[int]) -> ScoreGrid:
        """Return the grid with the scores of these runs alone, named by their position in the frame."""
        kept = np.vectorize(rows.__contains__, otypes=[bool])(self.rows)
        return ScoreGrid(self.systems, self.keys, np.where(kept, self.scores, np.nan), self.rows)


def score_grid(runs: pd.DataFrame, systems: Sequence[str]) -> ScoreGrid:
    """Return the scored runs of these systems as one array, so that many pairs read the frame only once."""
    columns = {system: column for column, system in enumerate(systems)}
    there = (runs["score"].notna() & runs["system"].isin(list(columns))).to_numpy()
    positions = np.flatnonzero(there)
    values = [[None if pd.isna(value) else value for value in runs[name][there].tolist()] for name in KEYS]
    cells = list(zip(*values, strict=True))
    keys = sorted(set(cells), key=_order)
    row_of = {key: row for row, key in enumerate(keys)}
    scores = np.full((len(keys), len(columns)), np.nan)
    rows = np.full((len(keys), len(columns)), -1, dtype=np.int64)
    where = [row_of[cell] for cell in cells], [columns[name] for name in runs["system"][there].tolist()]
    scores[where], rows[where] = runs["score"].to_numpy(dtype=np.float64)[positions], positions
    return ScoreGrid(tuple(systems), tuple(keys), scores, rows)


def blocks(runs: pd.DataFrame, systems: Sequence[str]) -> Blocks:
    """Return the complete blocks of the scored runs of these systems, in the order of their keys."""
    return score_grid(runs, systems).blocks(systems)


def average_over_seeds(complete: Blocks) -> Blocks:
    """Return one row per (split_seed, fold): the mean over the seeds that were run on that split."""
    groups: dict[Key, list[int]] = {}
    for row, (_, *split) in enumerate(complete.keys):
        groups.setdefault(tuple(split), []).append(row)
    scores = np.array([complete.scores[rows].mean(axis=0) for rows in groups.values()], dtype=np.float64)
    keys = tuple((None, *split) for split in groups)
    shape = (len(keys), complete.scores.shape[1])
    return Blocks(keys, scores.reshape(shape), complete.dropped, np.full(shape, -1, dtype=np.int64))


def describe_key(key: Key, unit: str = "seed") -> str:
    """Describe a key to the reader: `seed 42` or `seed 42, split seed 42, fold 3`; over data sets, `data set sst2`."""
    names = ("data set" if unit == "data set" else "seed", "split seed", "fold")
    return ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True) if value is not None)


def _order(key: Key) -> tuple[tuple[int, float, str], ...]:
    return tuple(
        (0, 0.0, "") if value is None else (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")
        for value in key
    )
