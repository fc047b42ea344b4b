"""Every registered task, on items made for its fields, with a tiny model: the promises of the task seam.

Legend: F features of all items, B features in a batch, C labels, T pieces.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from analysis import registry as metrics
from tests.tiny import SENTENCES, Family, tiny_model
from trainables import registry
from trainables.config import ModelConfig, SplitConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.dataset import Corpus, DataError, Item
from trainables.data.features import Features, Ragged
from trainables.data.splits import PARTS, split_for
from trainables.modeling.pretrained import ModelSource, instantiate, load_tokenizer
from trainables.protocols.task import Task
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import evaluate, forward_inputs

NAMES = registry.names("task")
CPU = torch.device("cpu")
COLUMNS = {"item", "cluster", "gold", "predicted", "correct"}
MAX_LENGTH, NUM_ITEMS = 128, 24
FAMILY: dict[str, Family] = {"label_generation": "gemma"}  # tasks whose models write
UNCUT = ("masked_lm", "question_answering")  # these read a long text in pieces
SMALL: dict[str, Any] = {"stride": 8}  # options that would not fit such short texts otherwise


def sample(task: Task, number: int) -> Item:
    """Item `number` with what the task's fields ask for; a class follows from the words."""
    sentence = SENTENCES[number % 3]
    words = sentence.split()[:8]
    label = ("power", "data", "thermal")[number % 3]
    known: dict[str, Any] = {
        "text": sentence,
        "words": words,
        "label": label,
        "labels": [label] if "words" not in task.fields else [label if word == words[2] else "O" for word in words],
        "question": f"what is the {words[1]} ?",
        "context": f"{sentence} {number}",
        "answers": {"text": [words[2]], "answer_start": [sentence.index(words[2])]} if number % 3 else _no_answer(),
    }
    missing = set(task.fields) - set(known)
    assert not missing, f"this contract has no sample for the fields {missing} of {task.name}: add one"
    return {"id": number, **{name: known[name] for name in task.fields}}


def _no_answer() -> dict[str, list[Any]]:
    return {"text": [], "answer_start": []}


@dataclasses.dataclass(frozen=True)
class Scene:
    """One task with its items, their features, a tiny model, and its outputs of all features."""

    task: Task
    items: list[Item]
    labels: tuple[str, ...]
    features: Features
    model: torch.nn.Module
    outputs: Mapping[str, Ragged]
    table: pd.DataFrame

    def loss(self, rows: list[int]) -> torch.Tensor:
        """The loss of a batch of these features."""
        index = np.array(rows)
        inputs = self.task.augment(BatchLoader(self.features, CPU).batch(index), index, 0)
        return self.task.loss(self.model(**forward_inputs(self.task, inputs)), inputs)


def unit(table: pd.DataFrame) -> list[str]:
    """What a row is: an item, or a position in it."""
    return [column for column in ("item", "position") if column in table.columns]


@functools.cache
def scene(name: str) -> Scene:
    """Built once a task."""
    task: Task = registry.load("task", name)
    options = {key: value for key, value in SMALL.items() if key in type(task.options).model_fields}
    task = task.configured(options)
    items = [sample(task, number) for number in range(NUM_ITEMS)]
    labels = task.label_space(items)
    with tempfile.TemporaryDirectory() as folder:
        config = ModelConfig(name="tiny", source=str(tiny_model(Path(folder), FAMILY.get(name, "bert"))))
        features = task.encode(items, load_tokenizer(config), labels, MAX_LENGTH)
        model = instantiate(task.build_model(ModelSource(config), labels), 0).eval()
    outputs = evaluate(model, task, BatchLoader(features, CPU), ProcessGroup.current(), "fp32").outputs
    return Scene(task, items, labels, features, model, outputs, task.predictions(items, features, outputs, labels))


