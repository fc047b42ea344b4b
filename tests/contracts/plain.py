"""What plain Transformers says with a saved folder, task by task: no code of ours touches the model or the tokenizer.

Each function gets the folder, the items, and the predictions table of the run that saved it, and checks them against
what anybody gets from `pipeline()` or an Auto class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from trainables import registry
from trainables.config import ModelConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.dataset import Item
from trainables.modeling.pretrained import load_tokenizer
from trainables.protocols.task import Task

CPU = torch.device("cpu")


def texts_and_scores(folder: Path, items: Sequence[Item]) -> list[dict[str, float]]:
    """The score of every label of every text, a batch at a time."""
    pipe: Any = transformers.pipeline("text-classification", model=str(folder), device="cpu", top_k=None, batch_size=4)
    inputs = [{"text": item["text"], "text_pair": item.get("text_pair")} for item in items]
    return [{entry["label"]: entry["score"] for entry in found} for found in pipe(inputs)]


def one_label(folder: Path, items: Sequence[Item], table: pd.DataFrame) -> None:
    """The most probable label and its probability; the probabilities of a text sum to 1."""
    found = texts_and_scores(folder, items)
    assert [max(scores, key=scores.__getitem__) for scores in found] == table["predicted"].tolist()
    assert [max(scores.values()) for scores in found] == pytest.approx(table["probability"].tolist(), abs=1e-5)
    assert [sum(scores.values()) for scores in found] == pytest.approx([1.0] * len(found), abs=1e-5)


def many_labels(folder: Path, items: Sequence[Item], table: pd.DataFrame) -> None:
    """The probability of every label on its own, and with the saved thresholds the same sets."""
    labels, thresholds = (json.loads((folder / "task.json").read_text())[name] for name in ("labels", "decisions"))
    found = texts_and_scores(folder, items)
    for label in labels:
        theirs = [scores[label] for scores in found]
        assert theirs == pytest.approx(table[f"probability_{label}"].tolist(), abs=1e-5), label
    sets = [[label for label in labels if scores[label] >= thresholds.get(label, 0.5)] for scores in found]
    assert ["\t".join(names) for names in sets] == table["predicted"].tolist()


def words(folder: Path, items: Sequence[Item], table: pd.DataFrame) -> None:
    """The label of every word, with `aggregation_strategy="first"`, of words as they are and of running text."""
    arguments: Any = {"aggregation_strategy": "first", "ignore_labels": [], "device": "cpu"}
    pipe: Any = transformers.pipeline("token-classification", model=str(folder), **arguments)
    recorded = table.set_index(["item", "position"])["predicted"]
    for item in items:
        starts = np.cumsum([0, *(len(word) + 1 for word in item["words"])])[:-1]
        expected = [recorded[str(item["id"]), place] for place in range(len(starts))]
        for groups in (pipe(" ".join(item["words"])), pipe([item["words"]], is_split_into_words=True)[0]):
            said = [next(one["entity_group"] for one in groups if one["start"] <= at < one["end"]) for at in starts]
            assert said == expected


def spans(folder: Path, items: Sequence[Item], table: pd.DataFrame) -> None:
    """The best span of a context that fits into one window, and by how much the null score exceeds it."""
    saved = json.loads((folder / "task.json").read_text())
    threshold = {**saved["task_options"], **saved["decisions"]}["no_answer_threshold"]
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for item, row in zip(items, table.to_dict("records"), strict=True):
        batch = tokenizer(item["question"], item["context"], return_tensors="pt", return_offsets_mapping=True)
        offsets, sides = batch.pop("offset_mapping")[0].tolist(), batch.sequence_ids(0)
        with torch.no_grad():
            outputs = model(**batch)
        start, end = outputs.start_logits[0].tolist(), outputs.end_logits[0].tolist()
        inside = [place for place, side in enumerate(sides) if side == 1]
        pairs = [(start[a] + end[b], a, b) for a in inside for b in inside if a <= b < a + 30]
        score, first, last = max(pairs, key=lambda pair: pair[0])
        assert item["context"][offsets[first][0] : offsets[last][1]] == row["answer"]
        assert start[0] + end[0] - score == pytest.approx(row["no_answer_score"], abs=1e-4)
        assert row["predicted"] == ("" if row["no_answer_score"] > threshold else row["answer"])


def pieces(folder: Path, items: Sequence[Item], table: pd.DataFrame) -> None:
    """The summed loss of the hidden pieces of every chunk, whatever computes it."""
    task, inputs = _inputs(folder, items)
    hidden = task.augment(inputs, np.arange(len(items)), 0)
    model = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(input_ids=hidden["input_ids"], attention_mask=hidden.get("attention_mask")).logits
    for row, (labels, positions) in enumerate(zip(hidden["labels"], hidden["positions"], strict=True)):
        guess = logits[row][positions[labels != -100]].log_softmax(-1)
        loss = -guess.gather(1, labels[labels != -100][:, None]).sum()
        assert float(loss) == pytest.approx(table["loss"][row], rel=1e-4)


def written(folder: Path, items: Sequence[Item], table: pd.DataFrame) -> None:
    """What `generate()` writes behind the prompt, with the settings that lie in the folder."""
    _, inputs = _inputs(folder, items)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for row in range(len(items)):
        length = int(inputs["prompt_length"][row])
        prompt = inputs["input_ids"][row : row + 1, :length]
        answer = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt))[0, length:]
        assert tokenizer.decode(answer, skip_special_tokens=True) == table["written"][row]


def _inputs(folder: Path, items: Sequence[Item]) -> tuple[Task, dict[str, torch.Tensor]]:
    """The items as the task gives them to a model."""
    saved = json.loads((folder / "task.json").read_text())
    task: Task = registry.load("task", saved["task"]).configured(saved["task_options"])
    tokenizer = load_tokenizer(ModelConfig(name="saved", source=str(folder)))
    features = task.encode(items, tokenizer, saved["labels"], saved["max_length"])
    assert len(features) == len(items), "one feature an item, so that rows can be compared"
    return task, BatchLoader(features, CPU).batch(np.arange(len(items)))


CHECKS: dict[str, Callable[[Path, Sequence[Item], pd.DataFrame], None]] = {
    "label_generation": written,
    "masked_lm": pieces,
    "multi_label_classification": many_labels,
    "question_answering": spans,
    "sequence_classification": one_label,
    "token_classification": words,
}
