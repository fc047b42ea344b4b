"""What a model card tells others and the hub: how to load the model, how its scores become answers, what it reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.utils import validate_repo_id

from analysis.yaml_text import dump
from orchestrator.commands.model_card import decision_rule, loading, metadata, software

MANY = {"problem_type": "multi_label_classification"}
TEXTS = "AutoModelForSequenceClassification"


def task(**changes: Any) -> dict[str, Any]:
    """The content of `task.json`, as far as a card reads it."""
    return {"labels": ["joy", "anger"], "max_length": 96, "decisions": {}, "task_options": {}, **changes}


def test_tuned_thresholds_are_said_of_every_label_also_of_one_that_none_was_tuned_for() -> None:
    said = decision_rule(MANY, task(task_options={"threshold": "tuned"}, decisions={"joy": 0.25}))
    assert said.splitlines() == [
        "A text gets every label whose score reaches the label's threshold:",
        "",
        "- threshold of joy: 0.25",
        "- threshold of anger: 0.5",
    ]


def test_one_threshold_for_all_labels_and_the_label_of_last_resort_are_said() -> None:
    said = decision_rule(MANY, task(task_options={"threshold": 0.3, "at_least_one": True}))
    assert ", or else the label with the highest score:" in said
    assert said.endswith("- threshold of joy: 0.3\n- threshold of anger: 0.3")


def test_when_a_question_gets_no_answer_is_said_with_the_tuned_threshold_or_the_given_one() -> None:
    options = {"no_answer_threshold": -1.5}
    assert "- threshold of no_answer_threshold: -1.5" in decision_rule({}, task(task_options=options))
    tuned = decision_rule({}, task(task_options=options, decisions={"no_answer_threshold": 2.25}))
    assert "exceeds that of the span by more than the threshold:" in tuned
    assert tuned.endswith("\n- threshold of no_answer_threshold: 2.25")


def test_the_most_probable_label_needs_no_words_and_thresholds_of_an_own_task_are_listed() -> None:
    assert decision_rule({"problem_type": "single_label_classification"}, task()) == ""
    assert decision_rule({}, task(decisions={"cut": 3.0})) == "Thresholds:\n\n- threshold of cut: 3"


def test_the_pipeline_is_told_what_it_needs_to_say_what_was_evaluated() -> None:
    named = "model=model, tokenizer=tokenizer"
    many, single = loading(TEXTS, MANY, task()), loading(TEXTS, {}, task())
    assert f'pipeline("text-classification", {named}, top_k=None, truncation=True, max_length=96)' in many
    assert f'pipeline("text-classification", {named}, truncation=True, max_length=96)' in single
    words = loading("AutoModelForTokenClassification", {}, task())
    assert f'pipeline("token-classification", {named}, aggregation_strategy="first")' in words
    assert "import AutoTokenizer, AutoModelForTokenClassification, pipeline\n" in words


def test_software_is_said_with_its_commits_also_of_a_folder_from_before_they_were_known() -> None:
    before = {"torch_version": "2.11.0", "ray_version": None, "git_commit": "abc"}
    assert software(before) == "torch 2.11.0, git commit abc"
    after = {**before, "orchestrate_version": "0.1.0", "orchestrate_commit": "def-dirty"}
    assert software(after) == "torch 2.11.0, git commit abc, orchestrate 0.1.0, orchestrate commit def-dirty"


def test_no_pipeline_is_named_where_the_library_has_none_or_the_task_is_our_own() -> None:
    for name in ("AutoModelForQuestionAnswering", "AutoModelForCausalLM", "AutoModel"):
        said = loading(name, {}, task())
        assert "pipeline" not in said
        assert f"model = {name}.from_pretrained(folder)\n" in said


def test_an_architecture_that_comes_as_code_says_so() -> None:
    said = loading(TEXTS, {"auto_map": {"AutoConfig": "mean_pooling.MeanPoolingConfig"}}, task())
    assert f"tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)\nmodel = {TEXTS}" in said
    assert "which runs only if you allow it" in said
    assert "trust_remote_code" not in loading(TEXTS, {}, task())


ROW: dict[str, Any] = {
    "system": "roberta-base",
    "seed": 3,
    "task": "sequence_classification",
    "dataset": "sst2",
    "score_split": "test",
    "score": 0.9,
    "metric_accuracy": 0.9,
    "metric_macro_f1": 0.875,
    "metric_jaccard": 1e-05,
    "metric_loss": float("nan"),
    "metric_unparseable": None,
}
BASE_CARD = "---\nlanguage: [en]\nlicense: other\nlicense_name: our-terms\nlicense_link: LICENSE\n---\n# Base\n"


def exported(source: str = "some-owner/some-model", data: dict[str, Any] | None = None, **model: Any) -> Any:
    """What the hub is told of a run that started from `source`."""
    config = {"model": {"revision": "a" * 40, **model}, "data": {"hub": None, "revision": None, **(data or {})}}
    return metadata(ROW, {"config": config}, source, "text-classification")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base model's folder with a card."""
    (tmp_path / "README.md").write_text(BASE_CARD, encoding="utf-8")
    return tmp_path


