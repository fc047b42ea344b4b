"""What a model card tells others: how to load the model, and how its scores become answers."""

from __future__ import annotations

from typing import Any

from orchestrator.commands.model_card import deciding, loading, software

MANY = {"problem_type": "multi_label_classification"}
TEXTS = "AutoModelForSequenceClassification"


def task(**changes: Any) -> dict[str, Any]:
    """The content of `task.json`, as far as a card reads it."""
    return {"labels": ["joy", "anger"], "max_length": 96, "decisions": {}, "task_options": {}, **changes}


def test_tuned_thresholds_are_said_of_every_label_also_of_one_that_none_was_tuned_for() -> None:
    said = deciding(MANY, task(task_options={"threshold": "tuned"}, decisions={"joy": 0.25}))
    assert said.splitlines() == [
        "A text gets every label whose score reaches the label's threshold:",
        "",
        "- threshold of joy: 0.25",
        "- threshold of anger: 0.5",
    ]


def test_one_threshold_for_all_labels_and_the_label_of_last_resort_are_said() -> None:
    said = deciding(MANY, task(task_options={"threshold": 0.3, "at_least_one": True}))
    assert "and if there is none the label with the highest score:" in said
    assert said.endswith("- threshold of joy: 0.3\n- threshold of anger: 0.3")


def test_when_a_question_gets_no_answer_is_said_with_the_tuned_threshold_or_the_given_one() -> None:
    options = {"no_answer_threshold": -1.5}
    assert "- threshold of no_answer_threshold: -1.5" in deciding({}, task(task_options=options))
    tuned = deciding({}, task(task_options=options, decisions={"no_answer_threshold": 2.25}))
    assert "exceeds that of the span by more than the threshold:" in tuned
    assert tuned.endswith("\n- threshold of no_answer_threshold: 2.25")


def test_the_most_probable_label_needs_no_words_and_thresholds_of_an_own_task_are_listed() -> None:
    assert deciding({"problem_type": "single_label_classification"}, task()) == ""
    assert deciding({}, task(decisions={"cut": 3.0})) == "Thresholds:\n\n- threshold of cut: 3"


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
