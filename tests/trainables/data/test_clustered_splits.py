"""Items that share a cluster stay in one part; sizes and labels stay as near to the shares as whole clusters allow."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables import registry
from trainables.config import DataConfig, SplitConfig
from trainables.data.clusters import cluster_of, shared_clusters
from trainables.data.dataset import Corpus, DataError, Item, Parts
from trainables.data.load import load_corpus
from trainables.data.splits import PARTS, Split, make_split, split_for
from trainables.data.stratification import Indices, divide_whole
from trainables.protocols.task import Task

CLASSIFY: Task = registry.load("task", "sequence_classification")
ANSWER: Task = registry.load("task", "question_answering")


def _documents(count: int = 40, length: int = 5) -> list[Item]:
    """Sentences of documents that are all of one length; a quarter of the documents is sad."""
    return [
        {
            "id": number,
            "text": f"sentence {number} of many",
            "label": "sad" if number // length % 4 == 0 else "glad",
            "cluster": f"document {number // length}",
        }
        for number in range(count * length)
    ]


def _drawn(items: list[Item], settings: SplitConfig, seed: int = 42, fold: int | None = None, **corpus: Any) -> Split:
    return split_for(CLASSIFY, Corpus("documents", items, "0", **corpus), settings, seed, fold)


def _clusters(items: list[Item], part: Indices) -> set[str]:
    return {items[index]["cluster"] for index in part}


def _are_whole(items: list[Item], split: Split) -> bool:
    parts = [_clusters(items, split.part(name)) for name in PARTS]
    return sum(map(len, parts)) == len(set().union(*parts))


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (SplitConfig(), [160, 0, 40, 0]),
        (SplitConfig(validation=0.2, test=0.1), [140, 0, 40, 20]),
        (SplitConfig(validation=0.2, calibration=0.25), [120, 40, 40, 0]),
        (SplitConfig(folds=5, test=0.25), [120, 0, 30, 50]),
        (SplitConfig(folds=8, stratify=False), [175, 0, 25, 0]),
    ],
)
def test_every_part_has_its_size_its_share_of_labels_and_whole_clusters(
    settings: SplitConfig, sizes: list[int]
) -> None:
    items = _documents()
    split = _drawn(items, settings, fold=0 if settings.folds else None)
    assert _are_whole(items, split)
    assert [len(split.part(name)) for name in PARTS] == sizes
    assert sorted(np.concatenate([split.part(name) for name in PARTS]).tolist()) == list(range(200))
    if settings.stratify is None:
        sad = sum(items[index]["label"] == "sad" for index in split.validation)
        assert abs(sad - len(split.validation) / 4) <= 5


def test_every_fold_consists_of_whole_clusters_and_together_they_are_everything() -> None:
    items = _documents(23, 3)
    folds = [_drawn(items, SplitConfig(folds=5), fold=fold) for fold in range(5)]
    assert all(_are_whole(items, fold) for fold in folds)
    assert sorted(np.concatenate([fold.validation for fold in folds]).tolist()) == list(range(69))
    assert sorted(len(fold.validation) for fold in folds) == [12, 12, 15, 15, 15]


def test_the_seed_decides_and_another_seed_draws_other_clusters() -> None:
    items = _documents()
    first, again, other = (_drawn(items, SplitConfig(), seed) for seed in (1, 1, 2))
    assert first.validation.tolist() == again.validation.tolist()
    assert _clusters(items, first.validation) != _clusters(items, other.validation)


def test_every_cluster_is_evaluated_under_some_seed_also_the_largest() -> None:
    items = [{**item, "cluster": f"{int(np.sqrt(item['id']))}"} for item in _documents()]
    largest = Counter(item["cluster"] for item in items).most_common(1)[0][0]
    evaluated = [_clusters(items, _drawn(items, SplitConfig(), seed).validation) for seed in range(40)]
    assert set().union(*evaluated) == {item["cluster"] for item in items}
    assert 2 <= sum(largest in own for own in evaluated) <= 20


def test_a_number_of_training_items_is_exact_and_made_of_whole_clusters_but_the_last() -> None:
    items = _documents()
    split = _drawn(items, SplitConfig(validation=0.2, calibration=0.1, train_items=33))
    assert len(split.train) == 33
    assert _are_whole(items, split)
    counts = Counter(items[index]["cluster"] for index in split.train)
    assert sorted(counts.values()) == [3, 5, 5, 5, 5, 5, 5]


def test_a_validation_part_cut_from_the_official_training_part_has_whole_clusters() -> None:
    items, parts = _documents(), {"train": range(150), "test": range(150, 200)}
    split = _drawn(items, SplitConfig(), parts=parts)
    assert _are_whole(items, split)
    assert (len(split.train), len(split.validation), split.test.tolist()) == (120, 30, list(range(150, 200)))


def test_an_item_without_a_cluster_stands_alone() -> None:
    items = _documents(10, 2)
    for item in items[:10]:
        item["cluster"] = None
    numbers = shared_clusters(items, CLASSIFY.fields)
    assert numbers is not None
    assert numbers.tolist() == [*range(10), 10, 10, 11, 11, 12, 12, 13, 13, 14, 14]
    assert _are_whole(items[10:], _drawn(items[10:], SplitConfig()))


def test_clusters_of_one_item_each_change_nothing() -> None:
    items = _documents()
    alone = [{**item, "cluster": str(item["id"])} for item in items]
    without = [{name: value for name, value in item.items() if name != "cluster"} for item in items]
    assert shared_clusters(alone, CLASSIFY.fields) is None
    assert _drawn(alone, SplitConfig()).validation.tolist() == _drawn(without, SplitConfig()).validation.tolist()


def test_divided_clusters_are_drawn_as_if_there_were_none() -> None:
    items = _documents()
    without = [{name: value for name, value in item.items() if name != "cluster"} for item in items]
    divided = _drawn(items, SplitConfig(clusters="divided"))
    assert divided.validation.tolist() == _drawn(without, SplitConfig()).validation.tolist()
    assert not _are_whole(items, divided)


@pytest.mark.parametrize(
    ("settings", "count", "reason"),
    [
        (SplitConfig(folds=4), 3, r"split: 4 parts \(fold 0, fold 1, fold 2, fold 3\) need .* there are 3: .*divided"),
        (SplitConfig(validation=0.2, test=0.2), 2, r"3 parts \(test, validation, train\) need .* there are 2"),
        (SplitConfig(), 1, "there is 1: ask for fewer parts or folds, or write split.clusters: divided"),
    ],
)
def test_fewer_clusters_than_parts_are_refused_with_the_remedy(settings: SplitConfig, count: int, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _drawn(_documents(count, 20), settings, fold=0 if settings.folds else None)


@pytest.mark.parametrize("clusters", ["whole", "divided"])
def test_a_choice_that_decides_nothing_is_refused(clusters: Any) -> None:
    alone = [{**item, "cluster": None} for item in _documents()]
    with pytest.raises(
        DataError, match=r"no two items share a cluster: split.clusters decides nothing; .*data.columns"
    ):
        _drawn(alone, SplitConfig(clusters=clusters))
    parts: Parts = {"train": range(150), "validation": range(150, 200)}
    with pytest.raises(
        DataError, match=r"the parts of these data are given: split\.clusters decides nothing; remove it"
    ):
        _drawn(_documents(), SplitConfig(clusters=clusters), parts=parts)


def test_given_parts_stay_as_they_are(tmp_path: Path) -> None:
    items, parts = _documents(4), {"train": [0, 2, 4, 6, 8], "validation": [1, 3, 5], "test": [7, 9]}
    assert _drawn(items, SplitConfig(), parts=parts).validation.tolist() == [1, 3, 5]
    (tmp_path / "ids.json").write_text(json.dumps({"train": [0, 2], "validation": [1]}), encoding="utf-8")
    assert _drawn(items, SplitConfig(ids=str(tmp_path / "ids.json"))).validation.tolist() == [1]


def test_questions_on_one_article_belong_together_or_else_those_on_one_context() -> None:
    question = {"question": "What?", "context": "A valve.", "answers": {"text": [], "answer_start": []}}
    fields = ANSWER.fields
    assert cluster_of({**question, "cluster": "own", "title": "Valves"}, fields) == "own"
    assert cluster_of({**question, "title": "Valves"}, fields) == "Valves"
    assert cluster_of(question, fields) == cluster_of({**question, "question": "Which?"}, fields)
    assert cluster_of(question, fields) != cluster_of({**question, "context": "A pump."}, fields)
    assert cluster_of({"text": "a", "title": "Valves", "context": "A valve."}, CLASSIFY.fields) is None


def test_no_validation_question_is_on_a_paragraph_of_the_training_part() -> None:
    items = [
        {
            "id": number,
            "context": f"Paragraph {number // 5} says that pump {number % 5} failed.",
            "question": f"Which pump failed, {number % 5} or another?",
            "answers": {"text": ["pump"], "answer_start": [f"Paragraph {number // 5} says that pump".index("pump")]},
        }
        for number in range(100)
    ]
    split = split_for(ANSWER, Corpus("flat", items, "0"), SplitConfig(), 42)
    trained, evaluated = ({items[index]["context"] for index in part} for part in (split.train, split.validation))
    assert (len(split.validation), len(trained & evaluated)) == (20, 0)


def test_a_blank_cell_is_no_cluster(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,label,cluster\na b,x,one\nc d,y, \ne f,x,\n", encoding="utf-8")
    items = load_corpus(DataConfig(path=str(path))).items
    assert [item.get("cluster") for item in items] == ["one", None, None]


def test_clusters_of_very_different_sizes_are_divided_as_evenly_as_they_can_be() -> None:
    clusters = np.repeat(np.arange(8), [70, 12, 11, 9, 8, 7, 2, 1])
    groups = divide_whole(clusters, [40, 40, 40], np.random.default_rng(0))
    assert sorted(len(group) for group in groups) == [25, 25, 70]
    assert sorted(np.concatenate(groups).tolist()) == list(range(120))


def test_a_group_is_never_left_empty() -> None:
    clusters = np.repeat(np.arange(3), [98, 1, 1])
    groups = divide_whole(clusters, [80, 10, 0, 10], np.random.default_rng(3))
    assert [len(group) for group in groups] == [98, 1, 0, 1]


def test_without_clusters_a_split_is_what_it_was() -> None:
    """Drawn by the version before clusters were kept whole."""
    items = [{"id": number, "text": f"text {number}", "label": "abc"[number % 3]} for number in range(12)]
    split = make_split(items, SplitConfig(validation=0.25, calibration=0.2, train_items=5), 7)
    assert [split.part(name).tolist() for name in PARTS] == [[1, 2, 3, 8, 9], [0, 11], [4, 6, 10], []]
