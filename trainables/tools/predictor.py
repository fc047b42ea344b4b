"""Predicts for items without labels from the folder of a saved run, exactly as the run itself would."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn

from trainables import registry
from trainables.config import ModelConfig, Precision, RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.dataset import DataError, Item
from trainables.data.unlabelled import GOLD
from trainables.modeling.pretrained import ModelError, ModelSource
from trainables.modeling.remote_code import HubCode, in_folder
from trainables.modeling.saved_model import (
    PAIRS,
    TASK_FILE,
    TASK_SHA256,
    DamagedWeights,
    NotSaved,
    digest_of,
    saved_task,
)
from trainables.modeling.tokenizer import load_tokenizer
from trainables.protocols.task import Task
from trainables.system.hardware import this_machine
from trainables.training.distributed import ProcessGroup, default_device
from trainables.training.evaluation import evaluate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

ITEMS_AT_A_TIME = 20_000
_OF_GOLD = ("gold", "correct", "item_score")  # columns of predictions that need gold labels, unknown here
_ANYWHERE, _ON_DEVICES = ("eager", "sdpa"), ("flash_attention_2", "unpadded")


@dataclass(frozen=True)
class PredictedItems:
    """Predictions, and counts of what the model did not see: name of the count -> id of the item -> number.

    `blank` are the ids of items without any text: they have a row in the table, and no answer.
    """

    table: pd.DataFrame
    counts: Mapping[str, Mapping[str, int]]
    blank: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictor:
    """A saved model, ready to predict. `thresholds` are those that its run tuned.

    `pairs` says whether the run's items were pairs of texts; None: an older folder, which does not say it.
    """

    task: Task
    module: nn.Module
    tokenizer: PreTrainedTokenizerBase
    labels: tuple[str, ...]
    max_length: int
    thresholds: Mapping[str, float]
    precision: Precision
    device: torch.device
    pairs: bool | None = None

    @classmethod
    def load(
        cls,
        folder: Path,
        device: torch.device | None = None,
        *,
        task: str | None = None,
        code: HubCode | None = None,
    ) -> Predictor:
        """Load a folder that a run or `export` wrote. The folder is data: code that it holds or names is not run.

        `task` is the Python file of a task that is not built in; `code` is the hub repository, at a commit, whose code
        the model may run. Raises NotSaved, DamagedWeights, ModelError or UnknownName.
        """
        saved = saved_task(folder)
        device = device or default_device()
        run_task, config = _task(folder, saved, task), _config(folder, saved)
        labels, model = tuple(saved["labels"]), _model_config(config.model, folder, code)
        trained = run_task.build_model(ModelSource(model, attention=_attention(saved["attention"], device)), labels)
        if trained.missing:
            raise ModelError(f"{folder}: lacks weights of the model: {min(trained.missing)}")
        return cls(
            task=run_task,
            module=trained.module.to(device),
            tokenizer=load_tokenizer(model),
            labels=labels,
            max_length=saved["max_length"],
            thresholds=saved["decisions"],
            precision=_precision(model.precision, device),
            device=device,
            pairs=saved[PAIRS] if isinstance(saved.get(PAIRS), bool) else None,
        )

    def predict(self, items: Sequence[Item]) -> pd.DataFrame:
        """Return the table of `predict_with_counts`."""
        return self.predict_with_counts(items).table

    def predict_with_counts(self, items: Sequence[Item]) -> PredictedItems:
        """Return a run's table of predictions without the columns that need gold labels, and what was cut off.

        Labels of the items are ignored. Items without an id are numbered from 1. Raises DataError naming the first item
        that the task cannot read, or if every item is blank.
        """
        if not items:
            raise DataError("there is nothing to predict")
        numbered = [{"id": str(number), **item} for number, item in enumerate(items, start=1)]
        self._require_pairs(numbered)
        readable = [item for item in numbered if not self._is_blank(item)] or numbered
        ready = self.task.unlabelled(readable, self.labels)
        starts = range(0, len(ready), ITEMS_AT_A_TIME)
        parts = [self._predict_part(ready[start : start + ITEMS_AT_A_TIME]) for start in starts]
        names = dict.fromkeys(name for part in parts for name in part.counts)
        counts = {name: dict(pair for part in parts for pair in part.counts.get(name, {}).items()) for name in names}
        table = pd.concat([part.table for part in parts], ignore_index=True)
        if len(readable) == len(numbered):
            return PredictedItems(table, counts)
        blank = tuple(str(item["id"]) for item in numbered if self._is_blank(item))
        return PredictedItems(_with_blank(table, numbered, blank), counts, blank)

    def _require_pairs(self, items: Sequence[Item]) -> None:
        """Raise DataError if the run learned from pairs of texts and an item is a single one, or the other way."""
        if self.pairs is None or "text" not in self.task.fields:
            return
        for number, item in enumerate(items, start=1):
            if (item.get(PAIR) is not None) != self.pairs:
                raise DataError(f"item {number} (id {item['id']!r}): {_OF_PAIRS if self.pairs else _OF_TEXTS}")

    def _is_blank(self, item: Item) -> bool:
        """Return whether an item has nothing to judge: one of its texts, or each of its words, is white space."""
        fields = [name if name in item else "text" for name in self.task.fields if name not in GOLD]
        if "text" in self.task.fields:
            fields.append(PAIR)
        return any(name in item and _is_empty(item[name]) for name in fields)

    def _predict_part(self, items: Sequence[Item]) -> PredictedItems:
        features = self.task.encode(items, self.tokenizer, self.labels, self.max_length)
        loader = BatchLoader(features, self.device)
        group = ProcessGroup(device=self.device)
        outputs = evaluate(self.module, self.task, loader, group, self.precision).outputs
        table = self.task.predictions(items, features, outputs, self.labels)
        decided = self.task.apply_thresholds(table, self.thresholds)
        predictions = decided.drop(columns=[name for name in _OF_GOLD if name in decided.columns])
        if all("words" in item for item in items):
            _insert_words(predictions, items)
        return PredictedItems(predictions, {name: _by_item(items, count) for name, count in features.counts.items()})


PAIR = "text_pair"
_OF_PAIRS = (
    "there is no text_pair, and the model judges pairs of texts: give it with --field text_pair=TEXT, or as a column "
    "of the file (--columns text_pair=COLUMN)"
)
_OF_TEXTS = "there is a text_pair, and the model judges single texts: leave it out"


def _is_empty(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return not any(str(word).strip() for word in value)
    return value is None or (isinstance(value, str) and not value.strip())


def _with_blank(table: pd.DataFrame, items: Sequence[Item], blank: Sequence[str]) -> pd.DataFrame:
    """Return the table with a row for each blank item, which holds its id and no answer, in the order of the items."""
    whole = {name: "Int64" for name in table if pd.api.types.is_integer_dtype(table[name])}
    answered = table.astype(whole)
    rows = pd.DataFrame({"item": list(blank)}).reindex(columns=table.columns).astype(answered.dtypes)
    texts = [name for name in rows if rows[name].dtype == object]
    rows[texts] = rows[texts].where(rows[texts].notna(), None)
    together = pd.concat([answered, rows], ignore_index=True)
    order = {str(item["id"]): number for number, item in reversed(list(enumerate(items)))}
    return together.iloc[together["item"].map(order).argsort(kind="stable")].reset_index(drop=True)


def _by_item(items: Sequence[Item], counts: NDArray[np.int32]) -> dict[str, int]:
    """Return item id -> count, for counts above 0."""
    return {str(item["id"]): int(count) for item, count in zip(items, counts, strict=True) if count}


def _insert_words(table: pd.DataFrame, items: Sequence[Item]) -> None:
    """Insert each word beside its position, to make the table readable."""
    words = {str(item["id"]): item["words"] for item in items}
    column = [words[name][position] for name, position in zip(table["item"], table["position"], strict=True)]
    table.insert(table.columns.get_loc("position") + 1, "word", column)


def _task(folder: Path, saved: Mapping[str, Any], given: str | None) -> Task:
    """Return the task of a saved run: a built-in one by its name, else the one in the `given` Python file."""
    name = saved["task"]
    if not registry.is_path(name):
        if given is not None:
            raise NotSaved(f"{folder}: its task is {name}, which needs no file")
    elif not given:
        raise NotSaved(
            f"{folder}: its task is a Python file, {Path(name).name}, and files named in a folder are not run; "
            f"give it with --task PATH/{Path(name).name}"
        )
    elif not given.endswith(".py"):
        raise NotSaved(f"--task {given}: must be the Python file of the run's task, {Path(name).name}")
    task = registry.load("task", name) if given is None else _own_task(given)
    if given is not None and digest_of(Path(given).expanduser()) != saved.get(TASK_SHA256):
        doubt = "is not the file that the run was made with" if TASK_SHA256 in saved else "may be another file"
        logger.warning("%s %s: predictions may differ", given, doubt)
    try:
        return task.configured(saved["task_options"])
    except ValidationError as error:
        raise DamagedWeights(f"{folder / TASK_FILE}: task_options: {error.errors()[0]['msg']}") from error


def _own_task(path: str) -> Task:
    """Load the task of a user's file. Raises ModelError for whatever the file raises."""
    try:
        task = registry.load("task", path)
    except registry.UnknownName:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(getattr(task, "configured", None)):
        raise ModelError(f"{path}: TASK is not a task but {type(task).__name__}")
    own: Task = task
    return own


def _config(folder: Path, saved: Mapping[str, Any]) -> RunConfig:
    try:
        return RunConfig.model_validate_json(json.dumps(saved["config"]))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("config", *first["loc"])))
        raise DamagedWeights(f"{folder / TASK_FILE}: {where}: {first['msg']}") from error


def _model_config(config: ModelConfig, folder: Path, code: HubCode | None) -> ModelConfig:
    """Return the run's model, with everything that the folder holds taken from there."""
    kept = {} if "from" in config.tokenizer else config.tokenizer
    return in_folder(config, folder, code).model_copy(update={"random_init": False, "tokenizer": kept})


def _attention(used: str | None, device: torch.device) -> str | None:
    """Return the kernel that the run used, if this device has it."""
    return used if used in _ANYWHERE or (device.type == "cuda" and used in _ON_DEVICES) else None


def _precision(used: Precision, device: torch.device) -> Precision:
    """Return the run's precision, or float32 if this machine does not support it."""
    on_gpu = device.type == "cuda"
    return used if this_machine().supports(used) and (on_gpu or used != "fp16") else "fp32"
