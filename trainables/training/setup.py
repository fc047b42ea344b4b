"""Prepares what a run needs before it trains: data, split, features and a fresh model, from the cache if possible."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import pandas as pd
import torch
from torch import nn

from analysis.metrics import Metric
from analysis.tables.folder import Folder
from trainables import registry
from trainables.config import RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.dataset import Corpus
from trainables.data.features import Features, Ragged
from trainables.data.leakage import GOLD
from trainables.data.load import load_corpus
from trainables.data.repeats import with_repeats_joined
from trainables.data.splits import PARTS, Split, split_for
from trainables.modeling.limits import require_length
from trainables.modeling.pretrained import ModelSource, PretrainedModel, instantiate
from trainables.modeling.tokenizer import training_texts
from trainables.modeling.vocabulary_trimming import TrimmedModel
from trainables.protocols.task import Task
from trainables.protocols.variant import Applied, Plan, adjust_model, around, plan_of, resolve_variants
from trainables.system.attention_kernels import chosen_kernels
from trainables.training.evaluation import folds_of, tuned, validated
from trainables.training.init_from import pretrained_model
from trainables.training.run_columns import SplitPart
from trainables.training.seeding import RandomStream, derived
from trainables.training.token_cache import RunCache, drop_graphs, load_features

logger = logging.getLogger(__name__)

Outputs = Mapping[str, Ragged]


@dataclass(frozen=True)
class Prepared:
    """All that a run needs before it trains. Everything but the model is shared with other runs.

    `whole` loads the base model again, with the embedding rows that `trimmed` leaves out. `around` holds the process
    settings that the device and the run's variants need; training and evaluation must run inside it. `folds` maps
    validation items to folds, if thresholds that are tuned on validation choose the epoch.
    """

    task: Task
    plan: Plan
    corpus: Corpus
    labels: tuple[str, ...]
    parts: Mapping[str, SplitPart]
    trimmed: TrimmedModel
    whole: Callable[[], PretrainedModel]
    model: nn.Module
    own_metric: Metric | None
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    folds: Mapping[str, int] = field(default_factory=dict)

    @property
    def judged(self) -> dict[str, SplitPart]:
        """Return what every epoch is judged on: validation, and calibration if thresholds are tuned on it."""
        parts = ("validation", "calibration") if self.task.tunes else ("validation",)
        return {name: self.parts[name] for name in parts if name in self.parts}

    def judge(self, outputs: Mapping[str, Outputs]) -> tuple[dict[str, float], dict[str, float]]:
        """Return the reported metrics of validation, and the thresholds tuned from these outputs."""
        tables = {part: self.predictions(part, of_part) for part, of_part in outputs.items()}
        thresholds = tuned(self.task, tables)
        return self.score(validated(self.task, tables["validation"], thresholds, self.folds)), thresholds

    def validated(self, outputs: Outputs, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the validation predictions under thresholds tuned on other items."""
        return validated(self.task, self.predictions("validation", outputs), thresholds, self.folds)

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the task's metrics, and the user's own if the run names one by path."""
        scores = self.task.score(predictions)
        if self.own_metric is not None:
            columns = (predictions[name].tolist() for name in ("gold", "predicted", "item"))
            scores[self.own_metric.name] = self.own_metric.score(*columns)
        return scores

    def predictions(self, part: str, outputs: Outputs, thresholds: Mapping[str, float] | None = None) -> pd.DataFrame:
        """Return the predictions of one part, under the task's default thresholds unless others are given."""
        table = self.task.predictions(self.corpus.items, self.parts[part].features, outputs, self.labels)
        return self.task.apply_thresholds(table, thresholds or {}).assign(split=part)

    def with_repeats_joined(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Return predictions in which items of equal content have one cluster: they are one piece of evidence."""
        gold = getattr(self.task, "gold", GOLD)
        return with_repeats_joined(predictions, self.corpus.items, self.task.fields, gold)


def prepare(config: RunConfig, device: torch.device, cache: RunCache, init_from: Folder | None = None) -> Prepared:
    """Prepare a run's data, split, features and freshly initialised model, as far as possible from the cache."""
    task: Task = registry.load("task", config.task).configured(config.task_options)
    applied = resolve_variants(config.variants, lambda name: registry.load("variant", name))
    plan = plan_of(applied)
    if cache.changed("system", _system_key(config)):
        drop_graphs()
    corpus = cache.get("corpus", (_data_key(config), task.fields), lambda: load_corpus(config.data, task.fields))
    labels = cache.get("labels", _labels_key(config, task), lambda: _labels(task, corpus))
    split = split_for(task, corpus, config.split, config.split_seed, config.fold)
    task.check_split(corpus.items, split, labels)
    task = task.fitted([corpus.items[index] for index in split.train], labels)
    attention = plan.attention or _default_attention(device)
    source = ModelSource(
        config.model,
        attention=attention,
        dropout=config.train.dropout,
        quantization=plan.quantization,
        texts=partial(training_texts, corpus),
    )
    whole = partial(pretrained_model, task, source, labels, init_from, config.task)
    trimmed = _trimmed_model(config, task, corpus, labels, source, whole, cache)
    _log_head(config.model.name, trimmed.pretrained)
    parts = _parts(split, trimmed.features, device, plan, config.train.max_length)
    model = instantiate(trimmed.pretrained, derived(config.seed, RandomStream.WEIGHTS)).to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived(config.seed, RandomStream.ADJUSTMENT))  # for weights that a variant adds
        model = adjust_model(model, applied)
    own_metric = registry.load("metric", config.metric) if registry.is_path(config.metric or "") else None
    settings = partial(settings_of_process, device, applied)
    folds = folds_of(task, corpus.items, split, config.split_seed)
    return Prepared(task, plan, corpus, labels, parts, trimmed, whole, model, own_metric, settings, folds)


