"""The loop keeps its promises: layout, warmth, interruption and padding never change what a run computes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.tables.folder import Folder
from tests.tiny import FAMILIES, Family, tiny_items
from tests.trainables.runs import StopAt, tiny_run
from trainables.config import EarlyStopping, RunConfig, SplitConfig
from trainables.training import control_points
from trainables.training.control_points import Request, RunProgress
from trainables.training.outcome import Outcome
from trainables.training.run import ComputeOptions, run
from trainables.training.token_cache import RunCache

CURVE = ["train_loss", "eval_loss", "grad_norm", "metric_weighted_f1"]


def assert_same(first: Outcome, second: Outcome) -> None:
    """Both outcomes are equal to the bit, times aside."""
    pd.testing.assert_frame_equal(first.epochs.drop(columns="seconds"), second.epochs.drop(columns="seconds"))
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    assert first.columns["score"] == second.columns["score"]


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control points at every step, so that an interruption can be placed exactly."""
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_the_tiny_task(tmp_path: Path, family: Family) -> None:
    outcome = run(tiny_run(tmp_path, family=family, epochs=12, learning_rate=1e-2))
    assert outcome.status == "completed"
    assert outcome.epochs["train_loss"].iloc[-1] < outcome.epochs["train_loss"].iloc[0] / 2
    assert outcome.columns["score"] > 0.5


def test_accumulation_does_not_change_the_loss_curve(tmp_path: Path) -> None:
    config = tiny_run(tmp_path, count=25)
    whole, parts = run(config), run(config, layout=ComputeOptions(accumulation=4))
    np.testing.assert_allclose(whole.epochs[CURVE], parts.epochs[CURVE], rtol=1e-5)


def test_a_warm_run_equals_a_cold_one_bit_for_bit(tmp_path: Path) -> None:
    first, other = tiny_run(tmp_path, dropout=0.1), tiny_run(tmp_path, dropout=0.1, seed=2)
    cache = RunCache()
    run(first, cache=cache)
    run(other, cache=cache)
    assert_same(run(first, cache=cache), run(first))


def test_seeds_differ(tmp_path: Path) -> None:
    losses = {run(tiny_run(tmp_path, seed=seed)).columns["train_loss"] for seed in (1, 2)}
    assert len(losses) == 2


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_a_stopped_run_goes_on_exactly_where_it_was(tmp_path: Path, every_step: None, step: int) -> None:
    config = tiny_run(tmp_path, dropout=0.1, epochs=6, split=SplitConfig(validation=0.25, test=0.2))
    folder = Folder.at(tmp_path / "checkpoints")
    stopped = run(config, control=StopAt(step), folder=folder)
    assert stopped.status == "stopped"
    resumed = run(config, folder=folder)
    assert_same(resumed, run(config))


class SlowStopAt(StopAt):
    """Half a second passes before the first control point's answer."""

    def poll(self, progress: RunProgress) -> Request:
        time.sleep(0.5)
        return super().poll(progress)


def test_the_seconds_of_a_run_are_those_of_all_its_attempts(tmp_path: Path, every_step: None) -> None:
    config, folder = tiny_run(tmp_path), Folder.at(tmp_path / "checkpoints")
    assert run(config, control=SlowStopAt(1), folder=folder).status == "stopped"
    started = time.perf_counter()
    columns = run(config, folder=folder).columns
    assert columns["seconds_total"] > time.perf_counter() - started
    assert columns["seconds_total"] > columns["seconds_train"] + columns["seconds_eval"] > 0.5


def test_a_run_resumes_from_the_checkpoint_before_a_damaged_one(tmp_path: Path, every_step: None) -> None:
    config = tiny_run(tmp_path)
    folder = Folder.at(tmp_path / "checkpoints")
    for step in (2, 4):
        run(config, control=StopAt(step), folder=folder)
    newest = folder.child(folder.names()[-1])
    newest.write("tensors.safetensors", newest.read("tensors.safetensors")[:-1])
    assert_same(run(config, folder=folder), run(config))


