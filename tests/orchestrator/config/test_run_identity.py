"""A run's id is its content: what decides the result changes it, and nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.run_spec import TUNING_VERSION, RunSpec, content_id, tuning_of
from trainables.config import DataConfig, EarlyStopping, ModelConfig, RunConfig, SplitConfig, TrainConfig

DATA = DataConfig(name="cr-ecss", fingerprint="f" * 64)
MODEL = ModelConfig(name="roberta-base", source="FacebookAI/roberta-base", revision="c" * 40, precision="fp16")
CONFIG = RunConfig(task="token_classification", data=DATA, model=MODEL, seed=42)


def spec(config: RunConfig = CONFIG, **changes: Any) -> RunSpec:
    """A run of CONFIG, or of another configuration, shown under other names."""
    shown = {"experiment": "a", "system": "roberta-base", "recipe": "default", "metric": "weighted_f1", **changes}
    return RunSpec(config=config, **shown)


def changed(**changes: Any) -> RunSpec:
    """A run whose configuration differs."""
    return spec(CONFIG.model_copy(update=changes))


def of_model(**changes: Any) -> RunSpec:
    """A run whose model differs."""
    return changed(model=MODEL.model_copy(update=changes))


def of_data(**changes: Any) -> RunSpec:
    """A run whose data differs."""
    return changed(data=DATA.model_copy(update=changes))


def test_the_id_of_a_known_run_stays_what_it_is() -> None:
    """A change here makes every record that users have a stranger: raise IDENTITY_VERSION only on purpose."""
    assert (spec().run_id, spec().settings_id) == ("fd11a0d5e3c66ba9", "69c287ba04f6eda4")


def test_the_id_of_a_json_value_does_not_depend_on_the_order_of_its_keys() -> None:
    assert content_id({"a": 1, "b": {"c": 2, "d": [1, 2]}}) == content_id({"b": {"d": [1, 2], "c": 2}, "a": 1})
    assert content_id({"a": [1, 2]}) != content_id({"a": [2, 1]})


def test_a_value_without_a_number_has_no_id() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id({"a": float("nan")})


def test_a_run_read_back_from_json_has_the_same_id() -> None:
    run = spec(file_hashes={"x.py": "a" * 64})
    assert RunSpec.model_validate_json(run.model_dump_json()).run_id == run.run_id


@pytest.mark.parametrize(
    "other",
    [
        spec(experiment="another"),
        spec(system="roberta", recipe="other", control="negative", metric="accuracy"),
        of_model(name="my favourite"),
        of_model(source="/a/local/copy"),
        of_model(trust_remote_code=True),
        of_data(path="/somewhere/else/CR_ECSS_dataset.json"),
        of_data(columns={}, format="json"),
        changed(split=SplitConfig(seed=42)),
        changed(train=TrainConfig(epochs=3)),
    ],
    ids=str,
)
def test_names_and_paths_do_not_decide_a_result(other: RunSpec) -> None:
    assert other.run_id == spec().run_id
    assert other.settings_id == spec().settings_id


@pytest.mark.parametrize(
    "other",
    [
        spec(stage="adapt"),
        changed(task="sequence_classification"),
        changed(train=TrainConfig(learning_rate=3e-5)),
        changed(train=TrainConfig(early_stopping=EarlyStopping(patience=3))),
        changed(train=TrainConfig(clip=None)),
        changed(split=SplitConfig(validation=0.213)),
        changed(variants={"length_bucketing": {}}),
        changed(variants={"attention": {"implementation": "eager"}}),
        changed(metric="accuracy"),
        changed(direction="minimize"),
        changed(init_from="0" * 16),
        of_model(revision="d" * 40),
        of_model(precision="fp32"),
        of_model(random_init=True),
        of_model(overrides={"num_hidden_layers": 3}),
        of_model(tokenizer={"add_prefix_space": True}),
        of_data(fingerprint="e" * 64),
        of_data(name="another"),
        of_data(limit=10),
    ],
    ids=str,
)
def test_whatever_decides_a_result_makes_other_settings(other: RunSpec) -> None:
    assert other.run_id != spec().run_id
    assert other.settings_id != spec().settings_id


@pytest.mark.parametrize(
    "other", [changed(seed=43), changed(fold=1), changed(split=SplitConfig(seed=7))], ids=["seed", "fold", "split seed"]
)
def test_seed_split_seed_and_fold_make_another_run_of_the_same_settings(other: RunSpec) -> None:
    assert other.run_id != spec().run_id
    assert other.settings_id == spec().settings_id


def test_a_split_drawn_with_the_runs_seed_is_that_split() -> None:
    assert changed(split=SplitConfig(seed="run")).run_id == spec().run_id
    assert changed(split=SplitConfig(seed="run"), seed=43).run_id == changed(seed=43, split=SplitConfig(seed=43)).run_id


def test_a_model_without_a_revision_is_identified_by_where_it_comes_from() -> None:
    without = of_model(revision=None)
    assert without.run_id != of_model(revision=None, source="other/model").run_id


def test_a_file_of_the_users_counts_by_its_content_and_not_by_its_path() -> None:
    def run(path: str, content: str) -> RunSpec:
        return spec(CONFIG.model_copy(update={"task": path}), file_hashes={path: content})

    assert run("/a/task.py", "1").run_id == run("/b/other.py", "1").run_id
    assert run("/a/task.py", "1").run_id != run("/a/task.py", "2").run_id


def test_a_run_cannot_be_identified_before_its_data_is(tmp_path: Path) -> None:
    unresolved = spec(CONFIG.model_copy(update={"data": DataConfig(path=str(tmp_path))}))
    with pytest.raises(AssertionError, match="fingerprint"):
        _ = unresolved.run_id


def test_runs_that_tune_decisions_have_ids_of_their_own_since_these_choose_the_epoch() -> None:
    assert spec(tuning=None).run_id == spec().run_id
    assert spec(tuning=2).run_id != spec().run_id
    assert spec(tuning=2).settings_id != spec().settings_id
    assert tuning_of(CONFIG) is None


@pytest.mark.parametrize(
    ("task", "options", "tuned"),
    [
        ("multi_label_classification", {}, True),
        ("multi_label_classification", {"threshold": 0.4}, False),
        ("question_answering", {}, False),
        ("question_answering", {"tune_threshold": True}, True),
        ("label_generation", {"form": "multi"}, False),
    ],
)
def test_only_tasks_that_tune_with_their_options_are_runs_of_that_kind(
    task: str, options: dict[str, Any], tuned: bool
) -> None:
    config = CONFIG.model_copy(update={"task": task, "task_options": options})
    assert tuning_of(config) == (TUNING_VERSION if tuned else None)
