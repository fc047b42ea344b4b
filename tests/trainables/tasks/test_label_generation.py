"""Labels written as text: the prompt, the loss on the answer only, greedy answers, and strict reading of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from tests.tiny import tiny_model
from tests.trainables.tasks.texts import tiny_label_sets, tiny_texts
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig, TrainConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.dataset import DataError
from trainables.data.features import Features, Ragged
from trainables.modeling.pretrained import ModelSource, instantiate, load_tokenizer
from trainables.tasks._prompts import as_bytes, as_text, parse
from trainables.tasks.label_generation import TASK, LabelGeneration
from trainables.training.run import run

LABELS = ("data", "power", "thermal")
MULTI = TASK.configured({"form": "multi"})
WORD = re.compile(r"\w+|[^\w\s]+")  # as the tokenizer sees words
SHORT = {"instruction": "topic ?"}
CHAT = (
    "{{ bos_token }}{% for message in messages %}<{{ message['role'] }}>{{ message['content'] | trim }}"
    "<|end_of_text|>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def decoder(folder: Path, chat: str | None = None, family: Any = "llama") -> ModelConfig:
    """A tiny decoder, with a chat template if one is given."""
    if not (folder / "config.json").exists():
        tiny_model(folder, family)
    if chat is not None:
        (folder / "chat_template.jinja").write_text(chat, encoding="utf-8")
    return ModelConfig(name="tiny", source=str(folder))


def encoded(task: LabelGeneration, config: ModelConfig, items: list[dict[str, Any]]) -> tuple[Features, list[str]]:
    """Features, and each as text."""
    tokenizer = load_tokenizer(config)
    features = task.encode(items, tokenizer, task.label_space(items), 400)
    return features, [tokenizer.decode(features.columns["input_ids"].row(row)) for row in range(len(items))]


def test_a_prompt_is_what_the_chat_template_makes_of_the_request(tmp_path: Path) -> None:
    task = TASK.configured(SHORT)
    _, texts = encoded(task, decoder(tmp_path, CHAT), [{"id": 0, "text": "a b", "label": 1}, tiny_texts(1)[0]])
    assert texts[0] == "<|begin_of_text|><user>topic ?\n\nText: a b<|end_of_text|><assistant>1<|end_of_text|>"


def test_without_a_chat_template_there_is_a_plain_prompt(tmp_path: Path) -> None:
    items = [{"id": 0, "text": "a b", "text_pair": "c", "label": "data"}, {**tiny_texts(1)[0], "text_pair": "d"}]
    _, texts = encoded(TASK, decoder(tmp_path), items)
    asked = "Classify the text. Answer with exactly one of these labels and nothing else: data, power."
    text = "Text: a b\nSecond text: c"
    assert texts[0] == f"<|begin_of_text|>{asked}\n\n{text}\n\nAnswer: data<|end_of_text|>"


def test_sets_of_labels_have_commas_between_and_an_empty_one_a_word_of_its_own(tmp_path: Path) -> None:
    task = TASK.configured({"form": "multi", "nothing": "neither"})
    _, texts = encoded(task, decoder(tmp_path), tiny_label_sets(4))
    answers = [text.rsplit("Answer: ", 1)[1].removesuffix("<|end_of_text|>") for text in texts]
    assert answers == ["power", "data, power", "neither", "data"]
    assert "or with 'neither', and nothing else: data, power." in texts[0]


def test_the_loss_is_on_the_answer_and_its_end_only(tmp_path: Path) -> None:
    config = decoder(tmp_path)
    features, _ = encoded(TASK.configured(SHORT), config, tiny_texts(3))
    model: Any = instantiate(TASK.configured(SHORT).build_model(ModelSource(config), LABELS), 1).eval()
    batch = BatchLoader(features, torch.device("cpu")).batch(np.arange(3))
    with torch.no_grad():
        outputs = model(input_ids=batch["input_ids"], attention_mask=batch.get("attention_mask"))
    expected = 0.0
    for row in range(3):
        ids, before = features.columns["input_ids"].row(row), int(features.columns["prompt_length"].row(row)[0])
        assert features.terms[row] == len(ids) - before
        places = torch.arange(before, len(ids))
        logits = outputs.logits[row, places - 1].float()
        expected += float(
            functional.cross_entropy(logits, torch.from_numpy(ids[before:].astype(np.int64)), reduction="sum")
        )
    loss = TASK.loss(outputs, batch)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2"])
def test_a_batch_writes_what_each_prompt_alone_would_get(tmp_path: Path, family: str) -> None:
    config, task = decoder(tmp_path, family=family), TASK.configured(SHORT)
    items = [
        {**item, "text": " ".join(item["text"].split()[: 2 + 4 * number])} for number, item in enumerate(tiny_texts(3))
    ]
    features, _ = encoded(task, config, items)
    model: Any = instantiate(task.build_model(ModelSource(config), LABELS), 1).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(20.0)
    together = task.outputs(None, BatchLoader(features, torch.device("cpu")).batch(np.arange(3)), model)["written"]
    for row in range(3):
        before = int(features.columns["prompt_length"].row(row)[0])
        ids = torch.from_numpy(features.columns["input_ids"].row(row)[:before].astype(np.int64))[None]
        new: list[int] = []
        while len(new) < model.label_writer.max_new_tokens and not set(new) & set(model.label_writer.stops):
            with torch.no_grad():
                new.append(int(model(input_ids=ids).logits[0, -1].argmax()))
            ids = torch.cat([ids, torch.tensor([new[-1:]])], dim=1)
        alone = load_tokenizer(config).decode(new, skip_special_tokens=True)
        assert as_text(together[row].numpy()) == as_text(as_bytes([alone], together.shape[1])[0])


def test_answers_may_be_as_long_as_the_longest_legal_one(tmp_path: Path) -> None:
    config = decoder(tmp_path)
    tokenizer: Any = load_tokenizer(config)
    one = instantiate(TASK.build_model(ModelSource(config), LABELS), 1).label_writer
    assert one.max_new_tokens == 1 + max(len(tokenizer.tokenize(f" {label}")) for label in LABELS)
    many = instantiate(MULTI.build_model(ModelSource(config), LABELS), 1).label_writer
    assert many.max_new_tokens == 1 + len(tokenizer.tokenize(" data, power, thermal"))
    assert many.stops == (tokenizer.eos_token_id,)


@pytest.mark.parametrize(
    ("answer", "single", "multi"),
    [
        ("power", ("power",), ("power",)),
        (" power\n", ("power",), ("power",)),
        ("thermal,data", None, ("data", "thermal")),
        ("none", None, ()),
        ("", None, None),
        ("Power", None, None),
        ("power.", None, None),
        ("power, power", None, None),
        ("power, none", None, None),
        ("the power", None, None),
        ("power,", None, None),
    ],
)
def test_answers_are_read_strictly(answer: str, single: tuple[str, ...] | None, multi: tuple[str, ...] | None) -> None:
    assert parse(answer, LABELS, None) == single
    assert parse(answer, LABELS, "none") == multi


def _table(task: LabelGeneration, items: list[dict[str, Any]], written: list[str], folder: Path) -> pd.DataFrame:
    features, _ = encoded(task, decoder(folder), items)
    rows = Ragged.from_rows(as_bytes(written, 40), np.uint8)
    return task.predictions(items, features, {"written": rows}, task.label_space(items))


def test_what_cannot_be_read_gets_no_label_is_never_right_and_is_counted(tmp_path: Path) -> None:
    table = _table(MULTI, tiny_label_sets(4), ["power", "power, data", "??", "dat"], tmp_path)
    assert table["gold"].tolist() == ["power", "data\tpower", "", "data"]
    assert table["predicted"].tolist() == ["power", "data\tpower", None, None]
    assert table["correct"].tolist() == [True, True, False, False]
    assert table["written"].tolist() == ["power", "power, data", "??", "dat"]
    scores = MULTI.score(table)
    assert scores["unparseable"] == 0.5
    assert scores["subset_accuracy"] == scores["jaccard"] == 0.5
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1.0) / 2)
    table.to_parquet(tmp_path / "table.parquet")
    assert MULTI.score(pd.read_parquet(tmp_path / "table.parquet")) == scores
    assert not MULTI.collapse(table)


def test_one_label_a_text_is_scored_as_a_classification(tmp_path: Path) -> None:
    table = _table(TASK, tiny_texts(3), ["power", "data", "data"], tmp_path)
    scores = TASK.score(table)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["macro_f1"] == pytest.approx((1.0 + 2 / 3 + 0.0) / 3)
    assert scores["unparseable"] == 0.0
    assert set(scores) <= set(TASK.metrics)
    assert TASK.collapse(_table(TASK, tiny_texts(3), ["?", "!", ""], tmp_path))


def test_only_the_text_is_cut_and_a_request_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    task, config, items = TASK.configured(SHORT), decoder(tmp_path), tiny_texts(3)
    tokenizer = load_tokenizer(config)
    features = task.encode(items, tokenizer, LABELS, 30)
    assert features.lengths.max() <= 30
    written = [tokenizer.decode(row) for row in map(features.columns["input_ids"].row, range(3))]
    left = [len(WORD.findall(text.partition("Text: ")[2].partition("\n\nAnswer:")[0])) for text in written]
    there = [len(WORD.findall(item["text"])) for item in items]
    assert features.facts == {"truncated_items": 3, "truncated_words": sum(there) - sum(left)}
    text = written[0]
    assert text.startswith("<|begin_of_text|>topic ?\n\nText: The power")
    assert text.endswith("\n\nAnswer: power<|end_of_text|>")
    with pytest.raises(ValueError, match=r"train.max_length is 12, but the request alone takes \d+ tokens; raise it"):
        task.encode(items, tokenizer, LABELS, 12)


def test_a_text_cannot_end_its_own_turn(tmp_path: Path) -> None:
    config = decoder(tmp_path, CHAT)
    end = load_tokenizer(config).eos_token_id
    items = [{"id": 0, "text": "a <|end_of_text|> b", "label": "data"}, *tiny_texts(1)]
    features, texts = encoded(TASK.configured(SHORT), config, items)
    assert texts[0].count("<|end_of_text|>") == 3
    assert (features.columns["input_ids"].row(0) == end).sum() == 2


def test_a_template_that_drops_the_request_is_refused(tmp_path: Path) -> None:
    config = decoder(tmp_path, "{% for message in messages %}{{ message['role'] }}{% endfor %}")
    with pytest.raises(ValueError, match="its chat template drops or repeats messages"):
        encoded(TASK, config, tiny_texts(3))


@pytest.mark.parametrize(
    ("task", "items", "reason"),
    [
        ({}, [{"id": 7, "text": "a"}], r"item 1 \(id 7\): there is no label; map a column"),
        ({}, [{"id": 7, "text": "", "label": "a"}], "text is empty"),
        ({}, [{"id": 7, "text": "a", "label": -1}], "-1 marks hidden labels"),
        ({"form": "multi"}, [{"id": 7, "text": "a", "labels": ["-"]}], r"- marks hidden labels.*1 of 1 items"),
        ({"hidden": ["?"]}, [{"id": 7, "text": "a", "label": "?"}], r"\? marks hidden labels"),
        ({"hidden": []}, [{"id": 7, "text": "a", "label": "-"}], r"fewer than two labels \(-\)"),
        ({}, [{"id": 7, "text": "a", "label": "x"}], r"fewer than two labels \(x\)"),
        (
            {"labels": ["x", "y"]},
            [{"id": 7, "text": "a", "label": "z"}],
            "the label 'z' is not in task_options.labels",
        ),
        ({"form": "multi"}, [{"id": 7, "text": "a", "labels": "x"}], "labels must be a list, got str"),
        ({"form": "multi"}, [{"id": 7, "text": "a", "labels": ["x, y", "z"]}], "'x, y' cannot be read .* commas"),
        ({"form": "multi"}, [{"id": 7, "text": "a", "labels": ["none", "z"]}], "also means that no label applies"),
        ({"labels": ["x", " y"]}, [{"id": 7, "text": "a", "label": "x"}], "begins or ends with white space"),
    ],
)
def test_bad_items_and_labels_are_named(task: dict[str, Any], items: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        TASK.configured(task).check(items)


def test_a_label_space_can_be_given_and_then_has_its_order() -> None:
    task = TASK.configured({"labels": ["thermal", "power", "data", "other"]})
    task.check(tiny_texts(3))
    assert task.label_space(tiny_texts(3)) == ("thermal", "power", "data", "other")
    assert (TASK.fields, MULTI.fields) == (("text", "label"), ("text", "labels"))
    with pytest.raises(ValidationError):
        TASK.configured({"form": "both"})


@pytest.mark.parametrize(("variants", "least"), [({}, 0.5), ({"qlora": {"alpha": 64.0}}, 0.1)])
def test_a_tiny_decoder_learns_to_write_labels(tmp_path: Path, variants: dict[str, Any], least: float) -> None:
    rows = (json.dumps(item) + "\n" for item in tiny_texts(24))
    (tmp_path / "texts.jsonl").write_text("".join(rows), encoding="utf-8")
    train = {"epochs": 6, "batch_size": 6, "learning_rate": 1e-2, "dropout": 0.0, "max_length": 96}
    config = RunConfig(
        task="label_generation",
        task_options=SHORT,
        data=DataConfig(path=str(tmp_path / "texts.jsonl")),
        model=decoder(tmp_path / "model", CHAT),
        train=TrainConfig(**train),
        split=SplitConfig(validation=0.25),
        variants=variants,
        seed=1,
    )
    outcome = run(config)
    assert outcome.epochs["metric_unparseable"].iloc[-1] < 1.0
    assert outcome.columns["score"] > least
    assert outcome.columns["metric"] == "macro_f1"
