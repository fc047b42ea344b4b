"""One run from its configuration to its outcome: data, split, model, training, test, columns of the result tables."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from analysis.metrics import Metric
from trainables import registry
from trainables.engine.allocator import keep_freed_memory
from trainables.engine.checkpoint import Checkpoints
from trainables.engine.columns import Part, Scored, fixed_columns, measured_columns, score_columns
from trainables.engine.config import RunConfig
from trainables.engine.control import Control, Uncontrolled
from trainables.engine.corpus import Corpus
from trainables.engine.data import load_corpus
from trainables.engine.evaluate import evaluate, is_usable
from trainables.engine.features import Features, Ragged
from trainables.engine.feed import Feed
from trainables.engine.folder import Folder
from trainables.engine.group import Group
from trainables.engine.material import Material
from trainables.engine.measure import reset_peak_memory
from trainables.engine.models import ModelSource, instantiate
from trainables.engine.outcome import Diverged, Outcome, Status, Stopped
from trainables.engine.seeding import Purpose, derived
from trainables.engine.splits import PARTS, Split, split_for
from trainables.engine.task import Task
from trainables.engine.tokens import load_features
from trainables.engine.training import Training
from trainables.engine.variant import Plan, adjust_model, plan_of, resolve_variants
from trainables.engine.warm import Warm

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """How a run is computed, which never changes what is computed."""

    accumulation: int = 1
    seconds_between_checkpoints: float = 600.0


@dataclass(frozen=True)
class Prepared:
    """All that a run needs before it trains. Everything but the model is shared with other runs."""

    task: Task
    plan: Plan
    corpus: Corpus
    labels: tuple[str, ...]
    parts: Mapping[str, Part]
    material: Material
    model: nn.Module
    own_metric: Metric | None

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """The task's metrics, and the user's own where the run names one by path."""
        scores = self.task.score(predictions)
        if self.own_metric is not None:
            columns = (predictions[name].tolist() for name in ("gold", "predicted", "item"))
            scores[self.own_metric.name] = self.own_metric.score(*columns)
        return scores

    def predictions(
        self, part: str, outputs: Mapping[str, Ragged], decisions: Mapping[str, float] | None = None
    ) -> pd.DataFrame:
        """The predictions table of one part, with the task's own decisions unless others are given."""
        table = self.task.predictions(self.corpus.items, self.parts[part].features, outputs, self.labels)
        return self.task.decide(table, decisions or {}).assign(split=part)


def run(
    config: RunConfig,
    *,
    group: Group | None = None,
    warm: Warm | None = None,
    control: Control | None = None,
    folder: Folder | None = None,
    layout: Layout | None = None,
) -> Outcome:
    """Fine-tune and score one model; all ranks call it alike, and rank 0's outcome is the run's.

    `folder` holds checkpoints; a run that finds one there goes on from it. Raises DataError, ValueError or OSError
    for what the user can mend; a non-finite loss is an outcome (`diverged`), not an exception.
    """
    group, warm, layout = group or Group.current(), warm or Warm(), layout or Layout()
    started = time.perf_counter()
    reset_peak_memory(group.device)
    if group.device.type == "cpu":
        keep_freed_memory()
    prepared = prepare(config, group.device, warm)
    training = _training(config, prepared, group, control or Uncontrolled(), folder, layout)
    setup = time.perf_counter() - started
    end: Status = "completed"
    reason, scored = None, None
    try:
        training.run()
        scored = _scored(config, prepared, training, group)
    except Diverged as error:
        end, reason = "diverged", str(error)
    except Stopped as stopped:
        end, reason = ("pruned" if stopped.prune else "stopped"), str(stopped)
    columns = fixed_columns(config, prepared.parts, prepared.material, prepared.model, group)
    columns |= {**measured_columns(training), "seconds_setup": setup, "seconds_total": time.perf_counter() - started}
    if end != "completed":
        return Outcome(end, reason, columns, pd.DataFrame(training.totals.rows))
    return _outcome(prepared, training, scored, columns)


def prepare(config: RunConfig, device: torch.device, warm: Warm) -> Prepared:
    """Data, split, features and a freshly initialised model of a run, as much as possible from what is warm."""
    task: Task = registry.load("task", config.task).configured(config.task_options)
    applied = resolve_variants(config.variants, lambda name: registry.load("variant", name))
    plan = plan_of(applied)
    data = config.data.model_dump_json()
    corpus = warm.get("corpus", data, lambda: load_corpus(config.data))
    labels = warm.get("labels", (config.task, data), lambda: _labels(task, corpus))
    split = split_for(task, corpus, config.split, config.split_seed, config.fold)
    task.check_split(corpus.items, split, labels)
    task = task.fitted([corpus.items[index] for index in split.train], labels)
    material = _material(config, task, corpus, labels, plan.attention or _default_attention(device), warm)
    width = config.train.max_length if plan.padding == "max_length" else None
    parts = _parts(split, material.features, device, width)
    model = instantiate(material.pristine, derived(config.seed, Purpose.WEIGHTS)).to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived(config.seed, Purpose.ADJUSTMENT))  # weights that a variant adds
        model = adjust_model(model, applied)
    own_metric = registry.load("metric", config.metric) if registry.is_path(config.metric or "") else None
    return Prepared(task, plan, corpus, labels, parts, material, model, own_metric)


