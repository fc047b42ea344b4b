"""The peer of the training benchmarks: Hugging Face's Trainer with dynamic padding, as people use it.

It gets the same split, pieces, targets, batch size, schedule and epochs as ours, and the same function scores it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from trainables import registry
from trainables.config import Precision, RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.dataset import Item
from trainables.data.features import Features
from trainables.data.load import load_corpus
from trainables.data.splits import split_for
from trainables.modeling.pretrained import ModelSource
from trainables.protocols.task import Task
from trainables.system.memory import StepClock
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import Evaluation, evaluate
from trainables.training.token_cache import load_features

SCORED_FEATURES = 256  # of the validation part: enough to see whether two trainings learn alike


@dataclass(frozen=True)
class Material:
    """What both sides train on."""

    task: Task
    items: Sequence[Item]
    labels: tuple[str, ...]
    train: Features
    validation: Features


def material(config: RunConfig) -> Material:
    """The features of a run's split, with the pieces' own ids."""
    task: Task = registry.load("task", config.task).configured(config.task_options)
    corpus = load_corpus(config.data)
    labels = task.label_space(corpus.items)
    features = load_features(task, corpus, config.model, labels, config.train.max_length)
    split = split_for(task, corpus, config.split, config.split_seed)
    train, validation = (features.take(features.of_items(split.part(part))) for part in ("train", "validation"))
    return Material(task, corpus.items, labels, train, validation)


@dataclass(frozen=True)
class Trained:
    """A model that the Trainer has fine-tuned, and seconds and steps of its last epoch."""

    model: Any
    found: Material
    seconds: float
    steps: int

    def evaluated(self, precision: Precision, features: int | None = None) -> Evaluation:
        """Loss and outputs on the validation part, or on its first `features`, as our loop computes them."""
        group = ProcessGroup.current()
        rows = np.arange(len(self.found.validation))[:features]
        loader = BatchLoader(self.found.validation.take(rows), group.device)
        return evaluate(self.model, self.found.task, loader, group, precision)


def train(config: RunConfig, precision: Precision = "fp32") -> dict[str, float]:
    """Fine-tune with the Trainer: samples and tokens a second of its last epoch, and the loss on validation items."""
    trained = fine_tuned(config, precision)
    features = trained.found.train
    return {
        "samples_per_second": len(features) / trained.seconds,
        "tokens_per_second": float(features.columns["input_ids"].lengths.sum()) / trained.seconds,
        "step_seconds": trained.seconds / trained.steps,
        "validation_loss": trained.evaluated("bf16" if precision == "bf16" else "fp32", SCORED_FEATURES).loss,
        "threads": torch.get_num_threads(),
    }


def final_metrics(config: RunConfig, precision: Precision) -> dict[str, float]:
    """Fine-tune with the Trainer, then every metric of our task over the whole validation part."""
    trained = fine_tuned(config, precision)
    found = trained.found
    outputs = trained.evaluated(precision).outputs
    return found.task.score(found.task.predictions(found.items, found.validation, outputs, found.labels))


def fine_tuned(config: RunConfig, precision: Precision) -> Trained:
    """Fine-tune on the run's training items with the Trainer, at the run's settings."""
    found = material(config)
    torch.manual_seed(config.seed)
    model = model_of(config, found)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model=model,
            args=settings(config, Path(folder), precision),
            train_dataset=rows_of(found.train),
            data_collator=collator(config),
            callbacks=[clock],
        )
        trainer.train()
    return Trained(model, found, clock.seconds[-1], clock.steps[-1])


def model_of(config: RunConfig, found: Material) -> Any:
    """As `AutoModelFor....from_pretrained(...)` gives it, or from its configuration with random weights."""
    classes = {
        "token_classification": transformers.AutoModelForTokenClassification,
        "sequence_classification": transformers.AutoModelForSequenceClassification,
        "question_answering": transformers.AutoModelForQuestionAnswering,
    }
    labels = found.labels or ("start", "end")
    configuration = ModelSource(config.model).configuration(labels)
    if config.model.random_init:
        return classes[config.task].from_config(configuration)
    return classes[config.task].from_pretrained(config.model.source, num_labels=len(labels))


def settings(config: RunConfig, folder: Path, precision: Precision) -> transformers.TrainingArguments:
    """The run's settings as the Trainer takes them; everything else as it comes."""
    train = config.train
    return transformers.TrainingArguments(
        output_dir=str(folder),
        seed=config.seed,
        num_train_epochs=train.epochs,
        per_device_train_batch_size=train.batch_size,
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
        adam_beta1=train.betas[0],
        adam_beta2=train.betas[1],
        adam_epsilon=train.epsilon,
        lr_scheduler_type="linear",
        warmup_steps=train.warmup,
        max_grad_norm=train.clip or 0.0,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )


def rows_of(features: Features) -> list[dict[str, Any]]:
    """Rows as `datasets` would hold them: lists of pieces, and plain numbers where a feature has one target."""
    rows = []
    for index in range(len(features)):
        columns = {name: column.row(index).tolist() for name, column in features.columns.items()}
        rows.append({name: value[0] if name in features.fixed else value for name, value in columns.items()})
    return rows


def collator(config: RunConfig) -> Any:
    """The library's own, which pads a batch to its longest row."""
    tokenizer = ModelSource(config.model).tokenizer()
    if config.task == "token_classification":
        return transformers.DataCollatorForTokenClassification(tokenizer)
    return transformers.DataCollatorWithPadding(tokenizer)


class Timed(transformers.TrainerCallback):
    """Times the steps of a Trainer after `warmup` of them, and counts what their batches hold."""

    def __init__(self, device: torch.device, warmup: int, collate: Any) -> None:
        self._clock, self._warmup, self._collate = StepClock(device), warmup, collate
        self._items: list[int] = []
        self._tokens: list[int] = []

    def collate(self, rows: list[dict[str, Any]]) -> Any:
        """As the collator does."""
        self._items.append(len(rows))
        self._tokens.append(sum(len(row["input_ids"]) for row in rows))
        return self._collate(rows)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Mark the end of a step, from that of the last warm-up step on."""
        if state.global_step >= self._warmup:
            self._clock.tick()

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Wait for the device."""
        self._clock.pause()

    def speed(self) -> dict[str, float]:
        """Samples and real tokens a second, and how long single steps took."""
        seconds = self._clock.seconds
        timed = slice(self._warmup, self._warmup + len(seconds))
        return {
            "samples_per_second": sum(self._items[timed]) / sum(seconds),
            "tokens_per_second": sum(self._tokens[timed]) / sum(seconds),
            "step_seconds_p50": float(np.percentile(seconds, 50)),
            "step_seconds_p95": float(np.percentile(seconds, 95)),
        }


class _Clock(transformers.TrainerCallback):
    """Seconds and steps of every epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.steps: list[int] = []

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.started, self.before = _now(), state.global_step

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.seconds.append(_now() - self.started)
        self.steps.append(state.global_step - self.before)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
