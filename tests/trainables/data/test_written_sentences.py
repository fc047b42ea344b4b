"""Sentences that other people's writers wrote (conllu, pandas, datasets) read back to the same words and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import conllu
import datasets
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainables.data.how_read import Columns, HowRead, ReadOptions
from trainables.data.items import items_of

TAGS = ("O", "B-PER", "I-PER", "B-LOC")
_PLAIN = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"))
WORDS = st.text(_PLAIN, min_size=1, max_size=8)
SENTENCES = st.lists(st.lists(st.tuples(WORDS, st.sampled_from(TAGS)), min_size=1, max_size=5), min_size=1, max_size=5)

quickly = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


def _items(path: Path, fields: tuple[str, ...], columns: Columns | None = None, **options: Any) -> list[dict[str, Any]]:
    return items_of(path, ReadOptions(fields=fields, columns=columns or {}, **options), HowRead(str(path)))


def _tagged(path: Path, columns: Columns | None = None) -> list[list[tuple[str, str]]]:
    items = _items(path, ("words", "labels"), columns)
    return [list(zip(item["words"], item["labels"], strict=True)) for item in items]


@quickly
@given(SENTENCES)
def test_lists_in_csv_of_pandas(tmp_path: Path, sentences: list[list[tuple[str, str]]]) -> None:
    path = tmp_path / "a.csv"
    pd.DataFrame(
        {"words": [[w for w, _ in s] for s in sentences], "labels": [[tag for _, tag in s] for s in sentences]}
    ).to_csv(path, index=False)
    assert _tagged(path) == sentences


@quickly
@given(SENTENCES)
def test_rows_of_words_in_csv_of_pandas(tmp_path: Path, sentences: list[list[tuple[str, str]]]) -> None:
    path = tmp_path / "a.csv"
    rows = [(number, *pair) for number, sentence in enumerate(sentences) for pair in sentence]
    pd.DataFrame(rows, columns=["sentence_id", "words", "labels"]).to_csv(path, index=False)
    assert _tagged(path) == sentences


@quickly
@given(SENTENCES)
def test_conllu(tmp_path: Path, sentences: list[list[tuple[str, str]]]) -> None:
    tokens = [
        conllu.TokenList(
            [{"id": place, "form": word, "lemma": "_", "upos": tag} for place, (word, tag) in enumerate(sentence, 1)],
            metadata={"sent_id": f"s{number}", "text": "It has a # in it."},
        )
        for number, sentence in enumerate(sentences)
    ]
    path = tmp_path / "a.conllu"
    path.write_text("".join(sentence.serialize() for sentence in _ten_columns(tokens)), encoding="utf-8")
    assert _tagged(path) == sentences


def _ten_columns(sentences: list[conllu.TokenList]) -> list[conllu.TokenList]:
    for sentence in sentences:
        for token in sentence:
            token.update(dict.fromkeys(("xpos", "feats", "head", "deprel", "deps", "misc")))
    return sentences


CLASS_LABELS = datasets.Features(
    {
        "tokens": datasets.Sequence(datasets.Value("string")),
        "ner_tags": datasets.Sequence(datasets.ClassLabel(names=list(TAGS))),
    }
)


@pytest.mark.parametrize("kind", ["parquet", "disk"])
def test_datasets_with_class_labels(tmp_path: Path, kind: str) -> None:
    sentences = [[("Paris", "B-LOC"), ("is", "O")], [("Anna", "B-PER"), ("Berg", "I-PER"), (".", "O")]]
    rows = {
        "tokens": [[word for word, _ in sentence] for sentence in sentences],
        "ner_tags": [[TAGS.index(tag) for _, tag in sentence] for sentence in sentences],
    }
    data = datasets.Dataset.from_dict(rows, features=CLASS_LABELS)
    path = tmp_path / ("a.parquet" if kind == "parquet" else "saved")
    if kind == "parquet":
        data.to_parquet(path)
    else:
        data.save_to_disk(path)
    assert _tagged(path, {"words": "tokens", "labels": "ner_tags"}) == sentences
