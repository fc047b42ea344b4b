"""Runs a model over a set of features, shared among the ranks, and applies thresholds tuned on other items.

Thresholds never apply to the items they were tuned on, in any epoch. If the split has items to tune on (calibration),
thresholds come from them. Otherwise the thresholds for test are tuned on validation, and validation itself is decided
out of fold: each fifth of it by thresholds tuned on the other four. So the score that chooses an epoch never comes from
the items that its thresholds were tuned on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from trainables.config import Precision
from trainables.data.batch_loader import BatchLoader
from trainables.data.batching import Indices, evaluation_batches, shard
from trainables.data.dataset import Item
from trainables.data.features import Ragged
from trainables.data.splits import Split
from trainables.data.stratification import divide
from trainables.protocols.task import Task
from trainables.system.attention_kernels import chosen_kernels
from trainables.system.precision import autocast
from trainables.training.distributed import ProcessGroup

TOKENS_PER_BATCH = 4096


@dataclass(frozen=True)
class Evaluation:
    """Mean loss over terms, and each output with one row per feature, in feature order."""

    loss: float
    outputs: dict[str, Ragged]
    seconds: float


EVALUATION_SEED = 0  # every evaluation of every run sees the same masks, so that models do comparable work


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    task: Task,
    loader: BatchLoader,
    group: ProcessGroup,
    precision: Precision,
    misplaced: Indices | None = None,
) -> Evaluation:
    """Run the model over all features of `loader`, each exactly once, whatever the number of ranks.

    `misplaced` is for negative controls: feature i gets the outputs of feature misplaced[i].
    """
    started = time.perf_counter()
    model.eval()
    losses: list[torch.Tensor] = []
    parts: list[tuple[np.ndarray, dict[str, torch.Tensor]]] = []
    for batch in evaluation_batches(loader.widths, TOKENS_PER_BATCH):
        rows = shard(batch, group.rank, group.world_size)
        if len(rows) == 0:
            continue
        inputs = task.augment(loader.batch(rows), rows, EVALUATION_SEED)
        with chosen_kernels(group.device), autocast(precision, group.device):
            outputs = model(**forward_inputs(task, inputs))
            kept = task.outputs(outputs, inputs, model)
        parts.append((rows, {name: tensor.clone() for name, tensor in kept.items()}))  # a replay reuses its memory
        losses.append(task.loss(outputs, inputs))
    loss_sum = float(torch.stack(losses).double().sum()) if losses else 0.0
    total = group.total([loss_sum])[0] / max(1, int(loader.terms.sum()))
    per_token = frozenset(task.token_outputs)
    assembled = _assemble(parts, loader, group, per_token)
    if misplaced is not None:
        assembled = {name: displaced(rows, misplaced, name in per_token) for name, rows in assembled.items()}
    return Evaluation(total, assembled, time.perf_counter() - started)


def displaced(outputs: Ragged, order: Indices, per_token: bool) -> Ragged:
    """Give row i the values of row order[i]; values per token are cut to row i's length or filled with the lowest."""
    taken = outputs.take(order)
    if not per_token:
        return taken
    rows = []
    for index, length in enumerate(outputs.lengths):
        row = taken.row(index)[:length]
        rows.append(np.concatenate([row, np.full(length - len(row), row.min(), dtype=row.dtype)]))
    return Ragged.from_rows(rows, outputs.values.dtype)


def forward_inputs(task: Task, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what the model's forward takes: everything but the task's targets."""
    return {name: tensor for name, tensor in inputs.items() if name not in task.targets}


def is_usable(evaluation: Evaluation) -> bool:
    """Return whether the loss is finite: else the model has no score."""
    return math.isfinite(evaluation.loss)


def _assemble(
    parts: list[tuple[np.ndarray, dict[str, torch.Tensor]]],
    loader: BatchLoader,
    group: ProcessGroup,
    per_token: frozenset[str],
) -> dict[str, Ragged]:
    """Return the rows of all ranks in feature order; per-token outputs are cropped to the feature's length."""
    mine = [(rows, {name: tensor.cpu().numpy() for name, tensor in outputs.items()}) for rows, outputs in parts]
    rows_of: dict[str, list[np.ndarray]] = {}
    for rows, outputs in (part for rank_parts in group.gather(mine) for part in rank_parts):
        for name, values in outputs.items():
            target = rows_of.setdefault(name, [np.empty(0)] * len(loader.lengths))
            for row, value in zip(rows, values, strict=True):
                target[row] = value[: loader.lengths[row]] if name in per_token else np.atleast_1d(value)
    return {name: Ragged.from_rows(rows, rows[0].dtype) for name, rows in rows_of.items()}


FOLDS = 5
Thresholds = Mapping[str, float]


def folds_of(task: Task, items: Sequence[Item], split: Split, seed: int) -> dict[str, int]:
    """Return item id -> fold for the validation items, drawn from the split's seed with labels in proportion.

    Empty if nothing is tuned, or if there are calibration items to tune on.
    """
    if not task.tunes or len(split.calibration):
        return {}
    own: list[Item] = [items[index] for index in split.validation]
    groups = divide(len(own), _sizes(len(own)), np.random.default_rng(seed), task.strata(own))
    return {str(own[index]["id"]): number for number, group in enumerate(groups) for index in group}


def tuned(task: Task, tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Return thresholds tuned on the calibration part, or else on validation: for items in neither."""
    return task.tune(tables.get("calibration", tables["validation"])) if task.tunes else {}


def validated(task: Task, table: pd.DataFrame, thresholds: Thresholds, fold_of: Mapping[str, int]) -> pd.DataFrame:
    """Return the validation predictions under thresholds tuned on other items: the given ones, or other folds'."""
    if not fold_of:
        return task.apply_thresholds(table, thresholds)
    fold = table["item"].astype(str).map(fold_of).to_numpy()
    numbers: Indices = np.unique(fold)
    if len(numbers) < 2:  # a single item has no others to tune on: the task's defaults stand
        return table
    parts = [task.apply_thresholds(table[fold == number], task.tune(table[fold != number])) for number in numbers]
    return pd.concat(parts).loc[table.index]


def _sizes(count: int) -> list[int]:
    return [count // FOLDS + (number < count % FOLDS) for number in range(FOLDS)]
