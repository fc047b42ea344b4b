"""Every built-in experiment is whole: it can be read and resolved, and its comments keep their promises."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import orchestrator
from orchestrator.commands.plan import reach
from orchestrator.config.adapt_runs import adapt_of
from orchestrator.config.load import built_in_document, built_in_names, load
from orchestrator.config.overrides import Changes
from orchestrator.config.resolve import grid_runs, resolve
from trainables import registry

NAMES = built_in_names()


def test_the_experiments_that_the_documents_name_are_there() -> None:
    assert {"quickstart", "cr-ecss", "sst2", "mrpc", "emotions", "emotions-decoders"} <= set(NAMES)


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


def text_of(name: str) -> str:
    """The experiment file with its comments."""
    return (Path(orchestrator.__file__).parent / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")


def commands(name: str) -> list[list[str]]:
    """The sweeps that an experiment's comments recommend, as arguments; a command goes on in deeper comment lines."""
    text = text_of(name)
    found = re.findall(rf"^#.*?orchestrate sweep {name}( .*(?:\n# {{4,}}--.*)*)?$", text, flags=re.MULTILINE)
    return [shlex.split(re.sub(r"(?: \\)?\n#", " ", options)) for options in found]


def changes_of(arguments: list[str]) -> Changes:
    """What these arguments of a sweep change in the experiment."""
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    given = {flag: value for flag, value in pairs if flag != "--set"}
    return Changes(
        models=tuple(given["--models"].split(",")) if "--models" in given else None,
        seeds=given.get("--seeds"),
        settings=tuple(value for flag, value in pairs if flag == "--set"),
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_in_its_comments_work(name: str) -> None:
    for arguments in commands(name):
        changed = load(name, changes_of(arguments)).experiment
        assert set(changed.models) <= set(registry.names("model"))
        assert registry.load("task", changed.task).configured(changed.task_options)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"quickstart", "emotions-generation"}))  # no small decoder writes
def test_a_study_has_a_small_form_for_a_laptop(name: str) -> None:
    assert any("minilm-l6" in " ".join(arguments) for arguments in commands(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_in_its_comments_are_settings(name: str) -> None:
    for written in re.findall(r"`--set ([^`]+)`", text_of(name)):
        settings = [part for part in shlex.split(written) if part != "--set"]
        together = ("split.folds=10", *settings) if written.startswith("split.fold=") else tuple(settings)
        assert load(name, Changes(settings=together)).experiment != load(name).experiment


@pytest.mark.parametrize("name", NAMES)
def test_its_seeds_can_decide_all_its_comparisons(name: str) -> None:
    entries = {
        model: {key: value for key, value in entry.model_dump(mode="json").items() if key != "precision"}
        for model, entry in load(name).experiment.models.items()  # this machine may lack a precision
    }
    here = {"name": "requirements-sample"}  # neither may it have the data
    adapt = {} if load(name).experiment.adapt is None else {"adapt.data": here}
    changes = Changes(values={"data": here, "models": entries, **adapt})
    found = resolve(load(name, changes), must_be_available=False)
    assert reach(found).warnings == ()
    assert len({run.run_id for run in grid_runs(found)}) == len(found.systems) * len(found.experiment.seeds)


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


def test_study_2_gives_both_models_the_same_budget() -> None:
    content = built_in_document("sst2").content
    assert content["models"] == ["modernbert-base", "bert-base-nli-mean-tokens"]
    train = content["train"]
    assert (train["epochs"], train["batch_size"], train["learning_rate"], train["warmup"]) == (20, 32, 8e-5, 0.06)


def test_study_3_is_written_down_as_it_was_done() -> None:
    content = built_in_document("mrpc").content
    assert content["compare"]["metric"] == "f1"
    assert content["train"] == {
        "epochs": 2,
        "batch_size": 32,
        "learning_rate": 8e-5,
        "betas": [0.9, 0.98],
        "epsilon": 1e-6,
        "weight_decay": 0.0,
        "schedule": "linear",
        "warmup": 0,
        "max_length": 128,
    }


def test_study_5_tunes_a_threshold_for_every_label_and_weighs_rare_labels() -> None:
    experiment = load("emotions").experiment
    assert experiment.task_options == {"class_weights": "balanced", "largest_weight": 10.0, "threshold": "tuned"}
    assert experiment.models["feed-forward"].train_overrides()["schedule"] == "plateau"


def test_the_first_stage_of_study_1_is_written_down_as_it_was_done() -> None:
    plain, adapted = load("cr-ecss").experiment, load("cr-ecss-adapted").experiment
    assert built_in_document("cr-ecss-adapted").content["adapt"] == {
        "data": {"name": "space-wiki"},
        "epochs": 5,
        "batch_size": 64,
        "max_length": 512,
        "mask": 0.15,
        "learning_rate": 5e-5,
        "split": {"validation": 0.1, "seed": 42},
    }
    sizes = {name: adapt_of(adapted, name) for name in adapted.models}
    assert {name: adapt and adapt.batch_size for name, adapt in sizes.items()} == {
        "roberta-base": 64,
        "deberta-v3-large": 32,
        "modernbert-large": 32,
    }
    same = ("task", "data", "split", "seeds", "train", "recipes", "compare")
    assert {name: getattr(plain, name) for name in same} == {name: getattr(adapted, name) for name in same}
    assert list(plain.models) == list(adapted.models)