@pytest.mark.parametrize("name", NAMES)
def test_a_task_says_what_it_needs_and_what_it_scores(name: str) -> None:
    task: Task = registry.load("task", name)
    assert task.name == name
    assert task.description
    assert task.fields
    assert task.primary_metric in task.metrics
    assert len(set(task.metrics)) == len(task.metrics)
    members = {member for member in vars(Task) if not member.startswith("_")}
    assert not [member for member in members if not hasattr(task, member)]


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_a_value_and_its_options_are_what_they_were_set_to(name: str) -> None:
    task: Task = registry.load("task", name)
    assert task.configured({}) == task
    assert task.configured(task.options.model_dump()) == task
    with pytest.raises(ValidationError):
        task.configured({"an option that no task has": 1})
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.options = task.options  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_good_items_pass_and_an_item_without_its_fields_is_named(name: str) -> None:
    task, items = scene(name).task, scene(name).items
    task.check(items)
    for field in task.fields:
        bad = [*items[:3], {key: value for key, value in items[3].items() if key != field}]
        with pytest.raises(DataError, match=r"item 4 .*3.*: .*"):
            task.check(bad)


@pytest.mark.parametrize("name", NAMES)
def test_labels_have_one_order_whatever_the_order_of_items(name: str) -> None:
    task, items, labels = scene(name).task, scene(name).items, scene(name).labels
    assert task.label_space(items[::-1]) == labels
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("settings", [SplitConfig(validation=0.25, test=0.25), SplitConfig(folds=4, calibration=0.25)])
def test_a_split_of_the_task_covers_every_item_once(name: str, settings: SplitConfig) -> None:
    one = scene(name)
    split = split_for(one.task, Corpus("sample", one.items, "0"), settings, 42, 0 if settings.folds else None)
    one.task.check_split(one.items, split, one.labels)
    assert sorted(np.concatenate([split.part(part) for part in PARTS]).tolist()) == list(range(NUM_ITEMS))
    strata = one.task.strata(one.items)
    assert strata is None or [type(labels) for labels in strata] == [frozenset] * NUM_ITEMS


@pytest.mark.parametrize("name", NAMES)
def test_features_fit_together(name: str) -> None:
    one, features = scene(name), scene(name).features
    assert set(features.columns) <= set(features.padding) | features.fixed
    assert "input_ids" in features.columns
    assert np.all(np.diff(features.item) >= 0)
    assert set(features.item.tolist()) <= set(range(NUM_ITEMS))
    assert features.terms.min() >= 0
    assert features.lengths.max() <= MAX_LENGTH
    for column, ragged in features.columns.items():
        assert len(ragged) == len(features)
        widths = set(ragged.lengths.tolist()) if column in features.fixed else {0}
        assert len(widths) == 1, f"rows of {column} differ in length"
        if column not in features.fixed:
            assert ragged.lengths.tolist() == features.lengths.tolist()
    inputs = one.task.augment(BatchLoader(features, CPU).batch(np.arange(4)), np.arange(4), 0)
    assert set(one.task.targets) <= set(inputs)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_cut_off_is_counted_item_by_item_so_that_parts_add_up(name: str) -> None:
    task, items = scene(name).task, [{**item, **_longer(item)} for item in scene(name).items]
    with tempfile.TemporaryDirectory() as folder:
        config = ModelConfig(name="tiny", source=str(tiny_model(Path(folder), FAMILY.get(name, "bert"))))
        features = task.encode(items, load_tokenizer(config), scene(name).labels, MAX_LENGTH)
    assert {len(count) for count in features.counts.values()} <= {NUM_ITEMS}
    first, rest = features.of_items([0, 1, 2]), features.of_items(range(3, NUM_ITEMS))
    parts = [features.take(rows).facts for rows in (first, rest)]
    assert {key: sum(part[key] for part in parts) for key in features.facts} == features.facts
    cut = features.facts.get("truncated_items", 0)
    assert cut == (NUM_ITEMS if name not in UNCUT else 0)
    assert (features.facts.get("truncated_words", 0) > 0) == bool(cut)


def _longer(item: Item) -> dict[str, Any]:
    """Texts, words and their labels as often as no tiny model can take them."""
    words = {key: item[key] * 40 for key in ("words", "labels") if "words" in item}
    return {**words, **({"text": " ".join([item["text"]] * 40)} if "text" in item else {})}


