"""SST-2, MRPC and the tweets are read as they were released: quotes, marks and labels, part by part."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from trainables import registry
from trainables.config import DataConfig, SplitConfig
from trainables.data.dataset import DataError
from trainables.data.leakage import Contents
from trainables.data.load import fingerprint, load_corpus, locate
from trainables.data.splits import make_split, split_for
from trainables.datasets import emotions, mrpc, sst2

REAL = pytest.mark.skipif("ORCHESTRATE_DATA" not in os.environ, reason="ORCHESTRATE_DATA is not set")
HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"


def _mrpc(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = ['1\t10\t11\tHe said "no.\tHe said no.\n', "0\t20\t21\tOne.\tTwo.\n", "1\t30\t31\tA b.\tB a.\n"]
    (folder / mrpc.TRAIN).write_text("\ufeff" + HEADER + "".join(rows), encoding="utf-8")
    (folder / mrpc.TEST).write_text("\ufeff" + HEADER + "0\t40\t41\tX.\tY.\n", encoding="utf-8")
    (folder / mrpc.DEV_IDS).write_text("20\t21\n", encoding="utf-8")
    return folder


def _sst2(folder: Path) -> Path:
    folder.mkdir(parents=True)
    with gzip.open(folder / sst2.TRAIN, "wt", encoding="utf-8") as file:
        file.write('sentence\tlabel\na "fine film\t1\ndull\t0\n')
    (folder / sst2.DEV).write_text("sentence\tlabel\nso-so .\t0\n", encoding="utf-8")
    return folder


def _emotions(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, name in enumerate((emotions.TRAIN, emotions.DEV, emotions.TEST)):
        rows = f'a{number}\t"ha\t1\t0\nb{number}\tno\t0\t0\nc{number}\tboth\t1\t1\n'
        (folder / name).write_text(f"ID\tTweet\tjoy\ttrust\n{rows}", encoding="utf-8")
    return folder


def test_pairs_are_read_with_their_mark_and_their_quotes(tmp_path: Path) -> None:
    corpus = load_corpus(DataConfig(name="mrpc", path=str(_mrpc(tmp_path / "here"))))
    assert corpus.items[0] == {
        "id": "10-11",
        "text": 'He said "no.',
        "text_pair": "He said no.",
        "label": "paraphrase",
    }
    assert [item["label"] for item in corpus.items] == ["paraphrase", "not_paraphrase", "paraphrase"]
    assert corpus.parts == {"train": [0, 2], "validation": [1]}


def test_the_test_part_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    path = str(_mrpc(tmp_path / "here"))
    plain, asked = DataConfig(name="mrpc", path=path), DataConfig(name="mrpc", path=path, test=True)
    corpus = load_corpus(asked)
    assert [item["id"] for item in corpus.items] == ["10-11", "20-21", "30-31", "40-41"]
    assert corpus.parts is not None
    assert list(corpus.parts["test"]) == [3]
    assert fingerprint(asked) != fingerprint(plain) == fingerprint(plain.model_copy(update={"test": False}))
    (tmp_path / "here" / mrpc.TEST).unlink()
    assert len(load_corpus(plain)) == 3
    with pytest.raises(DataError, match=r"lacks msr_paraphrase_test\.txt"):
        load_corpus(asked)


def test_a_test_part_that_comes_by_default_can_be_left_out(tmp_path: Path) -> None:
    path = str(_emotions(tmp_path / "here"))
    whole, less = (load_corpus(DataConfig(name="emotions", path=path, test=test)) for test in (None, False))
    assert {name: list(values) for name, values in (whole.parts or {}).items()} == {
        "train": [0, 1, 2],
        "validation": [3, 4, 5],
        "test": [6, 7, 8],
    }
    assert whole.items[0] == {"id": "a0", "text": '"ha', "labels": ["joy"]}
    assert [item["labels"] for item in less.items] == [["joy"], [], ["joy", "trust"]] * 2
    assert fingerprint(DataConfig(name="emotions", path=path, test=True)) == whole.fingerprint != less.fingerprint


def test_a_data_set_without_a_test_part_cannot_give_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"data\.test: .*rows\.jsonl has no test part"):
        load_corpus(DataConfig(path=str(path), test=True))


def test_phrases_get_names_for_labels_and_ids_by_part(tmp_path: Path) -> None:
    corpus = load_corpus(DataConfig(name="sst2", path=str(_sst2(tmp_path / "here"))))
    assert corpus.items == [
        {"id": "train/0", "text": 'a "fine film', "label": "positive"},
        {"id": "train/1", "text": "dull", "label": "negative"},
        {"id": "validation/0", "text": "so-so .", "label": "negative"},
    ]


@pytest.mark.parametrize("folder", ["mrpc", "glue_mrpc", "glue-mrpc", "MRPC"])
def test_a_local_copy_is_found_under_the_names_it_goes_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    expected = _mrpc(tmp_path / "root" / folder)
    monkeypatch.setenv("ORCHESTRATE_DATA", str(tmp_path / "root"))
    assert locate(DataConfig(name="mrpc"), offline=True) == expected


@pytest.mark.parametrize(
    ("name", "file", "text", "reason"),
    [
        ("mrpc", mrpc.TRAIN, HEADER + "2\t1\t2\ta\tb\n", "row 2: Quality must be 0 or 1, got '2'"),
        ("mrpc", mrpc.TRAIN, "Quality\t#1 ID\n1\t2\n", "row 2: no column '#2 ID'"),
        ("mrpc", mrpc.DEV_IDS, "20 21\n", "row 1: expected two ids separated by a tab"),
        ("mrpc", mrpc.DEV_IDS, "20\t22\n", r"msr_paraphrase_train\.txt has no pair 20-22"),
        ("sst2", sst2.DEV, "sentence\tlabel\na\t-1\n", "row 2: label must be 0 or 1, got '-1'"),
        ("emotions", emotions.DEV, "ID\tTweet\tjoy\nx\ty\tNONE\n", "row 2: joy must be 0 or 1 .*, got 'NONE'"),
        ("emotions", emotions.DEV, "ID\ttext\tjoy\nx\ty\t1\n", "row 2: needs the columns ID and Tweet"),
    ],
)
def test_a_broken_copy_is_explained(tmp_path: Path, name: str, file: str, text: str, reason: str) -> None:
    folder = {"mrpc": _mrpc, "sst2": _sst2, "emotions": _emotions}[name](tmp_path / "here")
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        load_corpus(DataConfig(name=name, path=str(folder)))


def test_rows_of_the_hub_become_the_items_of_the_files() -> None:
    row = {"id": "train/0", "idx": 5, "sentence1": "a", "sentence2": "b", "label": "equivalent"}
    assert mrpc.DATASET.hub is not None
    assert mrpc.DATASET.hub.item(row) == {"id": "train/0", "text": "a", "text_pair": "b", "label": "paraphrase"}
    assert sst2.DATASET.hub is not None
    found = sst2.DATASET.hub.item({"id": "train/0", "idx": 5, "sentence": "a", "label": "positive"})
    assert found == {"id": "train/0", "text": "a", "label": "positive"}


@REAL
@pytest.mark.real_data
def test_mrpc_is_split_as_in_glue() -> None:
    corpus = load_corpus(DataConfig(name="mrpc", test=True), offline=True)
    split = make_split(corpus.items, SplitConfig(), 42, parts=corpus.parts)
    labels = {
        part: Counter(corpus.items[index]["label"] for index in split.part(part))
        for part in ("train", "validation", "test")
    }
    assert labels == {
        "train": {"paraphrase": 2474, "not_paraphrase": 1194},
        "validation": {"paraphrase": 279, "not_paraphrase": 129},
        "test": {"paraphrase": 1147, "not_paraphrase": 578},
    }
    assert 'whom he called "the witness"' in corpus.items[0]["text"]
    assert len(load_corpus(DataConfig(name="mrpc"), offline=True)) == 4076


@REAL
@pytest.mark.real_data
def test_sst2_has_the_counts_of_glue() -> None:
    corpus = load_corpus(DataConfig(name="sst2", test=True), offline=True)
    assert {part: len(values) for part, values in (corpus.parts or {}).items()} == {
        "train": 67_349,
        "validation": 872,
        "test": 1_821,
    }
    labels = [item["label"] for item in corpus.items]
    assert Counter(labels[:67_349]) == {"positive": 37_569, "negative": 29_780}
    assert Counter(labels[67_349:68_221]) == {"positive": 444, "negative": 428}
    assert Counter(labels[68_221:]) == {"positive": 909, "negative": 912}


@REAL
@pytest.mark.real_data
def test_the_tweets_have_the_published_labels() -> None:
    corpus = load_corpus(DataConfig(name="emotions"), offline=True)
    task = registry.load("task", "multi_label_classification")
    split = split_for(task, corpus, SplitConfig(), 42)
    assert [len(split.part(part)) for part in ("train", "validation", "test", "calibration")] == [6838, 886, 3259, 0]
    assert Contents.of(corpus.items, task.fields).overlap(split).duplicates == 0
    train = Counter(label for index in split.train for label in corpus.items[index]["labels"])
    assert (train["anger"], train["joy"], train["surprise"], train["trust"]) == (2544, 2477, 361, 357)
    empty = {part: sum(not corpus.items[index]["labels"] for index in split.part(part)) for part in ("train", "test")}
    assert empty == {"train": 204, "test": 75}
    assert task.label_space(corpus.items)[0] == "anger"
    assert len(task.label_space(corpus.items)) == 11


@REAL
@pytest.mark.real_data
@pytest.mark.parametrize("folds", [3, 10, 15])
def test_folds_of_the_tweets_hold_every_emotion_in_proportion(folds: int) -> None:
    corpus = load_corpus(DataConfig(name="emotions", test=False), offline=True)
    strata = registry.load("task", "multi_label_classification").strata(corpus.items)
    total = Counter(label for labels in strata for label in labels)
    validation = make_split(corpus.items, SplitConfig(folds=folds), 42, 0, corpus.parts, strata).validation
    found = Counter(label for index in validation for label in strata[index])
    assert len(validation) in (len(corpus) // folds, len(corpus) // folds + 1)
    assert all(abs(found[label] - count / folds) <= 2 + 0.02 * count / folds for label, count in total.items())
