"""Training on questions through the one loop is what a plain loop computes, and it learns to answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForQuestionAnswering

from tests.tiny import tiny_model
from tests.trainables.tasks.questions import tiny_questions
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.training.run import prepare, run
from trainables.training.seeding import RandomStream, generator
from trainables.training.token_cache import RunCache

EPOCHS, BATCH, RATE, WIDTH = 3, 8, 3e-3, 80


def _config(folder: Path, **changes: Any) -> RunConfig:
    data = folder / "questions.jsonl"
    data.write_text("".join(json.dumps(item) + "\n" for item in tiny_questions(24)), encoding="utf-8")
    settings: dict[str, Any] = {
        "task": "question_answering",
        "task_options": {"stride": 16},
        "data": DataConfig(path=str(data)),
        "model": ModelConfig(name="tiny", source=str(tiny_model(folder / "model"))),
        "train": TrainConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, dropout=0.0, max_length=WIDTH),
        "split": SplitConfig(validation=0.25),
        "seed": 1,
    }
    return RunConfig(**{**settings, **changes})


def _padded(rows: list[np.ndarray], fill: int) -> torch.Tensor:
    return torch.tensor([[*row.tolist(), *[fill] * (WIDTH - len(row))] for row in rows])


def _reference(config: RunConfig, folder: Path) -> list[float]:
    """Mean loss of each epoch: whole vocabulary, every window padded to the full width, plain AdamW, one step a batch.

    The same windows in the same order and the same first weights are all that it shares with the loop.
    """
    prepared = prepare(config, torch.device("cpu"), RunCache())
    task, labels = prepared.task, ()
    from trainables.modeling.pretrained import load_tokenizer

    whole = task.encode(prepared.corpus.items, load_tokenizer(config.model), labels, WIDTH)
    trained = set(prepared.parts["train"].features.item.tolist())
    features = whole.take([row for row in range(len(whole)) if whole.item[row] in trained])
    model = AutoModelForQuestionAnswering.from_pretrained(folder / "model", attn_implementation="eager")
    model.load_state_dict({name: value for name, value in prepared.model.state_dict().items() if "qa_" in name}, False)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, foreach=False)
    steps = -(-len(features) // BATCH) * EPOCHS
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    means = []
    for epoch in range(EPOCHS):
        order, total = generator(config.seed, RandomStream.ORDER, epoch).permutation(len(features)), 0.0
        for low in range(0, len(order), BATCH):
            rows = order[low : low + BATCH]
            columns = {name: [column.row(row) for row in rows] for name, column in features.columns.items()}
            mask = _padded([np.ones_like(row) for row in columns["input_ids"]], 0)
            found = model(
                input_ids=_padded(columns["input_ids"], 0),
                token_type_ids=_padded(columns["token_type_ids"], 0),
                attention_mask=mask,
            )
            loss = torch.zeros(())
            for logits, name in ((found.start_logits, "start_positions"), (found.end_logits, "end_positions")):
                target = torch.tensor(np.concatenate(columns[name])).long()
                loss = loss + torch.nn.functional.cross_entropy(logits + (mask - 1) * 1e9, target) / 2
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        means.append(total / len(features))
    return means


def test_the_training_loss_curve_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    config = _config(tmp_path)
    outcome = run(config)
    expected = _reference(config, tmp_path)
    assert outcome.epochs["train_loss"].tolist() == pytest.approx(expected, abs=1e-5)
    assert expected[-1] < expected[0] - 0.1


def test_without_padding_the_loss_is_the_models_own(tmp_path: Path) -> None:
    prepared = prepare(_config(tmp_path), torch.device("cpu"), RunCache())
    loader = prepared.parts["train"].loader
    rows = np.flatnonzero(loader.lengths == WIDTH)[:6]
    batch = loader.batch(rows)
    assert "attention_mask" not in batch
    with torch.no_grad():
        found = prepared.model(**batch)
    assert float(prepared.task.loss(found, batch)) == pytest.approx(6 * float(found.loss), rel=1e-6)


def test_a_run_reports_all_fields_and_one_row_a_question(tmp_path: Path) -> None:
    outcome = run(_config(tmp_path, train=TrainConfig(epochs=1, batch_size=8, max_length=WIDTH)))
    table = outcome.predictions
    assert len(table) == outcome.columns["evaluation_items"] == outcome.columns["metric_total"] == 6
    assert outcome.columns["score"] == outcome.columns["metric_answer_f1"] == pytest.approx(table["item_score"].mean())
    assert {f"metric_{name}" for name in ("has_answer_f1", "no_answer_f1", "best_answer_f1")} <= set(outcome.columns)


def test_a_tuned_threshold_comes_from_questions_that_are_not_reported(tmp_path: Path) -> None:
    options = {"stride": 16, "tune_threshold": True}
    train = TrainConfig(epochs=1, batch_size=8, max_length=WIDTH)
    outcome = run(_config(tmp_path, task_options=options, train=train, split=SplitConfig(validation=0.25, test=0.25)))
    threshold = outcome.thresholds["no_answer_threshold"]
    validation, test = (outcome.predictions[outcome.predictions["split"] == part] for part in ("validation", "test"))
    assert min(abs(validation["no_answer_score"] - threshold)) < 1e-9
    assert ((test["predicted"] == "") == (test["no_answer_score"] > threshold)).all()
