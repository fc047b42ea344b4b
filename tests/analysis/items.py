"""Studies with item predictions: systems that differ item by item, by how much, over seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import registry
from analysis.tables.normalize import normalize
from analysis.tables.read import Results


def study(
    hits: np.ndarray, metric: str = "accuracy", clusters: list[str] | None = None, first_seed: int = 42, **columns: Any
) -> Results:
    """Results of hits [systems, seeds, items]: every item has one label, a missed one is answered with the other."""
    gold = np.where(np.arange(hits.shape[2]) % 3 == 0, "yes", "no")
    other = np.where(gold == "yes", "no", "yes")
    runs, said = [], []
    for place, of_system in enumerate(hits):
        for number, row in enumerate(of_system):
            run_id = f"{place}-{number}"
            predicted = np.where(row > 0, gold, other)
            score = registry.load("metric", metric).score(gold.tolist(), predicted.tolist())
            runs.append({"run_id": run_id, "system": f"s{place}", "seed": first_seed + number, "split_seed": 42})
            runs[-1] |= {"score": score, "metric": metric, "score_split": "validation", **columns}
            said.append(
                pd.DataFrame(
                    {"item": [f"i{k}" for k in range(len(gold))], "gold": gold, "predicted": predicted}
                ).assign(run_id=run_id, split="validation", position=0, cluster=clusters, correct=row > 0)
            )
    frame, warnings = normalize(pd.DataFrame(runs), "study")
    predictions = pd.concat(said, ignore_index=True)
    return Results(frame, pd.DataFrame(), predictions, None, tuple(warnings), ("study",))


def draw_hits(
    number: int, seeds: int = 10, items: int = 200, systems: int = 2, apart: float = 1.0, gain: float = 0.0
) -> np.ndarray:
    """Hits [systems, seeds, items] of systems that are equal in the population, but for `gain` logits of the first.

    `apart` is the standard deviation (in logits) with which a system finds an item easier than the others do.
    """
    generator = np.random.default_rng(number)
    easy = generator.normal(1.5, 1.5, size=items)
    own = generator.normal(0, apart, size=(systems, 1, items))
    own[0] += gain
    return (generator.random((systems, seeds, items)) < 1 / (1 + np.exp(-easy - own))).astype(float)