@pytest.mark.parametrize("name", NAMES)
def test_items_without_labels_become_the_same_input(name: str) -> None:
    one = scene(name)
    known = ("id", "text", "words", "question", "context")
    bare = [{key: value for key, value in item.items() if key in known} for item in one.items]
    assert [item["id"] for item in one.task.unlabelled(bare, one.labels)] == list(range(NUM_ITEMS))
    with pytest.raises(DataError, match=r"item 2"):
        one.task.unlabelled([bare[0], {"id": 1}], one.labels)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_a_float32_sum_that_does_not_depend_on_the_batch(name: str) -> None:
    one = scene(name)
    together = one.loss([0, 1, 2, 3]).detach()
    assert together.dtype == torch.float32
    assert together.ndim == 0
    assert float(together) > 0
    apart = sum(float(one.loss([row]).detach()) for row in range(4))
    assert float(together) == pytest.approx(apart, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_reaches_the_weights(name: str) -> None:
    one = scene(name)
    one.loss([0, 1, 2, 3]).backward()  # type: ignore[no-untyped-call]
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in one.model.parameters())
    one.model.zero_grad()


@pytest.mark.parametrize("name", NAMES)
def test_predictions_have_the_columns_of_the_result_tables(name: str) -> None:
    table = scene(name).table
    assert set(table.columns) >= COLUMNS
    assert set(table["item"]) <= {str(number) for number in range(NUM_ITEMS)}
    assert not table.duplicated(unit(table)).any()
    right = table["correct"].dropna().astype(bool)
    assert right.isin([True, False]).all()


@pytest.mark.parametrize("name", NAMES)
def test_predictions_of_a_part_are_those_of_the_whole_for_that_part(name: str) -> None:
    one = scene(name)
    rows = np.flatnonzero(np.isin(one.features.item, [2, 3, 9]))
    outputs = {key: ragged.take(rows) for key, ragged in one.outputs.items()}
    part = one.task.predictions(one.items, one.features.take(rows), outputs, one.labels)
    whole = one.table[one.table["item"].isin(["2", "3", "9"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, whole)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_finite_and_named_and_survive_the_result_tables(name: str) -> None:
    one = scene(name)
    scores = one.task.score(one.table)
    assert one.task.primary_metric in scores
    assert set(scores) <= set(one.task.metrics)
    assert np.isfinite(list(scores.values())).all()
    file = io.BytesIO()
    one.table.to_parquet(file)
    assert one.task.score(pd.read_parquet(file)) == scores
    collapse = one.task.collapse(one.table)
    assert collapse is None or collapse.strip()


@pytest.mark.parametrize("name", NAMES)
def test_scores_can_be_computed_again_from_the_predictions_so_that_items_can_be_resampled(name: str) -> None:
    one, known = scene(name), metrics.names("metric")
    table = one.table.sort_values(unit(one.table), kind="stable")
    scores = one.task.score(one.table)
    for metric in set(scores) & set(known):
        found = metrics.load("metric", metric)
        columns = (table[column].tolist() for column in ("gold", found.said, "item"))
        assert found.score(*columns) == pytest.approx(scores[metric], abs=1e-6), metric


@pytest.mark.parametrize("name", NAMES)
def test_decisions_change_predictions_and_nothing_else(name: str) -> None:
    one = scene(name)
    thresholds = one.task.tune(one.table)
    assert bool(thresholds) == bool(one.task.tunes)
    assert all(isinstance(value, float) and np.isfinite(value) for value in thresholds.values())
    decided = one.task.apply_thresholds(one.table, thresholds)
    kept = [column for column in one.table.columns if column not in ("predicted", "correct")]
    pd.testing.assert_frame_equal(decided[kept], one.table[kept])
    assert list(decided.columns) == list(one.table.columns)
    metric = one.task.primary_metric
    if thresholds:
        assert one.task.score(decided)[metric] >= one.task.score(one.table)[metric] - 1e-12
    pd.testing.assert_frame_equal(one.task.apply_thresholds(one.table, {}), one.table)
