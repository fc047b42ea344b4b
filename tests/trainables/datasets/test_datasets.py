"""Every registered data set keeps the contract; the real and the bundled one hold what their documentation says."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from trainables import registry
from trainables.config import DataConfig, SplitConfig
from trainables.data.dataset import Corpus, DataError, Dataset
from trainables.data.leakage import Contents
from trainables.data.load import load_corpus
from trainables.data.splits import make_split

NAMES = registry.names("dataset")


def _corpus(name: str) -> Corpus:
    try:
        return load_corpus(DataConfig(name=name), offline=True)
    except DataError as error:
        pytest.skip(f"no copy of {name} here: {error}")


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_says_what_it_is(name: str) -> None:
    dataset: Dataset = registry.load("dataset", name)
    assert dataset.description
    assert dataset.licence
    assert dataset.files
    assert dataset.task in registry.names("task")


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_suits_its_task(name: str) -> None:
    corpus = _corpus(name)
    task = registry.load("task", registry.load("dataset", name).task)
    task.check(corpus.items)
    split = make_split(corpus.items, SplitConfig(), 42, parts=corpus.parts)
    task.check_split(corpus.items, split, task.label_space(corpus.items))
    assert len({str(item["id"]) for item in corpus.items}) == len(corpus.items)


def test_the_sample_comes_with_the_package_and_is_marked_synthetic() -> None:
    dataset: Dataset = registry.load("dataset", "requirements-sample")
    corpus = load_corpus(DataConfig(name="requirements-sample"), offline=True)
    assert dataset.bundled
    assert dataset.synthetic
    assert "synthetic" in corpus.notes[0]
    assert len(corpus) == 400
    assert len({" ".join(item["words"]) for item in corpus.items}) == 400


def test_words_of_the_sample_mean_different_things_in_different_sentences() -> None:
    items = load_corpus(DataConfig(name="requirements-sample"), offline=True).items
    classes: dict[str, set[str]] = {}
    for item in items:
        for word, label in zip(item["words"], item["labels"], strict=True):
            classes.setdefault(word, set()).add(label)
    assert {"Power", "Data handling"} <= classes["bus"]
    assert {"Propulsion", "O"} <= classes["line"]
    assert {"Structure", "Power"} <= classes["panel"]


@pytest.mark.real_data
@pytest.mark.skipif("ORCHESTRATE_DATA" not in os.environ, reason="ORCHESTRATE_DATA is not set")
def test_cr_ecss_is_the_published_data_set() -> None:
    items = _corpus("cr-ecss").items
    labels = Counter(label for item in items for label in item["labels"])
    words = [word for item in items for word in item["words"]]
    assert (len(items), len(words), len(labels)) == (875, 31_443, 19)
    assert (labels["O"], labels["OBDH"], labels["Nonconformity"]) == (21_556, 909, 189)
    assert sum(not word.strip() for word in words) == 927
    split = make_split(items, SplitConfig(validation=0.213), 42)
    assert Contents.of(items, ("words", "labels")).overlap(split).duplicates == 0
