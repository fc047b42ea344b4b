"""The benchmark of final scores compares what it says: both sides score the same items after the same training."""

from __future__ import annotations

from pathlib import Path

from benchmarks import final_scores
from tests.trainables.runs import tiny_run


def test_both_sides_learn_and_are_scored_by_every_metric_of_the_task(tmp_path: Path) -> None:
    config = tiny_run(tmp_path, epochs=8, count=48)
    theirs, ours = final_scores.peer(config), final_scores.ours(config)
    assert theirs.keys() == ours.keys()
    assert min(theirs["accuracy"], ours["accuracy"]) > 0.9
    assert min(theirs["macro_f1"], ours["macro_f1"]) > 0.5


def test_a_row_shows_seeds_means_and_the_difference_beside_the_noise_of_seeds() -> None:
    scores = {"Trainer": {42: 0.5, 43: 0.7}, "ours": {42: 0.6, 43: 0.64}}
    answers = [
        {"side": side, "seed": seed, "metrics": {"f1": score}, "seconds": 1.0}
        for side, found in scores.items()
        for seed, score in found.items()
    ]
    assert final_scores.table(answers, ["f1"]) == [
        {
            "metric": "f1",
            "Trainer, seed by seed": "0.5000, 0.7000",
            "ours, seed by seed": "0.6000, 0.6400",
            "Trainer, mean": "0.6000",
            "ours, mean": "0.6200",
            "ours - Trainer": "+0.0200",
            "std over seeds, Trainer": "0.1414",
            "std over seeds, ours": "0.0283",
        }
    ]
    (alone,) = final_scores.table([answers[0], answers[2]], ["f1"])
    assert alone["std over seeds, ours"] == "-"


def test_both_sides_of_a_seed_stand_together_and_the_trainer_goes_first() -> None:
    assert final_scores.jobs([42, 43]) == [("Trainer", 42), ("ours", 42), ("Trainer", 43), ("ours", 43)]
