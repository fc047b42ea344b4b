"""Options of the command line change an experiment before it is checked, and nothing else."""

from __future__ import annotations

import pytest

from orchestrator.config.experiment import Experiment
from orchestrator.config.load import validate
from orchestrator.config.overrides import Changes
from orchestrator.config.yaml_file import parse
from orchestrator.errors import InvalidExperiment

TEXT = """
experiment: try
task: token_classification
data: {hub: owner/data, revision: main}
models:
  Qwen2.5-1.5B: {epochs: 2}
  b: {}
recipes: {default: {}, fast: {length_bucketing: {}}}
seeds: 1-3
train: {epochs: 4}
"""


def changed(**changes: object) -> Experiment:
    """TEXT with these changes."""
    return validate(Changes(**changes).apply(parse(TEXT, "f.yaml")))  # type: ignore[arg-type]


def test_lists_are_replaced_and_known_models_keep_their_overrides() -> None:
    found = changed(models=("Qwen2.5-1.5B", "new"), recipes=("fast",), seeds="9")
    assert list(found.models) == ["Qwen2.5-1.5B", "new"]
    assert found.models["Qwen2.5-1.5B"].train_overrides() == {"epochs": 2}
    assert found.models["new"].train_overrides() == {}
    assert list(found.recipes) == ["fast"]
    assert found.seeds == (9,)


def test_a_key_is_set_to_a_yaml_value_and_others_stay() -> None:
    found = changed(settings=("train.learning_rate=3e-5", "split.seed=run", "compare.rope=0.01"))
    assert found.train.learning_rate == 3e-5
    assert found.train.epochs == 4
    assert found.split.seed == "run"
    assert found.compare.rope == 0.01


def test_a_models_name_may_hold_dots() -> None:
    assert changed(settings=("models.Qwen2.5-1.5B.epochs=7",)).models["Qwen2.5-1.5B"].train_overrides() == {"epochs": 7}


def test_a_recipe_can_be_added_and_picked_in_one_command() -> None:
    found = changed(settings=("recipes.padded.pad_to_max={}",), recipes=("padded",))
    assert found.recipes == {"padded": {"pad_to_max": {}}}


def test_controls_of_recipes_that_are_left_out_are_left_out_too() -> None:
    controls = "compare.controls={default: negative, b/default: negative, fast: negative, typo: negative}"
    found = changed(settings=(controls,), recipes=("fast",))
    assert list(found.compare.controls) == ["fast", "typo"]
    assert "default" in changed(settings=(controls,)).compare.controls


def test_data_on_the_command_line_replaces_the_hub() -> None:
    found = changed(data="/some/where.jsonl", limit=5)
    assert found.data.path == "/some/where.jsonl"
    assert (found.data.hub, found.data.revision, found.data.limit) == (None, None, 5)


def test_python_values_do_the_same_as_text() -> None:
    assert changed(values={"train.epochs": 2}) == changed(settings=("train.epochs=2",))


def test_the_document_itself_is_left_alone() -> None:
    document = parse(TEXT, "f.yaml")
    Changes(settings=("train.epochs=1",), models=("x",)).apply(document)
    assert document.content["train"] == {"epochs": 4}
    assert "b" in document.content["models"]


def test_a_recipe_that_the_file_lacks_is_refused() -> None:
    with pytest.raises(InvalidExperiment, match="unknown recipe 'fats'; did you mean 'fast'"):
        changed(recipes=("fats",))
