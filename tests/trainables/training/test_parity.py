"""The loop trains as a plain loop does: same items in the same order, same losses, epoch by epoch, to 1e-5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.tiny import tiny_model
from tests.trainables.tasks.texts import tiny_label_sets, tiny_pairs
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.data.load import load_corpus
from trainables.data.splits import split_for
from trainables.modeling.pretrained import ModelSource, instantiate
from trainables.tasks import multi_label_classification, sequence_classification
from trainables.training.run import run
from trainables.training.seeding import RandomStream, derived, generator

TRAIN = TrainConfig(epochs=3, batch_size=8, learning_rate=3e-3, weight_decay=0.0, max_length=96, dropout=0.0)
TASKS: dict[str, Any] = {
    "sequence_classification": (sequence_classification.TASK, tiny_pairs(44)),
    "multi_label_classification": (multi_label_classification.TASK, tiny_label_sets(44)),
}


def _config(folder: Path, task: str, items: list[dict[str, Any]]) -> RunConfig:
    path = folder / "items.jsonl"
    alone = [{name: value for name, value in item.items() if name != "cluster"} for item in items]
    path.write_text("".join(json.dumps(item) + "\n" for item in alone), encoding="utf-8")
    return RunConfig(
        task=task,
        data=DataConfig(path=str(path)),
        model=ModelConfig(name="tiny", source=str(tiny_model(folder / "model"))),
        train=TRAIN,
        split=SplitConfig(validation=0.25, calibration=0.1),
        seed=7,
    )


def _targets(task: str, items: list[dict[str, Any]], labels: tuple[str, ...]) -> torch.Tensor:
    if task == "sequence_classification":
        return torch.tensor([labels.index(item["label"]) for item in items])
    return torch.tensor([[float(label in item["labels"]) for label in labels] for item in items])


def _plain_losses(config: RunConfig) -> list[float]:
    """Mean training loss of each epoch of a loop as in a tutorial: tokenizer, model, AdamW, linear schedule, clipping.

    Only the first weights and the order of items are taken from the run's seed.
    """
    task, corpus = TASKS[config.task][0], load_corpus(config.data)
    labels = task.label_space(corpus.items)
    items = [corpus.items[index] for index in split_for(task, corpus, config.split, 42).train]
    tokenizer = AutoTokenizer.from_pretrained(config.model.source)
    drawn = instantiate(task.build_model(ModelSource(config.model), labels), derived(config.seed, RandomStream.WEIGHTS))
    kind = "multi_label_classification" if config.task.startswith("multi") else "single_label_classification"
    model = AutoModelForSequenceClassification.from_pretrained(
        config.model.source, num_labels=len(labels), problem_type=kind, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model.load_state_dict(drawn.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=TRAIN.learning_rate, weight_decay=0.0)
    steps = -(-len(items) // TRAIN.batch_size) * TRAIN.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    model.train()
    losses = []
    for epoch in range(TRAIN.epochs):
        total = 0.0
        for rows in torch.split(
            torch.from_numpy(generator(config.seed, RandomStream.ORDER, epoch).permutation(len(items))), 8
        ):
            batch = [items[row] for row in rows]
            pairs = [item["text_pair"] for item in batch] if "text_pair" in batch[0] else None
            inputs = tokenizer([item["text"] for item in batch], pairs, padding=True, return_tensors="pt")
            loss = model(**inputs, labels=_targets(config.task, batch, labels)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        losses.append(total / len(items))
    return losses


@pytest.mark.parametrize("task", TASKS)
def test_training_losses_are_those_of_a_plain_loop(tmp_path: Path, task: str) -> None:
    config = _config(tmp_path, task, TASKS[task][1])
    ours = run(config).epochs["train_loss"].to_numpy()
    assert ours[-1] < ours[0]
    np.testing.assert_allclose(ours, _plain_losses(config), atol=1e-5)