def test_a_run_whose_checkpoints_are_all_damaged_starts_anew(tmp_path: Path, every_step: None) -> None:
    config = tiny_run(tmp_path)
    folder = Folder.at(tmp_path / "checkpoints")
    run(config, control=StopAt(3), folder=folder)
    for name in folder.names():
        folder.child(name).write("manifest.json", b"{")
    assert_same(run(config, folder=folder), run(config))


def test_pruning_ends_a_run_for_good(tmp_path: Path, every_step: None) -> None:
    outcome = run(tiny_run(tmp_path), control=StopAt(4, "prune"))
    assert outcome.status == "pruned"
    assert "score" not in outcome.columns
    assert outcome.columns["epochs"] == len(outcome.epochs) == 1


@pytest.mark.parametrize("rate", [1e9, 1e30])
def test_a_run_whose_loss_explodes_has_no_score(tmp_path: Path, rate: float) -> None:
    outcome = run(tiny_run(tmp_path, learning_rate=rate, clip=None, epochs=8))
    assert outcome.status in ("diverged", "collapsed")
    if outcome.status == "diverged":
        assert "non-finite" in str(outcome.error)
        assert "step" in str(outcome.error)
        assert "score" not in outcome.columns


def test_an_overflowing_rate_is_reported_as_diverged_with_its_step(tmp_path: Path) -> None:
    outcome = run(tiny_run(tmp_path, learning_rate=1e38, clip=None))
    assert outcome.status == "diverged"
    assert str(outcome.error).startswith("loss or gradient became non-finite at step")


def test_a_model_that_says_the_majority_class_only_is_collapsed_and_has_a_score(tmp_path: Path) -> None:
    outcome = run(tiny_run(tmp_path, learning_rate=1e-9, epochs=1, weight_decay=0.0))
    assert outcome.status in ("collapsed", "completed")
    said = set(outcome.predictions["predicted"])
    assert (outcome.status == "collapsed") == (said == {"O"})
    assert np.isfinite(outcome.columns["score"])


@pytest.mark.parametrize("variants", [{"length_bucketing": {}}, {"pad_to_max": {}}])
def test_padding_and_order_keep_every_item_and_its_label(tmp_path: Path, variants: dict[str, dict[str, str]]) -> None:
    plain, other = run(tiny_run(tmp_path)), run(tiny_run(tmp_path, variants=variants))
    keys = ["item", "position", "gold"]
    pd.testing.assert_frame_equal(plain.predictions[keys], other.predictions[keys])


