"""What is not new in the evaluation is counted and said, and only runs whose split is drawn otherwise get other ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config import resolve
from orchestrator.config.data_check import DataFacts, UnseenLabel, check_data
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.errors import InvalidExperiment, UserError
from tests.orchestrator.experiments import resolved

MANY = "the {} valve was closed before the {} test"


def _texts(folder: Path, items: list[dict[str, Any]], **changes: Any) -> ResolvedExperiment:
    (folder / "texts.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    settings = {"task": "sequence_classification", "data": {"path": "texts.jsonl"}, "seeds": "1-2", **changes}
    return resolved(folder, **settings)


def _plain(count: int = 20) -> list[dict[str, Any]]:
    names = "abcdefghijklmnopqrstuvwxyz"
    return [
        {"id": n, "text": MANY.format(names[n % 26], names[n // 26]), "label": "sad" if n % 4 == 0 else "glad"}
        for n in range(count)
    ]


def _clustered(count: int = 20) -> list[dict[str, Any]]:
    return [{**item, "cluster": f"page {item['id'] // 2}"} for item in _plain(count)]


def _ids(folder: Path, **parts: list[int]) -> dict[str, Any]:
    (folder / "ids.json").write_text(json.dumps(parts), encoding="utf-8")
    return {"ids": "ids.json"}


def _facts(folder: Path, items: list[dict[str, Any]], **changes: Any) -> DataFacts:
    return check_data(_texts(folder, items, **changes))


def test_a_column_with_the_row_number_hides_no_duplicate(tmp_path: Path) -> None:
    items = [{**item, "row": number} for number, item in enumerate([*_plain(10), *_plain(4)])]
    for number, item in enumerate(items):
        item["id"] = number
    items[13]["text"] = items[13]["text"].upper()
    split = _ids(tmp_path, train=list(range(10)), validation=[10, 11, 12, 13])
    facts = _facts(tmp_path, items, split=split)
    assert (facts.duplicates, facts.near_duplicates, facts.short_duplicates, facts.repeated) == (3, 1, 0, 0)
    assert facts.warnings == (
        "3 evaluation items are also training items: scores are too high",
        "1 evaluation item differs from a training item only in case, punctuation or numbers",
    )
    refused = (
        r"3 evaluation items are also training items; remove them \(--strict\): the first is item '10', the same as"
    )
    with pytest.raises(UserError, match=f"{refused} training item '0'"):
        check_data(_texts(tmp_path, items, split=split), strict=True)


def test_short_repeats_are_said_without_a_claim_about_scores_and_pass_a_strict_check(tmp_path: Path) -> None:
    items = _plain(12)
    items[0]["text"], items[10]["text"], items[11]["text"] = "3 .", "3 .", "ok"
    experiment = _texts(
        tmp_path, items, split=_ids(tmp_path, train=[0, 1, 2, 3, 4, 5, 6, 7, 9], validation=[8, 10, 11])
    )
    assert check_data(experiment, strict=True).warnings == (
        "1 evaluation item repeats a training item, but so short (one or two words) that it means nothing",
    )


def test_evaluation_items_that_occur_twice_are_said(tmp_path: Path) -> None:
    items = _plain(14)
    items[11]["text"] = items[12]["text"] = items[10]["text"]
    facts = _facts(tmp_path, items, split=_ids(tmp_path, train=list(range(10)), validation=[10, 11, 12, 13]))
    assert facts.warnings == (
        "2 evaluation items repeat others of the same part: resampled together, as one piece of evidence",
    )


def test_a_cluster_on_both_sides_of_given_parts_is_said(tmp_path: Path) -> None:
    split = _ids(tmp_path, train=[0, 1, 2, 4, 6, 8, 9], validation=[3, 5, 12, 13])
    facts = _facts(tmp_path, _clustered(), split=split)
    assert facts.known_clusters == 2
    assert facts.warnings == (
        "2 of 4 evaluation items share a cluster with training items: for these, the scores are not about new clusters",
    )


def test_whole_clusters_need_no_warning_and_divided_ones_get_one(tmp_path: Path) -> None:
    assert _facts(tmp_path, _clustered(), split={"validation": 0.3}).warnings == ()
    divided = _facts(tmp_path, _clustered(), split={"validation": 0.3, "clusters": "divided"})
    assert divided.known_clusters > 0
    assert "the scores are not about new clusters" in divided.warnings[0]


def test_a_label_in_one_item_is_a_miss_of_the_fold_that_evaluates_it(tmp_path: Path) -> None:
    items = _plain(24)
    items[7]["label"] = "rare"
    experiment = _texts(tmp_path, items, split={"folds": 4})
    facts = check_data(experiment)
    (unseen,) = facts.unseen_labels
    assert (unseen.label, unseen.part, unseen.items) == ("rare", "validation", 1)
    assert unseen.split in {f"fold {fold}" for fold in range(4)}
    assert facts.warnings == (
        f"no training item has the label 'rare': it is missed in 1 validation item of {unseen.split}",
    )


def test_a_label_that_given_parts_keep_from_training_is_named_with_its_part(tmp_path: Path) -> None:
    items = _plain(12)
    items[10]["label"] = items[11]["label"] = "rare"
    split = _ids(tmp_path, train=list(range(8)), validation=[8, 9, 10], test=[11])
    facts = _facts(tmp_path, items, split=split)
    assert facts.unseen_labels == (UnseenLabel("rare", "validation", 1, ""), UnseenLabel("rare", "test", 1, ""))
    assert "it is missed in 1 validation item, 1 test item" in facts.warnings[-1]


def test_many_splits_without_a_label_are_counted_beyond_the_first(tmp_path: Path) -> None:
    facts = DataFacts(
        items=10, labels=2, train_items=8, evaluation_items=2, duplicates=0, notes=(),
        unseen_labels=tuple(UnseenLabel("rare", "validation", 2, f"seed {seed}") for seed in range(1, 6)),
    )  # fmt: skip
    assert facts.warnings == (
        "no training item has the label 'rare': it is missed in 2 validation items of seed 1, "
        "2 validation items of seed 2, 2 validation items of seed 3 and in 2 more splits",
    )


def _first_run(experiment: ResolvedExperiment) -> tuple[str, str | None]:
    run = resolve.grid_runs(experiment)[0]
    return run.run_id, run.config.split.clusters


def test_only_a_run_whose_split_is_drawn_otherwise_has_another_id(tmp_path: Path) -> None:
    """The divided draw is that of before, when there was no choice: both have the id of then."""
    divided, of_divided = _first_run(_texts(tmp_path, _clustered(), split={"validation": 0.25, "clusters": "divided"}))
    whole, of_whole = _first_run(_texts(tmp_path, _clustered()))
    written, _ = _first_run(_texts(tmp_path, _clustered(), split={"validation": 0.25, "clusters": "whole"}))
    assert (of_divided, of_whole) == ("divided", "whole")
    assert whole == written != divided
    split = resolve.grid_runs(_texts(tmp_path, _clustered()))[0]
    null = split.config.model_copy(update={"split": split.config.split.model_copy(update={"clusters": None})})
    assert split.model_copy(update={"config": null}).run_id == divided


def test_runs_on_data_without_shared_clusters_and_on_given_parts_keep_their_ids(tmp_path: Path) -> None:
    alone = [{**item, "cluster": f"{item['id']}"} for item in _plain()]
    for items in (_plain(), alone):
        assert _first_run(_texts(tmp_path, items))[1] is None
    split = _ids(tmp_path, train=list(range(8)), validation=[8, 9])
    for changes in ({}, {"train_items": 4}):
        assert _first_run(_texts(tmp_path, _clustered(), split={**split, **changes}))[1] is None
    assert _first_run(_texts(tmp_path, _clustered(), split={**split, "calibration": 0.25}))[1] == "whole"


def test_text_that_models_are_adapted_to_keeps_its_clusters_whole_too(tmp_path: Path) -> None:
    pages = [{"text": MANY.format(n, n), "cluster": f"page {n // 5}"} for n in range(50)]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages), encoding="utf-8")
    experiment = _texts(tmp_path, _plain(), adapt={"data": {"path": "pages.jsonl"}, "max_length": 64})
    assert [run.config.split.clusters for run in experiment.adaptations] == ["whole"] * len(experiment.adaptations)
    assert experiment.experiment.split.clusters is None
    assert experiment.adaptations


def test_a_choice_that_decides_nothing_is_reported_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match=r"tiny.yaml:\d+: split.clusters: no two items share a cluster"):
        _texts(tmp_path, _plain(), split={"clusters": "whole"})
