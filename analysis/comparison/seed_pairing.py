"""Decides whether equal seeds of two systems belong together: by declaration or by what they are, never by the scores.

Choosing the smaller of the two variances calls equal systems different in 6.2 to 6.8% of cases at a level of 5%, and
the correlation over five seeds is noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.config import CompareConfig

Seeds = Literal["independent", "paired"]


@dataclass(frozen=True)
class SeedPairing:
    """`models` has the model of each system whose runs name exactly one; `declared` holds for all pairs."""

    models: Mapping[str, str]
    declared: Seeds | None = None

    def of(self, a: str, b: str) -> Seeds:
        """Return how the seeds of two systems are compared."""
        return "independent" if self.group(a, b) is None else "paired"

    def group(self, a: str, b: str) -> str | None:
        """Return what two systems with paired seeds have in common: their model, or "" if it is declared; else None."""
        if self.declared is not None:
            return "" if self.declared == "paired" else None
        model = self.models.get(a)
        return model if model is not None and model == self.models.get(b) else None


def read_seed_pairing(runs: pd.DataFrame, config: CompareConfig) -> SeedPairing:
    """Return the rule of `compare.seeds`, with the models that the runs name."""
    models: dict[str, str] = {}
    if "model" in runs.columns:
        for system, own in runs.groupby("system", sort=True):
            names = own["model"].dropna().unique().tolist()
            if len(names) == 1:
                models[str(system)] = str(names[0])
    return SeedPairing(models, config.seeds)


def seed_warnings(config: CompareConfig, method: str) -> list[str]:
    """Say where `compare.seeds` decides nothing, because what varied between the runs needs another test."""
    if config.seeds is None or method not in ("corrected_resampled_t", "wilcoxon"):
        return []
    return [f"compare.seeds: {config.seeds} decides nothing here: the seeds of a split or data set are averaged first"]
