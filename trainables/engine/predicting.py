"""Answers for items without labels, from the folder of a saved run: the same answers as the run recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import nn

from trainables import registry
from trainables.engine.config import ModelConfig, Precision, RunConfig
from trainables.engine.corpus import DataError, Item
from trainables.engine.evaluate import evaluate
from trainables.engine.feed import Feed
from trainables.engine.group import Group, default_device
from trainables.engine.hardware import this_machine
from trainables.engine.models import ModelError, ModelSource
from trainables.engine.saved import saved_task
from trainables.engine.task import Task
from trainables.engine.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ITEMS_AT_A_TIME = 20_000
_OF_GOLD = ("gold", "correct", "item_score")  # what a table of predictions says of labels that nobody knows here
_ANYWHERE = ("eager", "sdpa")


@dataclass(frozen=True)
class Predictor:
    """A saved model, ready to answer. `decisions` are the thresholds that its run tuned."""

    task: Task
    module: nn.Module
    tokenizer: PreTrainedTokenizerBase
    labels: tuple[str, ...]
    max_length: int
    decisions: Mapping[str, float]
    precision: Precision
    device: torch.device

    @classmethod
    def load(cls, folder: Path, device: torch.device | None = None) -> Predictor:
        """From a folder that a run or `export` wrote. Raises NotSaved, ModelError or UnknownName."""
        saved = saved_task(folder)
        device = device or default_device()
        task: Task = registry.load("task", saved["task"]).configured(saved["task_options"])
        labels, config = tuple(saved["labels"]), RunConfig.model_validate_json(json.dumps(saved["config"]))
        model = _model_config(config.model, folder)
        pristine = task.build_model(ModelSource(model, attention=_attention(saved["attention"], device)), labels)
        if pristine.missing:
            raise ModelError(f"{folder}: lacks weights of the model: {min(pristine.missing)}")
        return cls(
            task=task,
            module=pristine.module.to(device),
            tokenizer=load_tokenizer(model),
            labels=labels,
            max_length=saved["max_length"],
            decisions=saved["decisions"],
            precision=_precision(model.precision, device),
            device=device,
        )

    def predict(self, items: Sequence[Item]) -> pd.DataFrame:
        """A table like that of a run, without what rests on gold labels; labels that items have are not looked at.

        Items without an id are numbered from 1. Raises DataError naming the first item that the task cannot read.
        """
        if not items:
            raise DataError("there is nothing to predict")
        numbered = [{"id": str(number), **item} for number, item in enumerate(items, start=1)]
        asked = self.task.unlabelled(numbered, self.labels)
        parts = [asked[start : start + ITEMS_AT_A_TIME] for start in range(0, len(asked), ITEMS_AT_A_TIME)]
        return pd.concat([self._answers(part) for part in parts], ignore_index=True)

    def _answers(self, items: Sequence[Item]) -> pd.DataFrame:
        features = self.task.encode(items, self.tokenizer, self.labels, self.max_length)
        feed = Feed(features, self.device)
        group = Group(device=self.device)
        outputs = evaluate(self.module, self.task, feed, group, self.precision).outputs
        table = self.task.predictions(items, features, outputs, self.labels)
        decided = self.task.decide(table, self.decisions)
        known = decided.drop(columns=[name for name in _OF_GOLD if name in decided.columns])
        if all("words" in item for item in items):
            _insert_words(known, items)
        return known


def _insert_words(table: pd.DataFrame, items: Sequence[Item]) -> None:
    """Put the word beside its position, so that a person can read the table."""
    words = {str(item["id"]): item["words"] for item in items}
    found = [words[name][place] for name, place in zip(table["item"], table["position"], strict=True)]
    table.insert(table.columns.get_loc("position") + 1, "word", found)


def _model_config(config: ModelConfig, folder: Path) -> ModelConfig:
    """The run's model with everything that the folder holds taken from there."""
    kept = {} if "from" in config.tokenizer else config.tokenizer
    own: dict[str, Any] = {"source": str(folder.resolve()), "revision": None, "random_init": False, "overrides": {}}
    return config.model_copy(update={**own, "tokenizer": kept})


def _attention(used: str | None, device: torch.device) -> str | None:
    """The kernel that the run used, where this device has it."""
    return used if used in _ANYWHERE or device.type == "cuda" else None


def _precision(used: Precision, device: torch.device) -> Precision:
    """The run's precision, or float32 where this machine does not compute in it."""
    on_gpu = device.type == "cuda"
    return used if this_machine().supports(used) and (on_gpu or used != "fp16") else "fp32"
