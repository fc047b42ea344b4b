"""Fills in the columns of the `runs` table that training knows: scores, measurements, and what the run ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from trainables.config import RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.features import Features
from trainables.modeling.pretrained import num_entries
from trainables.modeling.vocabulary_trimming import TrimmedModel
from trainables.system.attention_kernels import attention_of
from trainables.system.hardware import hardware_name
from trainables.system.memory import peak_memory_gib
from trainables.training.distributed import ProcessGroup
from trainables.training.trainer import Training


@dataclass(frozen=True)
class SplitPart:
    """One part of the split: its features, and the loader of its batches."""

    features: Features
    loader: BatchLoader

    @property
    def num_items(self) -> int:
        """Return the number of items in this part (an item can have several features)."""
        return len(np.unique(self.features.item))


@dataclass(frozen=True)
class Scored:
    """Predictions and metrics of the best epoch, per part: validation, and test if the split has one.

    `thresholds` apply to test and new items and were tuned on other items; {} for the task's defaults.
    """

    predictions: Mapping[str, pd.DataFrame]
    metrics: Mapping[str, Mapping[str, float]]
    thresholds: Mapping[str, float]

    @property
    def split(self) -> str:
        """Return the part whose score is the run's: test if there is one."""
        return "test" if "test" in self.metrics else "validation"

    @property
    def reported(self) -> pd.DataFrame:
        """Return the predictions of that part."""
        return self.predictions[self.split]


def fixed_columns(
    config: RunConfig, parts: Mapping[str, SplitPart], trimmed: TrimmedModel, model: nn.Module, group: ProcessGroup
) -> dict[str, Any]:
    """Return the columns that are known before the first step. `truncated_words` counts over all parts of the run.

    Parameters are counted as in the requested model, including embedding rows that no item uses.
    """
    evaluated = parts.get("test", parts["validation"])
    parameters = list(model.parameters())
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    unused = trimmed.unused_parameters
    embedding_trains = unused > 0 and model.get_input_embeddings().weight.requires_grad
    return {
        "train_items": parts["train"].num_items,
        "evaluation_items": evaluated.num_items,
        "truncated_words": sum(part.features.facts.get("truncated_words", 0) for part in parts.values()),
        **{f"train_{name}": count for name, count in parts["train"].features.facts.items()},
        **{f"evaluation_{name}": count for name, count in evaluated.features.facts.items()},
        "parameters": unused + sum(num_entries(parameter) for parameter in parameters),
        "trainable_parameters": unused * embedding_trains + sum(parameter.numel() for parameter in trainable),
        "world_size": group.world_size,
        "cpu_threads": torch.get_num_threads(),
        "precision": config.model.precision,
        "attention": attention_of(model, group.device),
        "device": group.device.type,
        "hardware": hardware_name(group.device.type),
    }


def measured_columns(training: Training) -> dict[str, Any]:
    """Return times, speeds and counts of the training so far. Speeds are for training only, over unpadded tokens."""
    totals = training.totals
    seconds = max(totals.train_seconds, 1e-9)
    return {
        "epochs": training.position.epoch,
        "skipped_steps": training.optimizer_step.skipped,
        "seconds_train": totals.train_seconds,
        "seconds_eval": totals.evaluation_seconds,
        "samples_per_second": totals.items / seconds,
        "tokens_per_second": totals.tokens / seconds,
        "step_seconds_p50": training.clock.median(),
        "peak_memory_gib": peak_memory_gib(training.group.device),
        "metric": training.metric,
    }


def score_columns(training: Training, scored: Scored) -> dict[str, Any]:
    """Return the score, the metrics of the scored part, and the metrics of both parts if there are two."""
    best = training.totals.rows[(training.best.epoch or 1) - 1]
    reported = scored.metrics[scored.split]
    columns: dict[str, Any] = {
        "score": reported[training.metric],
        "score_split": scored.split,
        "selected_on": "validation",
        "best_epoch": training.best.epoch,
        "train_loss": best["train_loss"],
        "eval_loss": best["eval_loss"],
        **{f"metric_{name}": value for name, value in reported.items()},
    }
    if len(scored.metrics) > 1:
        for part, metrics in scored.metrics.items():
            columns |= {f"{part}_{name}": value for name, value in metrics.items()}
    return columns