def _default_attention(device: torch.device) -> str | None:
    """Eager on the CPU, where torch's fused kernels are slower (docs/experiments.md); elsewhere the model's own."""
    return "eager" if device.type == "cpu" else None


def _labels(task: Task, corpus: Corpus) -> tuple[str, ...]:
    task.check(corpus.items)
    return task.label_space(corpus.items)


def _material(
    config: RunConfig, task: Task, corpus: Corpus, labels: tuple[str, ...], attention: str | None, warm: Warm
) -> Material:
    """Tokenised data and base weights of one model on one data set: what all its runs share."""
    train = config.train
    settings = (config.data.model_dump_json(), config.model.model_dump_json())
    options = task.options.model_dump_json()
    key = (config.task, options, *settings, train.max_length, train.dropout, attention)

    def build() -> Material:
        features = load_features(task, corpus, config.model, labels, train.max_length)
        source = ModelSource(config.model, attention=attention, dropout=train.dropout)
        return Material.of(features, task.build_model(source, labels), task.whole_vocabulary)

    return warm.get("material", key, build)


def _parts(split: Split, features: Features, device: torch.device, width: int | None) -> dict[str, Part]:
    parts = {}
    for name in PARTS:
        indices = features.of_items(split.part(name))
        if len(indices):
            chosen = features.take(indices)
            parts[name] = Part(chosen, Feed(chosen, device, width))
    return parts


def _training(
    config: RunConfig, prepared: Prepared, group: Group, control: Control, folder: Folder | None, layout: Layout
) -> Training:
    checkpoints = Checkpoints(folder, layout.seconds_between_checkpoints)
    training = Training(
        config=config,
        plan=prepared.plan,
        task=prepared.task,
        model=prepared.model,
        train=prepared.parts["train"].feed,
        validation=prepared.parts["validation"].feed,
        score=lambda outputs: prepared.score(prepared.predictions("validation", outputs)),
        metric=prepared.own_metric.name if prepared.own_metric else config.metric or prepared.task.primary_metric,
        group=group,
        control=control,
        checkpoints=checkpoints,
        accumulation=layout.accumulation,
        keep_weights=bool({"calibration", "test"} & set(prepared.parts)),
    )
    snapshot = checkpoints.newest()
    if snapshot is not None:
        training.restore(snapshot)
        logger.info("going on from step %d of %d", training.position.step, training.rate.total)
    return training


def _scored(config: RunConfig, prepared: Prepared, training: Training, group: Group) -> Scored | None:
    """Predictions and metrics of the best epoch; the test part is scored once, with that epoch's weights.

    Decisions are tuned on calibration items, else on validation where there is a test part to report, and then frozen.
    Only rank 0 gets them; the others get None.
    """
    outputs = {"validation": training.best.outputs}
    others = [part for part in ("calibration", "test") if part in prepared.parts]
    if others:
        training.best.reload(prepared.model)
    for part in others:
        evaluation = evaluate(prepared.model, prepared.task, prepared.parts[part].feed, group, config.model.precision)
        training.totals.evaluation_seconds += evaluation.seconds
        if not is_usable(evaluation):
            raise Diverged(training.position.step, f"{part} loss became non-finite")
        outputs[part] = evaluation.outputs
    if not group.is_main:
        return None
    return _decided(prepared, outputs)


def _decided(prepared: Prepared, outputs: Mapping[str, Mapping[str, Ragged]]) -> Scored:
    """Tables and metrics of the reported parts, under decisions that were tuned on other items."""
    tuned_on = "calibration" if "calibration" in outputs else "validation"
    reported = [part for part in ("validation", "test") if part in outputs]
    decided = [part for part in reported if part != tuned_on]
    decisions = prepared.task.tune(prepared.predictions(tuned_on, outputs[tuned_on])) if decided else {}
    tables = {
        part: prepared.predictions(part, outputs[part], decisions if part in decided else None) for part in reported
    }
    return Scored(tables, {part: prepared.score(table) for part, table in tables.items()}, decisions)


def _outcome(prepared: Prepared, training: Training, scored: Scored | None, columns: dict[str, Any]) -> Outcome:
    """The outcome of a run that reached its end; only rank 0's is complete."""
    if scored is None:
        return Outcome("completed")
    collapsed = prepared.task.is_collapsed(scored.reported)
    return Outcome(
        "collapsed" if collapsed else "completed",
        "every item got the majority class" if collapsed else None,
        {**columns, **score_columns(training, scored)},
        pd.DataFrame(training.totals.rows),
        pd.concat(list(scored.predictions.values()), ignore_index=True),
        scored.decisions,
    )
