"""The recipes of study 4: each changes one thing of its reference, and the study's settings are what they were."""

from __future__ import annotations

import pytest

from orchestrator.config.load import load
from orchestrator.config.overrides import Changes
from orchestrator.config.resolve import resolve
from trainables.config import TrainConfig

NAME = "squad-v2-recipes"
REFERENCES = {
    "A2": ("A1", "attention"),
    "A3": ("A2", "torch_compile"),
    "A4-nb": ("A3", "length_bucketing"),
    "A4-b": ("A4-nb", "misaligned_evaluation"),
    "B1": ("A3", "lora"),
    "B2": ("A2", "bitfit"),
    "B3": ("A2", "freezing"),
    "C1": ("A3", "adamw_8bit"),
    "C2": ("A3", "gradient_checkpointing"),
    "D1": ("A3", "torch_compile"),
}


def test_all_recipes_of_the_study_are_there_and_ours() -> None:
    assert set(load(NAME).experiment.recipes) == {"A1", *REFERENCES, "best", "best-cuda"}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_recipe_changes_one_thing_of_its_reference(name: str) -> None:
    recipes = load(NAME).experiment.recipes
    reference, changed = REFERENCES[name]
    before, after = recipes[reference], recipes[name]
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} == {changed}


def test_the_studys_settings_hold_for_all_recipes_alike() -> None:
    experiment = load(NAME).experiment
    train = experiment.train
    assert (train.max_length, train.batch_size, train.learning_rate, train.epochs) == (384, 8, 3e-5, 3)
    assert all(not set(recipe) & set(TrainConfig.model_fields) for recipe in experiment.recipes.values())
    lora = experiment.recipes["B1"]["lora"]
    assert lora == {"rank": 16, "alpha": 32.0, "targets": ["query", "key", "value", "output.dense"]}
    assert experiment.recipes["B3"]["freezing"] == {"layers": 10}


def test_the_control_is_one_in_every_table_and_what_needs_a_gpu_says_so() -> None:
    values = {"data": {"name": "requirements-sample"}}  # this machine may lack the questions
    small = Changes(models=("minilm-l6",), settings=("recipes.B3.freezing.layers=5",), values=values)
    systems = {system.recipe: system for system in resolve(load(NAME, small), must_be_available=False).systems}
    assert {name for name, system in systems.items() if system.control} == {"A4-b"}
    assert systems["A4-b"].control == "negative"
    unsupported = {name for name, system in systems.items() if system.unsupported}
    assert unsupported <= {"A3", "A4-nb", "A4-b", "B1", "C1", "C2", "best-cuda"}  # no GPU, or no compiler
