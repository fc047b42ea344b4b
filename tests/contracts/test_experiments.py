"""Every built-in experiment is whole: it can be read and resolved, and its comments keep their promises."""

from __future__ import annotations

import pytest

from orchestrator.plan import reach
from orchestrator.spec.changes import Changes
from orchestrator.spec.experiment_file import built_in_document, built_in_names, load
from orchestrator.spec.grid import runs
from orchestrator.spec.resolve import resolve
from trainables import registry

NAMES = built_in_names()


def test_the_experiments_that_the_documents_name_are_there() -> None:
    assert {"quickstart", "cr-ecss"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_called_what_its_file_is_called_and_asks_a_question(name: str) -> None:
    experiment = load(name).experiment
    assert experiment.experiment == name
    assert experiment.question is not None
    assert experiment.question.endswith("?")


@pytest.mark.parametrize("name", NAMES)
def test_whatever_it_names_is_registered(name: str) -> None:
    experiment = load(name).experiment
    assert experiment.task in registry.names("task")
    assert experiment.data.name in registry.names("dataset")
    assert set(experiment.models) <= set(registry.names("model"))
    for recipe in experiment.recipes.values():
        assert set(recipe) <= set(registry.names("variant"))


@pytest.mark.parametrize("name", NAMES)
def test_its_seeds_can_decide_all_its_comparisons(name: str) -> None:
    changes = Changes(values={"data": {"name": "requirements-sample"}})
    found = resolve(load(name, changes), must_be_available=False)
    assert reach(found).warnings == ()
    assert len({run.run_id for run in runs(found)}) == len(found.systems) * len(found.experiment.seeds)


def test_study_1_is_written_down_as_it_was_done() -> None:
    content = built_in_document("cr-ecss").content
    assert content["models"] == ["roberta-base", "deberta-v3-large", "modernbert-large"]
    assert content["split"] == {"validation": 0.213, "seed": 42}
    assert content["train"] == {
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 3e-5,
        "weight_decay": 0.01,
        "schedule": "linear",
        "warmup": 0,
        "clip": 1.0,
        "max_length": 128,
        "early_stopping": {"patience": 3},
    }
    assert load("cr-ecss").experiment.seeds == tuple(range(42, 52))