def test_padding_to_the_maximum_computes_the_same(tmp_path: Path) -> None:
    plain, padded = run(tiny_run(tmp_path)), run(tiny_run(tmp_path, variants={"pad_to_max": {}}))
    np.testing.assert_allclose(plain.epochs[CURVE], padded.epochs[CURVE], rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_leaving_out_unused_embedding_rows_changes_nothing(
    tmp_path: Path, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run(tmp_path, family=family)
    smaller = run(config)
    monkeypatch.setattr("trainables.modeling.vocabulary_trimming.vocabulary_of", lambda features, pretrained: None)
    whole = run(config)
    np.testing.assert_allclose(smaller.epochs[CURVE], whole.epochs[CURVE], rtol=1e-5)
    assert smaller.columns["parameters"] == whole.columns["parameters"]
    assert smaller.columns["trainable_parameters"] == whole.columns["trainable_parameters"]


def test_the_test_part_is_scored_with_the_best_epoch(tmp_path: Path) -> None:
    split = SplitConfig(validation=0.25, test=0.25)
    outcome = run(tiny_run(tmp_path, epochs=6, learning_rate=1e-2, split=split))
    assert outcome.columns["score_split"] == "test"
    assert outcome.columns["score"] == outcome.columns["test_weighted_f1"] == outcome.columns["metric_weighted_f1"]
    best = outcome.epochs.loc[outcome.epochs["epoch"] == outcome.columns["best_epoch"]].iloc[0]
    assert outcome.columns["validation_weighted_f1"] == best["metric_weighted_f1"]
    assert set(outcome.predictions["split"]) == {"validation", "test"}


def test_evaluation_items_that_repeat_each_other_are_one_cluster(tmp_path: Path) -> None:
    """The tiny sentences repeat from the start: items of equal words share a cluster, and no others do."""
    outcome = run(tiny_run(tmp_path, epochs=1, split=SplitConfig(validation=0.5)))
    words = {str(item["id"]): " ".join(item["words"]) for item in tiny_items()}
    first = outcome.predictions.drop_duplicates("item")
    clusters = first.groupby(first["item"].map(words))["cluster"]
    assert (clusters.size() > 1).any()
    assert (clusters.nunique(dropna=False) == 1).all()
    assert first["cluster"].dropna().nunique() == (clusters.size() > 1).sum()


def test_what_is_cut_off_is_counted_for_the_items_of_the_run_and_not_of_the_whole_data(tmp_path: Path) -> None:
    short = {"epochs": 1, "max_length": 16}
    whole = run(tiny_run(tmp_path, **short)).columns
    fewer = run(tiny_run(tmp_path, **short, split=SplitConfig(validation=0.25, train_items=12)))
    columns, missed = fewer.columns, int(fewer.predictions["predicted"].isna().sum())
    assert columns["evaluation_truncated_words"] == whole["evaluation_truncated_words"] == missed > 0
    assert columns["evaluation_truncated_items"] == fewer.predictions["item"].nunique() == 6
    assert 0 < columns["train_truncated_words"] < whole["train_truncated_words"]
    assert columns["truncated_words"] == columns["train_truncated_words"] + missed
    assert (columns["train_truncated_items"], columns["train_items"]) == (12, 12)


def test_early_stopping_ends_a_run_after_its_patience(tmp_path: Path) -> None:
    config = tiny_run(tmp_path, learning_rate=1e-9, epochs=9, early_stopping=EarlyStopping(patience=2))
    assert run(config).columns["epochs"] == 3


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_lower_precision_learns_like_full_precision(tmp_path: Path, precision: str) -> None:
    def final(config: RunConfig) -> float:
        return float(run(config).epochs["train_loss"].iloc[-1])

    full = final(tiny_run(tmp_path, epochs=6))
    lower = final(tiny_run(tmp_path, epochs=6, model={"precision": precision}))
    assert lower == pytest.approx(full, rel=0.05)


def test_overflowing_fp16_gradients_are_counted_as_skipped_steps(tmp_path: Path) -> None:
    outcome = run(tiny_run(tmp_path, model={"precision": "fp16"}, epochs=2))
    assert outcome.columns["skipped_steps"] >= 0
    assert outcome.columns["precision"] == "fp16"


def test_epochs_are_reported_as_they_end(tmp_path: Path) -> None:
    listener = StopAt(10**9)
    outcome = run(tiny_run(tmp_path), control=listener)
    assert [row["epoch"] for row in listener.rows] == list(outcome.epochs["epoch"]) == [1, 2, 3]


def test_a_label_that_no_training_item_has_is_scored_as_a_miss(tmp_path: Path) -> None:
    """Of 4 validation items with one word each, none of the labels but O is known: their F1 is that of three misses."""
    config = tiny_run(tmp_path, split=SplitConfig(ids=str(tmp_path / "ids.json")))
    (tmp_path / "ids.json").write_text(json.dumps({"train": list(range(24)), "validation": [24, 25, 26, 27]}))
    data = Path(str(config.data.path))
    rows = [
        {"id": 24 + number, "words": ["odd"], "labels": [label]} for number, label in enumerate(["X", "Y", "X", "O"])
    ]
    data.write_text(data.read_text() + "".join(json.dumps(row) + "\n" for row in rows))
    outcome = run(config)
    assert outcome.predictions["gold"].tolist() == ["X", "Y", "X", "O"]
    assert outcome.predictions["correct"].tolist()[:3] == [False, False, False]
    assert outcome.columns["score"] == 0.0
