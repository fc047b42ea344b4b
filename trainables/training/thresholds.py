"""Decides predictions by thresholds that were tuned on other items, in every epoch as in the end.

Where the split has items to tune on (calibration), thresholds come from them. Where it has none, validation chooses and
test is reported: test is decided by thresholds tuned on validation, and validation itself out of fold, each fifth of it
by thresholds tuned on the other four. So the score that chooses an epoch is never that of the items it was tuned on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from trainables.data.dataset import Item
from trainables.data.splits import Indices, Split
from trainables.data.stratification import divide
from trainables.protocols.task import Task

FOLDS = 5
Decisions = Mapping[str, float]


def folds_of(task: Task, items: Sequence[Item], split: Split, seed: int) -> dict[str, int]:
    """The fold of every validation item by its id, drawn from the split's seed with labels in proportion.

    Empty where nothing is tuned, or where calibration items are there to tune on.
    """
    if not task.tunes or len(split.calibration):
        return {}
    own: list[Item] = [items[index] for index in split.validation]
    groups = divide(len(own), _sizes(len(own)), np.random.default_rng(seed), task.strata(own))
    return {str(own[index]["id"]): number for number, group in enumerate(groups) for index in group}


def tuned(task: Task, tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Decisions tuned on the calibration part, else on validation: for every item that is neither of them."""
    return task.tune(tables.get("calibration", tables["validation"])) if task.tunes else {}


def validated(task: Task, table: pd.DataFrame, decisions: Decisions, fold_of: Mapping[str, int]) -> pd.DataFrame:
    """The validation part under decisions that were not tuned on it: those given, or those of other folds."""
    if not fold_of:
        return task.decide(table, decisions)
    fold = table["item"].astype(str).map(fold_of).to_numpy()
    numbers: Indices = np.unique(fold)
    if len(numbers) < 2:  # a single item has no others to tune on: the task's own decisions stand
        return table
    parts = [task.decide(table[fold == number], task.tune(table[fold != number])) for number in numbers]
    return pd.concat(parts).loc[table.index]


def _sizes(count: int) -> list[int]:
    return [count // FOLDS + (number < count % FOLDS) for number in range(FOLDS)]