@contextmanager
def settings_of_process(device: torch.device, applied: tuple[Applied, ...]) -> Iterator[None]:
    """Allow only attention kernels that are safe on the device, and set what the variants need; restore both after."""
    with chosen_kernels(device), around(applied):
        yield


def _default_attention(device: torch.device) -> str | None:
    """Return eager on the CPU, where torch's fused kernels are slower (docs/experiments.md); else None."""
    return "eager" if device.type == "cpu" else None


def _log_head(model: str, pretrained: PretrainedModel) -> None:
    """Log what became of a checkpoint's head; every run does, including those that use the cache."""
    if pretrained.remark is not None:
        drawn = pretrained.head <= pretrained.missing
        logger.log(logging.WARNING if drawn else logging.INFO, "%s: %s", model, pretrained.remark)


def _system_key(config: RunConfig) -> Hashable:
    """Return the settings of a system, and the content of the code they name."""
    settings = config.model_copy(update={"seed": 0, "fold": None}).model_dump_json()
    return settings, _data_key(config), *map(registry.content_of, (config.task, *config.variants))


def _data_key(config: RunConfig) -> Hashable:
    return config.data.model_dump_json(), registry.content_of(config.data.name or "")


def _labels_key(config: RunConfig, task: Task) -> Hashable:
    return registry.content_of(config.task), task.options.model_dump_json(), _data_key(config)


def _labels(task: Task, corpus: Corpus) -> tuple[str, ...]:
    task.check(corpus.items)
    return task.label_space(corpus.items)


def _trimmed_model(
    config: RunConfig,
    task: Task,
    corpus: Corpus,
    labels: tuple[str, ...],
    source: ModelSource,
    whole: Callable[[], PretrainedModel],
    cache: RunCache,
) -> TrimmedModel:
    """Return tokenised data and base weights of one model on one data set, which all its runs share."""
    train = config.train
    choices = (train.max_length, train.dropout, source.attention, source.quantization, config.init_from)
    key = (_labels_key(config, task), config.model.model_dump_json(), *choices)

    def build() -> TrimmedModel:
        features = load_features(task, corpus, config.model, labels, train.max_length)
        pretrained = whole()
        require_length(config.model.name, pretrained.module.config.to_dict(), train.max_length)
        return TrimmedModel.of(features, pretrained, task.whole_vocabulary)

    return cache.get("trimmed", key, build)


def _parts(split: Split, features: Features, device: torch.device, plan: Plan, max_length: int) -> dict[str, SplitPart]:
    width = max_length if plan.padding == "max_length" else None
    parts = {}
    for name in PARTS:
        indices = features.of_items(split.part(name))
        if len(indices):
            chosen = features.take(indices)
            parts[name] = SplitPart(chosen, BatchLoader(chosen, device, width, plan.width_multiple, max_length))
    return parts
