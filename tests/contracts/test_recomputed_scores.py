"""Every task and metric: the score that a run records is the score that its stored predictions give again.

Nothing is trained: outputs are drawn, so that all labels occur, and the items hold what goes missing on the way: words
that are cut off, words without a piece, white space, an answer in no window, an answer that cannot be parsed.
Legend: F features, T pieces, C labels.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import registry as analysis_registry
from analysis.comparison.item_counts import ItemCounts, read_item_counts
from analysis.comparison.systems import with_metric
from analysis.tables.normalize import normalize
from analysis.tables.schema import read_parquet, to_parquet_bytes, to_table
from tests.contracts.test_tasks import FAMILY, NAMES, SMALL, sample
from tests.tiny import tiny_model
from trainables import registry
from trainables.config import ModelConfig
from trainables.data.dataset import Item
from trainables.data.features import Features, Ragged
from trainables.modeling.pretrained import load_tokenizer
from trainables.protocols.task import Task

NUM_ITEMS, SEEDS = 24, 2
LENGTHS = {"token_classification": 10, "question_answering": 28, "label_generation": 128, "masked_lm": 32}
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "label_generation": ({"form": "single"}, {"form": "multi"}),
    "sequence_classification": ({}, {"positive": "data"}),  # with which the items have two classes
}
# counts of questions, best thresholds on the scored data itself, and losses: no sums over items that are compared
OF_NO_ITEM = {
    "question_answering": {"total", "has_answer_total", "no_answer_total", *(f"best_{name}{end}" for name in (
        "exact_match", "answer_f1") for end in ("", "_threshold"))},
    "masked_lm": {"loss", "perplexity", "masked_accuracy"},
}  # fmt: skip
Draw = Callable[[Features, tuple[str, ...], np.random.Generator], Mapping[str, Ragged]]


def hostile(task: Task, number: int) -> Item:
    """The item that every task has, with something in it that does not reach the model."""
    item = sample(task, number)
    if "words" in item:
        tags = [label if label == "O" else f"{'BI'[number % 2]}-{label}" for label in item["labels"]]
        return item | {"words": ["\u200b", *item["words"], " "], "labels": ["B-data", *tags, "O"]}
    if "context" in item and number % 4 == 1:
        return item | {"answers": {"text": [item["context"]], "answer_start": [0]}}  # longer than a window
    if "positive" in type(task.options).model_fields and task.options.model_dump()["positive"] == "data":
        return item | {"label": "data" if item["label"] == "data" else "other"}
    if task.name == "multi_label_classification":
        return item | {"labels": [item["labels"], [], [*item["labels"], "orbit"]][number % 3]}
    return item


def _a_piece(features: Features, labels: tuple[str, ...], draw: np.random.Generator) -> Mapping[str, Ragged]:
    offsets = features.columns["input_ids"].offsets
    return {"label": Ragged(draw.integers(0, len(labels), offsets[-1]).astype(np.int16), offsets)}


def _a_class(features: Features, labels: tuple[str, ...], draw: np.random.Generator) -> Mapping[str, Ragged]:
    said, sure = draw.integers(0, len(labels), len(features)), draw.random(len(features))
    return {"label": _rows(said.astype(np.int16)[:, None]), "probability": _rows(sure.astype(np.float32)[:, None])}


def _a_set(features: Features, labels: tuple[str, ...], draw: np.random.Generator) -> Mapping[str, Ragged]:
    return {"probability": _rows(draw.random((len(features), len(labels))).astype(np.float32))}


def _a_span(features: Features, labels: tuple[str, ...], draw: np.random.Generator) -> Mapping[str, Ragged]:
    offsets = features.columns["input_ids"].offsets
    return {name: Ragged(draw.normal(size=offsets[-1]).astype(np.float32), offsets) for name in ("start", "end")}


def _a_text(features: Features, labels: tuple[str, ...], draw: np.random.Generator) -> Mapping[str, Ragged]:
    said = draw.choice([*labels, f"{labels[0]}, {labels[1]}", "none", "no such label"], len(features)).tolist()
    return {"written": Ragged.from_rows((np.frombuffer(text.encode(), np.uint8) for text in said), np.uint8)}


def _a_loss(features: Features, labels: tuple[str, ...], draw: np.random.Generator) -> Mapping[str, Ragged]:
    losses, counts = draw.random(len(features)).astype(np.float32), np.ones(len(features), dtype=np.int64)
    return {"loss": _rows(losses[:, None]), "guessed": _rows(counts[:, None]), "masked": _rows(2 * counts[:, None])}


def _rows(values: Any) -> Ragged:
    return Ragged.from_rows(values, values.dtype)


DRAWN: dict[str, Draw] = {
    "token_classification": _a_piece,
    "sequence_classification": _a_class,
    "multi_label_classification": _a_set,
    "question_answering": _a_span,
    "label_generation": _a_text,
    "masked_lm": _a_loss,
}
CASES = [(name, options) for name in NAMES for options in OPTIONS.get(name, ({},))]


@dataclass(frozen=True)
class Recorded:
    """What two runs of a task leave behind: their scores, and their predictions as they are read from a file."""

    task: Task
    scores: tuple[dict[str, float], ...]
    runs: pd.DataFrame
    predictions: pd.DataFrame

    def again(self, metric: str) -> ItemCounts:
        """As an analysis by this metric counts items; raises NotShared where a score is not that of its predictions."""
        return read_item_counts(with_metric(self.runs, metric)[0], self.predictions, metric)


@functools.cache
def recorded(case: int) -> Recorded:
    """Built once a case."""
    name, options = CASES[case]
    assert name in DRAWN, f"this contract draws no outputs for {name}: add them"
    task: Task = registry.load("task", name)
    task = task.configured(
        {key: value for key, value in SMALL.items() if key in type(task.options).model_fields} | options
    )
    items = [hostile(task, number) for number in range(NUM_ITEMS)]
    labels = task.label_space(items)
    with tempfile.TemporaryDirectory() as folder:
        model = ModelConfig(name="tiny", source=str(tiny_model(Path(folder), FAMILY.get(name, "bert"))))
        features = task.encode(items, load_tokenizer(model), labels, LENGTHS.get(name, 32))
    tables = [_table(task, items, features, labels, seed) for seed in range(SEEDS)]
    scores = tuple(task.score(table) for table in tables)
    runs = [_row(task.primary_metric, own, seed) for seed, own in enumerate(scores)]
    said = pd.concat([table.assign(run_id=f"r{seed}", split="validation") for seed, table in enumerate(tables)])
    read = read_parquet(to_parquet_bytes(to_table("predictions", said))).to_pandas()
    return Recorded(task, scores, normalize(pd.DataFrame(runs), "runs")[0], read)


def _row(primary: str, scores: Mapping[str, float], seed: int) -> dict[str, Any]:
    known = {"run_id": f"r{seed}", "system": "s", "seed": seed, "metric": primary, "score": scores[primary]}
    return known | {"score_split": "validation"} | {f"metric_{name}": value for name, value in scores.items()}


def _table(task: Task, items: list[Item], features: Features, labels: tuple[str, ...], seed: int) -> pd.DataFrame:
    drawn = DRAWN[task.name](features, labels, np.random.default_rng(seed))
    table = task.predictions(items, features, drawn, labels)
    return task.apply_thresholds(table, task.tune(table))


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda case: CASES[case][0])
def test_every_score_of_a_run_is_the_score_of_the_predictions_that_are_stored_beside_it(case: int) -> None:
    found = recorded(case)
    for seed, scores in enumerate(found.scores):
        own = found.predictions[found.predictions["run_id"] == f"r{seed}"].reset_index(drop=True)
        assert found.task.score(own) == pytest.approx(scores, abs=1e-12)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda case: CASES[case][0])
def test_an_analysis_computes_every_recorded_metric_again_and_finds_the_same(case: int) -> None:
    found, known = recorded(case), set(analysis_registry.names("metric"))
    named = set(found.scores[0]) - OF_NO_ITEM.get(found.task.name, set())
    assert named <= known
    for metric in sorted(named):
        counts = found.again(metric)
        scores = [counts.value(own.sum(axis=0, dtype=np.float64)) for own in counts.counts]
        assert scores == pytest.approx([own[metric] for own in found.scores], abs=1e-9), metric


@pytest.mark.parametrize("name", ["token_classification", "label_generation"])
def test_predictions_do_go_missing_where_the_items_were_made_for_it(name: str) -> None:
    cases = [case for case, (task, _) in enumerate(CASES) if task == name]
    assert all(0.1 < recorded(case).predictions["predicted"].isna().mean() < 0.9 for case in cases)


def test_no_metric_of_a_task_is_left_out_of_this_contract() -> None:
    for name in NAMES:
        cases = [case for case, (task, _) in enumerate(CASES) if task == name]
        assert set(registry.load("task", name).metrics) == set().union(*(recorded(case).scores[0] for case in cases))
