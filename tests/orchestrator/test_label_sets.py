"""Experiments on texts with labels: folds one by one or together, labels without support told, options checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.commands.plan import reach
from orchestrator.config import resolve
from orchestrator.config.data_check import check_data
from orchestrator.config.run_spec import TUNING_VERSION
from orchestrator.errors import InvalidExperiment
from tests.orchestrator.experiments import resolved
from tests.trainables.tasks.texts import tiny_label_sets


def _tweets(folder: Path, items: list[dict[str, Any]]) -> dict[str, Any]:
    (folder / "tweets.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return {"task": "multi_label_classification", "data": {"path": "tweets.jsonl"}}


def test_one_fold_is_the_same_run_as_in_all_folds(tmp_path: Path) -> None:
    changes = _tweets(tmp_path, tiny_label_sets(40))
    together = resolve.grid_runs(resolved(tmp_path, split={"folds": 3}, seeds=1, **changes))
    alone = resolved(tmp_path, split={"folds": 3, "fold": 1}, seeds=1, **changes)
    assert alone.folds == (1,)
    assert [run.run_id for run in resolve.grid_runs(alone)] == [run.run_id for run in together if run.config.fold == 1]
    assert reach(alone).design == "one fixed split"
    assert {run.tuning for run in together} == {TUNING_VERSION}
    fixed = resolved(tmp_path, split={"folds": 3}, seeds=1, task_options={"threshold": 0.5}, **changes)
    assert {run.tuning for run in resolve.grid_runs(fixed)} == {None}


def test_a_label_that_no_reported_item_has_is_told(tmp_path: Path) -> None:
    items = tiny_label_sets(20)
    items[2]["labels"] = ["rare"]
    ids = {"train": list(range(12)), "validation": list(range(12, 20))}
    (tmp_path / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
    changes = {"split": {"ids": "ids.json"}, "task_options": {"threshold": 0.5}, **_tweets(tmp_path, items)}
    told = "no validation item has the label 'rare': its F1 cannot be above 0"
    assert check_data(resolved(tmp_path, **changes)).notes == (told,)


def test_an_option_that_the_task_lacks_is_refused(tmp_path: Path) -> None:
    changes = _tweets(tmp_path, tiny_label_sets(40))
    with pytest.raises(InvalidExperiment, match=r"unknown option 'treshold'; did you mean 'threshold'\?"):
        resolved(tmp_path, task_options={"treshold": 0.4}, **changes)
    with pytest.raises(InvalidExperiment, match="threshold"):
        resolved(tmp_path, task_options={"threshold": 1.5}, **changes)