def test_the_hub_gets_base_model_data_set_and_the_scores_of_these_weights() -> None:
    told = exported().to_dict()
    index = told.pop("model-index")
    assert told == {
        "base_model": "some-owner/some-model",
        "datasets": ["nyu-mll/glue"],
        "library_name": "transformers",
        "metrics": ["accuracy", "f1"],
        "pipeline_tag": "text-classification",
        "tags": ["orchestrate"],
    }
    (model,) = index
    (result,) = model["results"]
    assert model["name"] == "roberta-base-seed3"
    assert result["task"] == {"type": "text-classification"}
    assert result["dataset"] == {"name": "sst2", "type": "nyu-mll/glue", "config": "sst2", "split": "test"}
    assert [(one["type"], one["value"], one["name"]) for one in result["metrics"]] == [
        ("accuracy", 0.9, "Accuracy"),
        ("jaccard", 1e-05, "Jaccard"),
        ("f1", 0.875, "Macro F1"),
    ]


def test_the_front_matter_is_read_back_as_it_was_by_the_hub_library_and_by_any_yaml(folder: Path) -> None:
    for told in (exported(), exported(str(folder)), exported(data={"hub": "yes/1e3:on", "revision": "1e5"})):
        text = f"---\n{dump(told.to_dict())}---\n\n# A title\n"
        card = ModelCard(text)
        assert card.data.to_dict() == told.to_dict()
        assert card.data.eval_results == told.eval_results
        assert yaml.safe_load(text.split("---")[1]) == told.to_dict()
        assert ModelCardData(**told.to_dict()).to_dict() == told.to_dict()
        for name in (*filter(None, [told.base_model]), *(told.datasets or [])):
            validate_repo_id(name)
        assert all(one.metric_type and one.dataset_type and one.task_type for one in told.eval_results)


def test_licence_and_language_are_those_of_the_base_models_card(folder: Path) -> None:
    told = exported(str(folder))
    assert (told.license, told.license_name, told.license_link) == ("other", "our-terms", "LICENSE")
    assert told.language == "en"
    assert told.base_model is None  # a folder is no model of the hub
    (folder / "README.md").write_text("---\nlanguage: [en, de]\nlicense: mit\n---\n", encoding="utf-8")
    assert (exported(str(folder)).license, exported(str(folder)).language) == ("mit", None)


def test_a_card_in_the_local_cache_is_read_at_the_commit_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshots = tmp_path / "models--some-owner--some-model/snapshots"
    for commit, licence in (("a" * 40, "mit"), ("b" * 40, "other")):
        (snapshots / commit).mkdir(parents=True)
        (snapshots / commit / "README.md").write_text(f"---\nlicense: {licence}\n---\n", encoding="utf-8")
    told = exported()
    assert (told.base_model, told.license) == ("some-owner/some-model", "mit")


def test_weights_drawn_at_random_have_no_base_model_and_no_licence_of_one(folder: Path) -> None:
    told = exported("some-owner/some-model", random_init=True)
    assert (told.base_model, told.license) == (None, None)
    assert exported(str(folder), random_init=True).license is None


@pytest.mark.parametrize("content", ["---\n- a list\n---\n", "---\n{broken\n---\n", "---\n1: 2\n---\n", "\udcff"])
def test_a_base_card_that_cannot_be_read_says_nothing_and_the_log_why(
    folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "README.md").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert exported(str(folder)).license is None
    assert "names no licence of the base model" in caplog.text
    (folder / "README.md").write_text("# no front matter", encoding="utf-8")
    assert exported(str(folder)).license is None


def test_data_of_the_users_own_is_named_and_no_data_set_of_the_hub() -> None:
    row = {**ROW, "dataset": "items.jsonl"}
    told = metadata(row, {"config": {"model": {}, "data": {"revision": None}}}, "owner/name", None)
    assert told.datasets is None
    assert {(one.dataset_type, one.dataset_config, one.task_type) for one in told.eval_results} == {
        ("items.jsonl", None, "sequence-classification")
    }
