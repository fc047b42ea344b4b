"""SQuAD 2.0 in its own JSON: articles are clusters, and parts consist of them, and what is broken is named."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables import models
from trainables.config import DataConfig
from trainables.data.dataset import Corpus, DataError
from trainables.data.features import Ragged
from trainables.data.load import load_corpus
from trainables.datasets.squad_v2 import ARTICLES, DATASET, FILE, NOTE
from trainables.modeling.pretrained import load_tokenizer
from trainables.tasks._answers import item_scores
from trainables.tasks.question_answering import TASK


def _document(**changes: Any) -> dict[str, Any]:
    answer = {"text": "France", "answer_start": 9}
    answerable = {"id": "a", "question": "Where?", "answers": [answer, answer], "is_impossible": False, **changes}
    none = {"id": "b", "question": "When?", "answers": [], "is_impossible": True, "plausible_answers": [answer]}
    first = {"title": "Normans", "paragraphs": [{"context": "They see France.", "qas": [answerable, none]}]}
    other = {"title": "Force", "paragraphs": [{"context": "A push.", "qas": [{**none, "id": "c"}]}]}
    return {"version": "v2.0", "data": [first, other]}


def _write(folder: Path, document: Any, fit: list[str], held_out: list[str]) -> DataConfig:
    (folder / FILE).write_bytes(gzip.compress(json.dumps(document).encode()))
    (folder / ARTICLES).write_text(json.dumps({"fit": fit, "eval": held_out}), encoding="utf-8")
    return DataConfig(name="squad-v2", path=str(folder))


def _read(folder: Path, document: Any, fit: list[str] | None = None) -> Corpus:
    return load_corpus(_write(folder, document, fit or ["Normans"], ["Force"]), TASK.fields, offline=True)


def test_questions_keep_their_answers_and_share_their_article(tmp_path: Path) -> None:
    corpus = _read(tmp_path, _document())
    assert [item["id"] for item in corpus.items] == ["a", "b", "c"]
    assert [item["cluster"] for item in corpus.items] == ["Normans", "Normans", "Force"]
    assert [item["paragraph"] for item in corpus.items] == ["Normans/0", "Normans/0", "Force/0"]
    assert corpus.items[0]["answers"] == {"text": ["France", "France"], "answer_start": [9, 9]}
    assert corpus.items[1]["answers"] == {"text": [], "answer_start": []}
    assert {name: list(rows) for name, rows in (corpus.parts or {}).items()} == {"train": [0, 1], "validation": [2]}
    assert "not official" in NOTE
    assert NOTE in corpus.notes
    TASK.check(corpus.items)


def test_an_answer_that_is_not_at_its_offset_is_named_by_its_question(tmp_path: Path) -> None:
    corpus = _read(tmp_path, _document(answers=[{"text": "France", "answer_start": 7}]))
    with pytest.raises(DataError, match=r"item 1 \(question 'a'\): its answer 'France' is not at character 7"):
        TASK.check(corpus.items)


def test_white_space_before_an_answer_is_no_part_of_it(tmp_path: Path) -> None:
    corpus = _read(tmp_path, _document(answers=[{"text": " France", "answer_start": 8}]))
    assert corpus.items[0]["answers"] == {"text": ["France"], "answer_start": [9]}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (_document(id="b"), "the question id 'b' is used twice"),
        (_document(answers=[{"text": "France"}]), "Normans/0: not in SQuAD's form: 'answer_start'"),
        (_document(answers=3), "Normans/0: not in SQuAD's form"),
        ({"data": []}, "there are no questions"),
        ({"rows": []}, "data: not in SQuAD's form: 'data'"),
        ([1], "expected a JSON object, got list"),
    ],
)
def test_a_broken_file_is_named_with_place_and_reason(tmp_path: Path, document: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _read(tmp_path, document)


def test_an_article_that_the_split_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the article 'Normans' is in neither fit nor eval"):
        _read(tmp_path, _document(), fit=["Other"])


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    config = _write(tmp_path, _document(), ["Normans"], ["Force"])
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:50])
    with pytest.raises(DataError, match=f"{FILE}: "):
        load_corpus(config, offline=True)


def _real() -> Corpus:
    try:
        return load_corpus(DataConfig(name="squad-v2"), offline=True)
    except DataError as error:
        pytest.skip(f"no copy of squad-v2 here: {error}")


@pytest.mark.real_data
@pytest.mark.skipif("ORCHESTRATE_DATA" not in os.environ, reason="ORCHESTRATE_DATA is not set")
def test_squad_v2_is_the_published_development_set_in_two_parts() -> None:
    corpus = _real()
    answerable = [bool(item["answers"]["text"]) for item in corpus.items]
    assert (len(corpus), sum(answerable)) == (11_873, 5_928)
    assert len({item["paragraph"] for item in corpus.items}) == 1_204
    assert len({item["cluster"] for item in corpus.items}) == 35
    parts = corpus.parts or {}
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 5_795, "validation": 6_078}
    assert sum(not answerable[row] for row in parts["validation"]) == 3_168
    articles = [{corpus.items[row]["title"] for row in parts[name]} for name in ("train", "validation")]
    assert not articles[0] & articles[1]
    assert DATASET.hub is not None


@pytest.mark.real_data
@pytest.mark.skipif("ORCHESTRATE_DATA" not in os.environ, reason="ORCHESTRATE_DATA is not set")
def test_scores_at_the_targets_of_real_questions_give_back_their_answers() -> None:
    """Only answers that end inside a piece are lost a little: a piece is the smallest span there is."""
    tokenizer = load_tokenizer(models.resolved("minilm-l6", {}).config)
    items = _real().items[::20]
    features = TASK.encode(items, tokenizer, (), 256)
    assert len(features) > len(items)
    offsets = features.columns["input_ids"].offsets
    outputs = {}
    for name in ("start", "end"):
        values = np.zeros(offsets[-1], dtype=np.float32)
        values[offsets[:-1] + features.columns[f"{name}_positions"].values] = 1.0
        outputs[name] = Ragged(values, offsets)
    table = TASK.predictions(items, features, outputs, ())
    has_answer = table["gold"] != ""
    assert [has_answer.sum(), len(has_answer)] == [sum(bool(item["answers"]["text"]) for item in items), len(items)]
    assert item_scores(table["gold"][has_answer], table["answer"][has_answer], "answer_f1").mean() > 0.995
    assert (table["no_answer_score"][~has_answer] > 0).all()
